/* SPDX-License-Identifier: MIT */
/*
 * The console. In the initial domain the hypervisor itself is the other end: console_io writes, and reads
 * what has arrived when VIRQ_CONSOLE says so. Other domains share a page with their console backend
 * (xen/io/console.h): two rings of bytes with free-running 32-bit indices, and one event channel.
 *
 * Input is moved to a buffer here by the event handler, so that a backend with a small ring does not lose
 * any.
 */
#include "libos/front/console.h"
#include <errno.h>
#include <string.h>
#include <xen/io/console.h>
#include "coracle/clock.h"
#include "coracle/console.h"
#include "coracle/event.h"
#include "coracle/sync.h"
#include "libos/core/cpu.h"
#include "libos/core/frames.h"
#include "libos/xen/events.h"
#include "pvboot/hypercall.h"

#define INPUT_SIZE 2048u /* a power of two */

static struct {
    struct xencons_interface *ring; /* NULL in the initial domain */
    uint32_t port;                  /* the ring's event channel */
    bool listening;                 /* input events are connected */
    struct cor_spinlock lock;       /* guards all below, and the producer index of the ring's output */
    uint32_t head, tail;            /* free-running: input[tail % size] is read next */
    char input[INPUT_SIZE];
} console;

volatile uint32_t cor_console_input_count;

void cor_console_init(const start_info_t *si)
{
    if (si->flags & SIF_INITDOMAIN) {
        return;
    }
    console.port = si->console.domU.evtchn;
    console.ring = (struct xencons_interface *)cor_linear_address(cor_mfn_to_pfn(si->console.domU.mfn));
}

/* ------------------------------------------------------------------ output */

/* Copies what fits into the output ring; returns how many bytes. */
static size_t ring_put(struct xencons_interface *ring, const char *data, size_t length)
{
    uint32_t prod = ring->out_prod, cons = __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE);
    size_t room = sizeof(ring->out) - (prod - cons), count;

    if (room > sizeof(ring->out)) {
        room = 0; /* the other end broke its index: nothing fits until it is right again */
    }
    count = length < room ? length : room;
    for (size_t i = 0; i < count; i++) {
        ring->out[MASK_XENCONS_IDX(prod + i, ring->out)] = data[i];
    }
    __atomic_store_n(&ring->out_prod, prod + (uint32_t)count, __ATOMIC_RELEASE);
    return count;
}

static void input_event(uint32_t port, void *argument);

/*
 * Sleeps until the other end sends an event, unless the ring has changed meanwhile: has(ring) is asked again
 * between clearing the pending bit and falling asleep. Any context; deadline: monotonic nanoseconds, 0 for
 * none. Events stay masked, or a handler would take the one that is waited for; what it may have said about
 * input is looked at here.
 */
static void ring_wait(bool (*has)(const struct xencons_interface *ring), uint64_t deadline)
{
    unsigned long *word, bit = 1ul << console.port % 64;
    evtchn_port_t ports[1] = {console.port};
    struct sched_poll poll = {.nr_ports = 1, .timeout = deadline};
    bool enabled;

    if (!cor_shared_info) { /* the first moments of the start */
        hypercall_sched_op(SCHEDOP_yield, NULL);
        return;
    }
    word = &cor_shared_info->evtchn_pending[console.port / 64];
    enabled = cor_irq_save();
    set_xen_guest_handle(poll.ports, ports);
    if (!(__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) & bit) && !has(console.ring)) {
        hypercall_sched_op(SCHEDOP_poll, &poll);
        __atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
    }
    if (console.listening) {
        input_event(console.port, NULL);
    }
    cor_irq_restore(enabled);
}

/* Is there room in the output ring, and has the other end taken all? Broken indices are neither. */
static bool has_room(const struct xencons_interface *ring)
{
    return ring->out_prod - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) < sizeof(ring->out);
}

static bool is_drained(const struct xencons_interface *ring)
{
    return ring->out_prod == __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE);
}

static void ring_write(const char *data, size_t length)
{
    while (length) {
        bool enabled = cor_spin_lock(&console.lock);
        size_t count = ring_put(console.ring, data, length);

        cor_spin_unlock(&console.lock, enabled);
        data += count;
        length -= count;
        if (count) {
            cor_event_send(console.port);
        }
        if (length) {
            ring_wait(has_room, 0);
        }
    }
}

