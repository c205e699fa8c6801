/* SPDX-License-Identifier: MIT */
/* Event channels: upcalls, masks, and the clock of the shared-info page. */
#include "tests/abi/lib/test.h"
#include "tests/abi/lib/internal.h"

volatile unsigned long event_count[NR_PORTS];
void (*event_handler[NR_PORTS])(unsigned port);

static bool bit_test(const volatile unsigned long *words, unsigned bit)
{
    return (words[bit / 64] >> (bit % 64)) & 1;
}

static void bit_set(volatile unsigned long *words, unsigned bit)
{
    __atomic_fetch_or(words + bit / 64, 1ul << (bit % 64), __ATOMIC_SEQ_CST);
}

static bool bit_clear(volatile unsigned long *words, unsigned bit)
{
    unsigned long mask = 1ul << (bit % 64);

    return (__atomic_fetch_and(words + bit / 64, ~mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

static void take_port(unsigned port)
{
    bit_clear(shared()->evtchn_pending, port);
    event_count[port]++;
    if (event_handler[port] != NULL) {
        event_handler[port](port);
    }
}

void event_dispatch(void)
{
    vcpu_info_t *v = vcpu_info();

    do {
        unsigned long words;

        v->evtchn_upcall_pending = 0;
        words = __atomic_exchange_n(&v->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
        for (; words != 0; words &= words - 1) {
            unsigned word = (unsigned)__builtin_ctzl(words);
            unsigned long ports;

            while ((ports = shared()->evtchn_pending[word] & ~shared()->evtchn_mask[word]) != 0) {
                take_port(word * 64 + (unsigned)__builtin_ctzl(ports));
            }
        }
    } while (v->evtchn_upcall_pending);
}

void events_on(void)
{
    vcpu_info_t *v = vcpu_info();

    v->evtchn_upcall_mask = 0;
    __asm__ volatile("" ::: "memory");
    if (v->evtchn_upcall_pending) {
        /* Any hypercall delivers what became pending while upcalls were masked. */
        hcall(xen_version, XENVER_version);
    }
}

void port_mask(unsigned port)
{
    bit_set(shared()->evtchn_mask, port);
}

void port_unmask(unsigned port)
{
    struct evtchn_unmask op = {.port = port};

    hcall(event_channel_op, EVTCHNOP_unmask, &op);
}

bool port_pending(unsigned port)
{
    return bit_test(shared()->evtchn_pending, port);
}

bool port_masked(unsigned port)
{
    return bit_test(shared()->evtchn_mask, port);
}

void port_clear(unsigned port)
{
    bit_clear(shared()->evtchn_pending, port);
}

long port_new(void)
{
    struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    long error = hcall(event_channel_op, EVTCHNOP_alloc_unbound, &op);

    return error != 0 ? error : (long)op.port;
}

long port_send(unsigned port)
{
    struct evtchn_send op = {.port = port};

    return hcall(event_channel_op, EVTCHNOP_send, &op);
}

long port_close(unsigned port)
{
    struct evtchn_close op = {.port = port};

    return hcall(event_channel_op, EVTCHNOP_close, &op);
}

uint64_t now(void)
{
    const volatile vcpu_time_info_t *t = &vcpu_info()->time;
    uint32_t version, mul, low, high;
    uint64_t delta, system_time;
    int shift;

    do {
        version = t->version;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
        delta = (((uint64_t)high << 32) | low) - t->tsc_timestamp;
        mul = t->tsc_to_system_mul;
        shift = (int)t->tsc_shift;
        system_time = t->system_time;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    } while ((version & 1) != 0 || version != t->version);
    delta = shift < 0 ? delta >> -shift : delta << shift;
    return system_time + (uint64_t)(((unsigned __int128)delta * mul) >> 32);
}
