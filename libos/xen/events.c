/* SPDX-License-Identifier: MIT */
/*
 * Event channels. The two-level ABI: evtchn_pending has one bit for each port; a vCPU's evtchn_pending_sel
 * has one bit for each 64-bit word of it, and evtchn_upcall_pending says that any of these is set. The
 * hypervisor sets them in the order port, selector, upcall; we clear them the other way round, each before
 * what lies beneath is looked at, so that an event is never lost: at worst a bit is found twice.
 */
#include "libos/xen/events.h"
#include <errno.h>
#include "coracle/mem.h"
#include "libos/core/cpu.h"
#include "libos/core/sched.h"
#include "pvboot/hypercall.h"

#define PORTS      4096u
#define WORD_BITS  64u
#define PORTS_PAGE (COR_PAGE_SIZE / sizeof(struct handler)) /* handlers in a page of them */

struct handler {
    cor_event_handler *function; /* NULL: none */
    void *argument;
};

struct shared_info *cor_shared_info;

/*
 * The handlers by port: pages of them, the first one here, the others made when a port needs them and kept.
 * The lock guards them; the upcall reads them on the vCPU to which the port is bound.
 */
static struct handler first_page[PORTS_PAGE];
static struct handler *pages[PORTS / PORTS_PAGE] = {first_page};
static struct cor_spinlock handlers_lock;

static struct handler *handler_of(uint32_t port)
{
    struct handler *page = __atomic_load_n(&pages[port / PORTS_PAGE], __ATOMIC_ACQUIRE);

    return page ? &page[port % PORTS_PAGE] : NULL;
}

/* Makes the page of handlers that port needs. False if memory is short. */
static bool make_page(uint32_t port)
{
    struct handler **slot = &pages[port / PORTS_PAGE], *none = NULL, *page;

    if (__atomic_load_n(slot, __ATOMIC_ACQUIRE)) {
        return true;
    }
    page = cor_map(COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_WRITE);
    if (page && !__atomic_compare_exchange_n(slot, &none, page, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        cor_unmap(page, COR_PAGE_SIZE);
    }
    return page != NULL;
}

void cor_events_init(struct shared_info *shared)
{
    cor_shared_info = shared;
    for (unsigned i = 0; i < PORTS / WORD_BITS; i++) {
        shared->evtchn_mask[i] = ~0ul;
    }
    hypercall_set_callbacks(cor_upcall_entry, cor_failsafe_entry, NULL);
}

static void handle_port(uint32_t port)
{
    uint64_t bit = 1ul << port % WORD_BITS;
    const struct handler *handler = handler_of(port);

    __atomic_fetch_and(&cor_shared_info->evtchn_pending[port / WORD_BITS], ~bit, __ATOMIC_SEQ_CST);
    if (handler && handler->function) {
        handler->function(port, handler->argument);
    }
}

static void handle_pending(struct vcpu_info *info)
{
    uint64_t words, ports;

    __atomic_store_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
    words = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    for (; words; words &= words - 1) {
        unsigned word = (unsigned)__builtin_ctzl(words);
        ports = __atomic_load_n(&cor_shared_info->evtchn_pending[word], __ATOMIC_SEQ_CST) &
                ~cor_shared_info->evtchn_mask[word];
        for (; ports; ports &= ports - 1) {
            handle_port(word * WORD_BITS + (unsigned)__builtin_ctzl(ports));
        }
    }
}

void cor_upcall(struct cor_trap_frame *frame)
{
    struct cor_cpu *cpu = cor_this_cpu();

    (void)frame;
    cpu->in_upcall = true;
    while (*(volatile uint8_t *)&cpu->info->evtchn_upcall_pending) {
        handle_pending(cpu->info);
    }
    cpu->in_upcall = false;
    if (cpu->resched || cpu->current->interrupted) {
        cor_preempt();
    }
}

int cor_event_attach(uint32_t port, cor_event_handler *handler, void *argument)
{
    struct handler *place;
    int error = 0;
    bool enabled;

    if (port == 0 || port >= PORTS) {
        return -EINVAL;
    }
    if (!make_page(port)) {
        return -ENOMEM;
    }
    place = handler_of(port);
    enabled = cor_spin_lock(&handlers_lock);
    if (place->function) {
        error = -EEXIST;
    } else {
        *place = (struct handler){handler, argument};
    }
    cor_spin_unlock(&handlers_lock, enabled);
    if (!error) {
        cor_event_unmask(port);
    }
    return error;
}

/* Attaches a port that a hypercall has just made, or closes it again; its number or the error. */
static int attach_new(long result, uint32_t port, cor_event_handler *handler, void *argument)
{
    int error;

    if (result < 0) {
        return (int)result;
    }
    error = cor_event_attach(port, handler, argument);
    if (error) {
        struct evtchn_close close = {.port = port};
        hypercall_event_channel_op(EVTCHNOP_close, &close);
        return error;
    }
    return (int)port;
}

int cor_event_bind_virq(uint32_t virq, cor_event_handler *handler, void *argument)
{
    struct evtchn_bind_virq bind = {.virq = virq, .vcpu = cor_this_cpu()->id};
    long result = hypercall_event_channel_op(EVTCHNOP_bind_virq, &bind);
    return attach_new(result, bind.port, handler, argument);
}

int cor_event_alloc_unbound(uint16_t remote, cor_event_handler *handler, void *argument)
{
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = remote};
    long result = hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
    return attach_new(result, alloc.port, handler, argument);
}

int cor_event_bind_interdomain(uint16_t remote, uint32_t remote_port, cor_event_handler *handler,
                               void *argument)
{
    struct evtchn_bind_interdomain bind = {.remote_dom = remote, .remote_port = remote_port};
    long result = hypercall_event_channel_op(EVTCHNOP_bind_interdomain, &bind);
    return attach_new(result, bind.local_port, handler, argument);
}

void cor_event_close(uint32_t port)
{
    struct evtchn_close close = {.port = port};
    struct handler *handler;
    bool enabled;

    if (port == 0 || port >= PORTS) {
        return;
    }
    cor_event_mask(port);
    handler = handler_of(port);
    enabled = cor_spin_lock(&handlers_lock);
    if (handler) {
        handler->function = NULL;
    }
    cor_spin_unlock(&handlers_lock, enabled);
    hypercall_event_channel_op(EVTCHNOP_close, &close);
}

void cor_event_mask(uint32_t port)
{
    __atomic_fetch_or(&cor_shared_info->evtchn_mask[port / WORD_BITS], 1ul << port % WORD_BITS,
                      __ATOMIC_SEQ_CST);
}

void cor_event_unmask(uint32_t port)
{
    uint64_t bit = 1ul << port % WORD_BITS;

    __atomic_fetch_and(&cor_shared_info->evtchn_mask[port / WORD_BITS], ~bit, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&cor_shared_info->evtchn_pending[port / WORD_BITS], __ATOMIC_SEQ_CST) & bit) {
        /*
         * It became pending while masked, so nobody was told. The hypervisor tells the port's vCPU, but only
         * if it is the one who clears the mask.
         */
        struct evtchn_unmask unmask = {.port = port};
        cor_event_mask(port);
        hypercall_event_channel_op(EVTCHNOP_unmask, &unmask);
    }
}

int cor_event_send(uint32_t port)
{
    struct evtchn_send send = {.port = port};
    return (int)hypercall_event_channel_op(EVTCHNOP_send, &send);
}