void cor_console_write(const void *data, size_t length)
{
    if (console.ring) {
        ring_write(data, length);
    } else {
        hypercall_console_io(CONSOLEIO_write, (unsigned)length, (char *)(uintptr_t)data);
    }
}

void cor_console_drain(void)
{
    uint64_t limit;

    if (!console.ring) {
        return;
    }
    limit = cor_monotonic_ns() + 1000000000;
    while (!is_drained(console.ring) && cor_monotonic_ns() < limit) {
        ring_wait(is_drained, limit);
    }
}

/* ------------------------------------------------------------------ input */

/* Fetches up to `room` bytes, which are contiguous at `to`, from the other end. The lock is held. */
static size_t fetch(char *to, size_t room)
{
    struct xencons_interface *ring = console.ring;
    uint32_t cons, prod;
    size_t count;

    if (!ring) {
        long got = hypercall_console_io(CONSOLEIO_read, (unsigned)room, to);
        return got > 0 ? (size_t)got : 0;
    }
    cons = ring->in_cons;
    prod = __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE);
    if (prod - cons > sizeof(ring->in)) {
        return 0; /* the other end broke its index */
    }
    for (count = 0; count < room && cons != prod; count++, cons++) {
        to[count] = ring->in[MASK_XENCONS_IDX(cons, ring->in)];
    }
    __atomic_store_n(&ring->in_cons, cons, __ATOMIC_RELEASE);
    return count;
}

/* Fills the buffer as far as there is input and room; returns how many bytes came. The lock is held. */
static size_t fill_input(void)
{
    size_t total = 0;

    for (;;) {
        uint32_t at = console.head % INPUT_SIZE, used = console.head - console.tail;
        size_t room = INPUT_SIZE - used, contiguous = INPUT_SIZE - at, count;

        room = room < contiguous ? room : contiguous;
        count = room ? fetch(console.input + at, room) : 0;
        if (!count) {
            return total;
        }
        console.head += (uint32_t)count;
        total += count;
    }
}

static void input_event(uint32_t port, void *argument)
{
    bool enabled = cor_spin_lock(&console.lock);
    size_t count = fill_input();

    (void)argument;
    cor_spin_unlock(&console.lock, enabled);
    if (count) {
        if (console.ring) {
            cor_event_send(port); /* there is room again */
        }
        cor_console_input_count++;
        cor_wake(&cor_console_input_count, UINT32_MAX);
    }
}

/* Connects input on first use: a program that never reads pays nothing for it. */
static void listen_for_input(void)
{
    bool first = !__atomic_exchange_n(&console.listening, true, __ATOMIC_ACQ_REL);

    if (first && console.ring) {
        cor_event_attach(console.port, input_event, NULL);
    } else if (first) {
        cor_event_bind_virq(VIRQ_CONSOLE, input_event, NULL);
    }
}

size_t cor_console_readable(void)
{
    bool enabled;
    size_t count;

    listen_for_input();
    enabled = cor_spin_lock(&console.lock);
    fill_input();
    count = console.head - console.tail;
    cor_spin_unlock(&console.lock, enabled);
    return count;
}

size_t cor_console_read(void *data, size_t length)
{
    char *to = data;
    size_t count;
    bool enabled;

    listen_for_input();
    enabled = cor_spin_lock(&console.lock);
    fill_input();
    for (count = 0; count < length && console.tail != console.head; count++) {
        to[count] = console.input[console.tail++ % INPUT_SIZE];
    }
    cor_spin_unlock(&console.lock, enabled);
    return count;
}

long cor_console_read_wait(void *data, size_t length, uint64_t deadline)
{
    for (;;) {
        uint32_t seen = __atomic_load_n(&cor_console_input_count, __ATOMIC_ACQUIRE);
        size_t count = cor_console_read(data, length);
        int result;

        if (count || !length) {
            return (long)count;
        }
        result = cor_wait(&cor_console_input_count, seen, deadline, 0);
        if (result == -ETIMEDOUT || result == -EINTR) {
            return result;
        }
    }
}
