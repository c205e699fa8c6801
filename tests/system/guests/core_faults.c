/* SPDX-License-Identifier: MIT */
/*
 * What the libOS must refuse to a program, and what it says about it. Each run ends by a fault.
 *
 * build: -O1 -fno-strict-aliasing
 * run: name=null args=null exit=134 out="page fault reading address 0x10: null pointer"
 * run: name=unmapped args=unmapped exit=134 out="page fault reading address 0x7000000000: unmapped"
 * run: name=text args=text exit=134 out="page fault writing address 0x[0-9a-f]+: read-only"
 * run: name=rodata args=rodata exit=134 out="page fault writing address 0x[0-9a-f]+: read-only"
 * run: name=data args=data exit=134 cpu=qemu64,-svm out="page fault executing address 0x[0-9a-f]+: not
 * executable" run: name=heap args=heap exit=134 cpu=qemu64,-svm out="page fault executing address
 * 0x[0-9a-f]+: not executable" run: name=stack args=stack exit=134 cpu=qemu64,-svm out="page fault executing
 * address 0x[0-9a-f]+: not executable" run: name=guard args=guard exit=134 out="stack overflow in thread
 * main: page fault writing" run: name=thread-guard args=thread exit=134 out="stack overflow in thread worker:
 * page fault writing" run: name=divide args=divide exit=134 out="division error" run: name=invalid
 * args=invalid exit=134 out="invalid instruction" run: name=protection args=protection exit=134 out="general
 * protection fault" run: name=panic args=panic exit=134 out="coracle: seven is 7" run: name=backtrace
 * args=null exit=134 out="^  #1 0x4[0-9a-f]+"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coracle/shutdown.h>
#include <coracle/thread.h>

static const int constant = 1;
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
