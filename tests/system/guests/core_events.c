/* SPDX-License-Identifier: MIT */
/*
 * Events against the way out of the upcall: an event channel to ourselves and a timer whose deadline sweeps
 * over the instructions of the upcall's exit. No event may be lost, no register changed, and the stack must
 * not creep.
 *
 * build: -O2
 * run: out="^done: all$" timeout=120
 */
#include <stdint.h>
#include <stdio.h>
#include <coracle/clock.h>
#include <coracle/event.h>
#include <coracle/thread.h>

#define ROUNDS   4000u
#define DELAY    100000u     /* ns: long enough for the hypervisor to program its timer exactly */
#define SELF     0x7ff0u     /* DOMID_SELF */
#define PATIENCE 30000000000 /* ns: for one event, however busy the machine is */

static volatile uint32_t received, fired;
static volatile uint64_t lowest = UINT64_MAX, highest;
static struct cor_timer timer;
static uint64_t before; /* how long before the deadline the handler returns, ns */

static void note_stack(void)
{
    uint64_t here = (uint64_t)__builtin_frame_address(0);

    lowest = here < lowest ? here : lowest;
    highest = here > highest ? here : highest;
}

static void fire(struct cor_timer *unused)
{
    (void)unused;
    note_stack();
    fired++;
}

static void receive(uint32_t port, void *argument)
{
    (void)port;
    (void)argument;
    note_stack();
    received++;
    cor_timer_set(&timer, cor_monotonic_ns() + DELAY);
    while (cor_monotonic_ns() + before < timer.deadline) {
    }
}

/* Known values in the registers while events come in; 1 if all are still there. */
static int registers_survive(volatile uint32_t *word, uint32_t expected)
{
    uint64_t bad;

    __asm__ volatile(
        "mov $0x1111111111111111, %%rax; lea 1(%%rax), %%rbx; lea 2(%%rax), %%rdx\n\t"
        "lea 3(%%rax), %%rsi; lea 5(%%rax), %%r8; lea 6(%%rax), %%r9; lea 7(%%rax), %%r10\n\t"
        "lea 8(%%rax), %%r11; lea 9(%%rax), %%r12; lea 10(%%rax), %%r13; lea 11(%%rax), %%r14\n\t"
        "lea 12(%%rax), %%r15; movq %%rax, %%xmm5; mov $100000, %%ecx\n"
        "1: mov (%[word]), %%eax; cmp %[expected], %%eax; je 2f; dec %%ecx; jnz 1b\n"
        "2: mov $0x1111111111111111, %%rax; sub $1, %%rbx; sub $2, %%rdx; sub $3, %%rsi; sub $5, %%r8; sub "
        "$6, %%r9; sub $7, %%r10\n\t"
        "sub $8, %%r11; sub $9, %%r12; sub $10, %%r13; sub $11, %%r14; sub $12, %%r15\n\t"
        "xor %%rax, %%rbx; xor %%rax, %%rdx; xor %%rax, %%rsi; xor %%rax, %%r8; xor %%rax, %%r9\n\t"
        "xor %%rax, %%r10; xor %%rax, %%r11; xor %%rax, %%r12; xor %%rax, %%r13\n\t"
        "xor %%rax, %%r14; xor %%rax, %%r15; movq %%xmm5, %%rcx; xor %%rcx, %%rax\n\t"
        "or %%rbx, %%rax; or %%rdx, %%rax; or %%rsi, %%rax; or %%r8, %%rax; or %%r9, %%rax\n\t"
        "or %%r10, %%rax; or %%r11, %%rax; or %%r12, %%rax; or %%r13, %%rax; or %%r14, %%rax\n\t"
        "or %%r15, %%rax"
        : "=&a"(bad)
        : [word] "D"(word), [expected] "m"(expected)
        : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm5", "memory",
          "cc");
    return bad == 0;
}

int main(void)
{
    int good = 1, missing = 0, port, other;

    timer.fire = fire;
    port = cor_event_alloc_unbound(SELF, receive, NULL);
    other = cor_event_bind_interdomain(SELF, (uint32_t)port, receive, NULL);

    if (port <= 0 || other <= 0) {
        printf("not ok a channel to ourselves: %d %d\n", port, other);
        return 1;
    }
    received = fired = 0; /* binding notifies once */
    cor_timer_cancel(&timer);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t limit;
        before = i % 1000;
        cor_event_send((uint32_t)other);
        good = registers_survive(&fired, i + 1) && good;
        limit = cor_monotonic_ns() + PATIENCE;
        while (fired != i + 1 && cor_monotonic_ns() < limit) {
        }
        missing += fired != i + 1;
    }
    printf("%s every event arrives: %u of %u, timer %u\n", received == ROUNDS && !missing ? "ok" : "not ok",
           received, ROUNDS, fired);
    printf("%s registers\n", good ? "ok" : "not ok");
    printf("%s the stack stays where it is: %lu bytes\n", highest - lowest < 2048 ? "ok" : "not ok",
           highest - lowest);
    cor_event_close((uint32_t)other);
    cor_event_close((uint32_t)port);
    if (received == ROUNDS && !missing && good && highest - lowest < 2048) {
        printf("done: all\n");
        return 0;
    }
    return 1;
}
