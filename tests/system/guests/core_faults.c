/* SPDX-License-Identifier: MIT */
/*
 * What the libOS must refuse to a program, and what is said about it. Each run ends by a fault. A stack
 * that has run into its guard page has no room for the trap's frame, so that the hypervisor ends the
 * domain: its words differ.
 *
 * build: -O1 -fno-strict-aliasing -fno-optimize-sibling-calls
 *
 * run: name=null args=null exit=134 out="page fault reading address 0x10: null pointer"
 *
 * run: name=unmapped args=unmapped exit=134 out="page fault reading address 0x7000000000: unmapped"
 *
 * run: name=text args=text exit=134 out="page fault writing address 0x[0-9a-f]+: read-only"
 *
 * run: name=rodata args=rodata exit=134 out="page fault writing address 0x[0-9a-f]+: read-only"
 *
 * run: name=data args=data exit=134 cpu=qemu64,-svm out="executing address 0x[0-9a-f]+: not executable"
 *
 * run: name=heap args=heap exit=134 cpu=qemu64,-svm out="executing address 0x[0-9a-f]+: not executable"
 *
 * run: name=stack args=stack exit=134 cpu=qemu64,-svm out="executing address 0x[0-9a-f]+: not executable"
 *
 * run: name=constant args=constant exit=134 cpu=qemu64,-svm out="executing address .*: not executable"
 *
 * run: name=guard args=guard exit=134 out="stack overflow in thread main: page fault writing"
 *
 * run: name=thread-guard args=thread exit=134 out="stack overflow in thread worker: page fault writing"
 *
 * run: name=recursion args=recursion exit=134 on=coracle err="stack overflow(.|\n)* #[0-9]+ 0x.*recurse"
 *
 * run: name=recursion args=recursion exit=134 on=xen err="domain_crash|crashed"
 *
 * run: name=large-frame args=frame exit=134 on=coracle err="stack overflow(.|\n)* #[0-9]+ 0x.*jump_the_guard"
 *
 * run: name=large-frame args=frame exit=134 on=xen err="domain_crash|crashed"
 *
 * run: name=divide args=divide exit=134 out="division error"
 *
 * run: name=invalid args=invalid exit=134 out="invalid instruction"
 *
 * run: name=protection args=protection exit=134 out="general protection fault"
 *
 * run: name=panic args=panic exit=134 out="coracle: seven is 7"
 *
 * run: name=backtrace args=null exit=134 out="^  #1 0x4[0-9a-f]+"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coracle/shutdown.h>
#include <coracle/thread.h>

static const int constant = 1;
static const char constant_code[16] = {(char)0xc3};
static char code[16] = {(char)0xc3}; /* ret */
static volatile int zero;

static void call(void *address)
{
    void (*function)(void) = (void (*)(void))address;
    function();
}

/* Writes below the stack while rsp is still good. */
static void *touch_guard(void *unused)
{
    void *lowest;
    size_t size;

    (void)unused;
    cor_thread_stack(cor_thread_self(), &lowest, &size);
    *(volatile char *)((char *)lowest - 100) = 1;
    return NULL;
}

static __attribute__((noinline)) int recurse(volatile char *above)
{
    volatile char local[200];

    local[0] = above[0];
    return recurse(local) + local[0];
}

/* A frame of 4 MiB, of which only the lowest byte is used: it must not get past the guard page. */
static __attribute__((noinline)) int jump_the_guard(void)
{
    volatile char local[4 << 20];

    local[0] = 1;
    return local[0];
}

static void in_a_thread(void)
{
    struct cor_thread_attr attr = {.name = "worker"};
    struct cor_thread *thread;

    if (cor_thread_create(&thread, &attr, touch_guard, NULL) == 0) {
        cor_thread_join(thread, NULL);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    char on_stack[16] = {(char)0xc3};
    char *on_heap = malloc(16);

    on_heap[0] = (char)0xc3;
    if (!strcmp(what, "null")) {
        printf("%d\n", *(volatile int *)0x10);
    } else if (!strcmp(what, "unmapped")) {
        printf("%d\n", *(volatile int *)0x7000000000);
    } else if (!strcmp(what, "text")) {
        *(volatile char *)main = 0;
    } else if (!strcmp(what, "rodata")) {
        *(volatile int *)&constant = 2;
    } else if (!strcmp(what, "data")) {
        call(code);
    } else if (!strcmp(what, "heap")) {
        call(on_heap);
    } else if (!strcmp(what, "stack")) {
        call(on_stack);
    } else if (!strcmp(what, "constant")) {
        call((void *)constant_code);
    } else if (!strcmp(what, "recursion")) {
        printf("%d\n", recurse(on_stack));
    } else if (!strcmp(what, "frame")) {
        printf("%d\n", jump_the_guard());
    } else if (!strcmp(what, "guard")) {
        touch_guard(NULL);
    } else if (!strcmp(what, "thread")) {
        in_a_thread();
    } else if (!strcmp(what, "divide")) {
        __asm__ volatile("idivl %1" : : "a"(1), "m"(zero), "d"(0));
    } else if (!strcmp(what, "invalid")) {
        __asm__ volatile("ud2");
    } else if (!strcmp(what, "protection")) {
        printf("%d\n", *(volatile int *)0x8000000000000000ul);
    } else if (!strcmp(what, "panic")) {
        cor_panic("seven is %d", 7);
    }
    printf("not ok %s went unnoticed\n", what);
    return 1;
}
