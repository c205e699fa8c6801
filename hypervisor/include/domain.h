/* SPDX-License-Identifier: MIT */
/*
 * Domains and vCPUs. What is secret to a domain (registers, FPU state, descriptors, callbacks) lives in
 * struct vcpu_context, in the domain's own per-domain area; struct domain and struct vcpu hold the rest and
 * are visible to the hypervisor everywhere. Fields stand under the lock that guards them.
 */
#ifndef HYPERVISOR_DOMAIN_H
#define HYPERVISOR_DOMAIN_H

#include <stdint.h>
#include "pvboot/abi.h"
#include "pvboot/coracle_abi.h"
#include <xen/vcpu.h>
#include <xen/sched.h>
#include <xen/event_channel.h>
#include "hypervisor/include/cpu_bits.h"
#include "hypervisor/include/list.h"
#include "hypervisor/include/percpu.h"
#include "hypervisor/include/sched_policy.h"
#include "hypervisor/include/spinlock.h"
#include "hypervisor/include/timer.h"
#include "hypervisor/include/types.h"

struct grant_table;
struct evtchn;
struct pirq;
struct io_set;

#define GDT_FRAMES      14
#define EVTCHN_BUCKETS  64 /* of event ports: EVTCHN_2L_NR_CHANNELS / 64 */
#define LDT_MAX_ENTRIES 8192

/* A registered guest callback (CALLBACKOP_register): 0 means none. */
struct guest_callback {
    unsigned long address;
    bool mask_events; /* CALLBACKF_mask_events */
};

/*
 * A vCPU's architectural state, in front of its FPU state: page VCPU_REGS_PAGE of its block. Only reachable
 * while its domain's area is active, or by vcpu_context_map().
 */
struct vcpu_context {
    uint64_t stack_top;        /* of the processor that runs the vCPU; read by the entry code at regs - 8 */
    struct cpu_user_regs regs; /* the ABI's frame; es, ds, fs, gs are filled on a context switch only */

    unsigned long fs_base, gs_base_kernel, gs_base_user; /* current while v does not run */
    /* dr5: enabled I/O breakpoints, which are not real */
    unsigned long dr[8];
    unsigned long cr0_ts;               /* X86_CR0_TS when set by fpu_taskswitch */
    unsigned long cr4;                  /* what the guest wrote, of the bits it may */
    unsigned long kernel_ss, kernel_sp; /* stack_switch */
    struct guest_callback event, failsafe, syscall, syscall32, sysenter;

    unsigned long gdt_entries;
    unsigned long gdt_frames[GDT_FRAMES]; /* mfn */
    unsigned long ldt_base;               /* guest virtual */
    unsigned ldt_entries;
    unsigned ldt_mapped; /* a bit for each LDT page that is mapped (and counted) */

    unsigned iopl;        /* 0..3, virtual */
    uint64_t iobmp;       /* guest virtual address of the port bitmap, 0: none */
    unsigned iobmp_limit; /* ports */
    uint64_t xcr0, xcr0_accum;
    struct iret_context iret; /* as read from the guest's stack by HYPERVISOR_iret */
};
_Static_assert(sizeof(struct vcpu_context) <= VCPU_FPU_OFFSET, "the FPU state is behind it (layout.h)");
_Static_assert((offsetof(struct vcpu_context, regs) + offsetof(struct cpu_user_regs, es)) % 16 == 0,
               "the processor aligns the stack that it pushes an exception frame to");
_Static_assert(sizeof(trap_info_t) * 256 == PAGE_SIZE, "the trap table is one page (layout.h)");

/*
 * vcpu.pending: work for a vCPU before it runs guest code again. Set by anyone (atomic), then HAZARD_VCPU
 * where it runs.
 */
#define VCPU_EVENTS   (1u << 0) /* domain.inbox has events that other domains sent */
#define VCPU_TIMER    (1u << 1) /* a timer of the vCPU's expired: VIRQ_TIMER is due */
#define VCPU_CLOCK    (1u << 2) /* the published time is stale */
#define VCPU_KILLED   (1u << 3) /* the domain is dying: do not return to it */
#define VCPU_FLUSH    (1u << 4) /* flush the TLB before guest code runs */
#define VCPU_RUNSTATE (1u << 5) /* publish the run state: runstate_publish() */
#define VCPU_NMI      (1u << 6) /* VCPUOP_send_nmi: trap 2 */
#define VCPU_PERIODIC (1u << 7) /* the period of its timer was changed: vcpu_periodic_update() */

/* Why a vCPU may not run, whatever events say (vcpu.pause_flags): it runs when this is 0. */
#define PAUSE_DOWN    (1u << 0) /* VCPUOP_down, or not yet initialised */
#define PAUSE_DOMAIN  (1u << 1) /* its domain is paused, shut down or dying */
#define PAUSE_CONTROL (1u << 2) /* the hypervisor inspects it */
#define PAUSE_BLOCKED (1u << 3) /* waits for an event; sched_wake() clears it */
#define PAUSE_TOOLS   (1u << 4) /* the toolstack paused its domain: domain.tools_pauses */

struct vcpu {
    struct domain *domain;
    unsigned id;
    struct vcpu_context *ctx; /* its address in the per-domain area */
    mfn_t ctx_mfn, traps_mfn;
    mfn_t fpu_mfn[VCPU_FPU_PAGES]; /* behind ctx_mfn; 0: not needed */

    /* Mode and tables: changed by the vCPU itself, or while it does not run. */
    bool kernel_mode;
    bool initialised;           /* VCPUOP_initialise was done (vCPU 0: by the builder) */
    unsigned gdt_cpu;           /* 1 + processor whose GDT page its block shows; 0: none */
    mfn_t cr3_kernel, cr3_user; /* pinned by a type reference; MFN_INVALID: none */
    /* a table whose teardown was preempted: finished before the next MMU call; MFN_INVALID: none */
    mfn_t old_table;
    /* The last walk of the kernel's tables (mm/guest_walk.h), under page_lock. */
    struct {
        mfn_t l1;
        unsigned long region; /* address / 2 MiB; ~0: none */
        uint32_t changes;     /* domain.upper_changes then */
    } walk;
    uint64_t *window_ptes; /* heap address of the page-table entries of its windows */

    /* Info areas. */
    struct vcpu_info *info; /* address in the per-domain area, or NULL: none yet */
    mfn_t info_mfn;         /* registered page, else MFN_INVALID */
    gva_t runstate_va;      /* VCPUOP_register_runstate_memory_area, 0: none */
    gva_t time_va;          /* VCPUOP_register_vcpu_time_memory_area, 0: none */
    uint32_t clock_version; /* of the calibration that was published last */

    /* Anyone may set bits: atomic. */
    uint32_t pending;

    /* Scheduler (domain/sched.c), under its lock. */
    bool on_cpu;          /* processor `cpu` runs it: read without the lock, too */
    bool leaving;         /* atomic: runs no more, but its registers are not saved yet */
    bool restricted;      /* there are processors that may not run it */
    unsigned cpu;         /* where it runs, or ran last */
    unsigned pause_flags; /* PAUSE_* */
    int pinned; /* SCHEDOP_pin_override: the only processor that may run it, or -1: hard_affinity counts */
    struct cpu_mask hard_affinity, soft_affinity; /* soft: only remembered; processors are equal here */
    struct vcpu_runstate_info runstate;
    struct sched_entity sched;

    /* Events (event/), under domain.event_lock. */
    uint32_t virq_port[NR_VIRQS];
    struct list poll_link; /* in domain.pollers while polling */
    bool polling;          /* in SCHEDOP_poll */
    uint32_t poll_port;    /* the one port that it waits for; 0: any */

    /* Timers (domain/vcpu_timer.c). */
    struct timer singleshot, periodic, poll_timer;
    uint64_t periodic_ns;   /* 0: stopped */
    uint64_t periodic_last; /* system time of the last tick */

    uint64_t hypercall_count;
    uint32_t fault_count; /* bounce frames that could not be delivered */
    bool in_multicall;
    struct multicall_entry multicall_entry; /* the one that runs */
};

/* The vCPU's trap table and FPU area: reachable as v->ctx is. */
static inline trap_info_t *vcpu_traps(const struct vcpu *v)
{
    return (trap_info_t *)((unsigned long)v->ctx - (VCPU_REGS_PAGE - VCPU_TRAPS_PAGE) * PAGE_SIZE);
}

static inline void *vcpu_fpu(const struct vcpu *v)
{
    return (void *)((unsigned long)v->ctx + VCPU_FPU_OFFSET);
}

/* What of the machine a domain may use (io_rights.h). */
enum io_kind { IO_PORTS, IO_FRAMES, IO_IRQS, IO_KINDS };

enum domain_state { DOMAIN_BUILDING, DOMAIN_ALIVE, DOMAIN_SHUTDOWN, DOMAIN_DYING, DOMAIN_DEAD };

#define VM_ASSIST_VALID                                                                                      \
    ((1ul << VMASST_TYPE_4gb_segments) | (1ul << VMASST_TYPE_4gb_segments_notify) |                          \
     (1ul << VMASST_TYPE_writable_pagetables) | (1ul << VMASST_TYPE_pae_extended_cr3) |                      \
     (1ul << VMASST_TYPE_architectural_iopl) | (1ul << VMASST_TYPE_runstate_update_flag) |                   \
     (1ul << VMASST_TYPE_m2p_strict))

struct domain {
    domid_t id;
    bool privileged; /* the initial (control) domain */
    bool is_idle;
    uint32_t refs;    /* atomic; freed when the last goes */
    struct list link; /* in the list of domains, LOCK_DOMAIN_LIST */

    /* lock: life cycle. */
    struct spinlock lock;
    enum domain_state state;
    unsigned shutdown_code; /* SHUTDOWN_* */
    unsigned exit_status;   /* CORACLE_OP_EXIT_STATUS; ~0u: none */
    unsigned nr_vcpus;      /* vCPUs that exist */
    unsigned max_vcpus;
    struct vcpu **vcpu;    /* max_vcpus entries */
    unsigned tools_pauses; /* how often the toolstack paused it (XEN_DOMCTL_pausedomain) */
    mfn_t dying_table;     /* whose teardown domain_kill() goes on with; MFN_INVALID: none */
    unsigned kill_stage;   /* of domain_kill(), */
    uint32_t kill_next;    /* and where that stage goes on */
    struct domain *reap_next;
    unsigned long vm_assist;
    uint8_t handle[16];
    char crash[CORACLE_CRASH_MAX]; /* why it was ended; "": it was not */

    struct sched_domain sched; /* under the scheduler's lock */

    /* Per-domain area: page tables below PERDOMAIN_SLOT; fixed at creation, L1s grow with vCPUs. */
    mfn_t perdomain_l3;
    mfn_t shared_mfn;
    struct shared_info *shared; /* SHARED_INFO_VA: valid while this domain's area is active */

    /* page_lock: page tables and types of this domain's frames. */
    struct spinlock page_lock;
    uint32_t upper_changes; /* counts changes of entries above level 1 */

    /* list_lock: the frames. */
    struct spinlock list_lock;
    uint32_t frames; /* head of the list through the frame table (index, 0: empty) */
    unsigned long tot_pages, max_pages;
    unsigned long heap_bytes; /* of the hypervisor's own memory that serve this domain */

    /* event_lock: see event/port.h. */
    struct spinlock event_lock;
    struct evtchn *evtchn[EVTCHN_BUCKETS]; /* filled from the front, on demand */
    unsigned valid_ports;                  /* ports below exist; some may be free */
    unsigned max_port;                     /* the highest that it may have */
    unsigned free_hint;                    /* no port below is free */
    unsigned active_ports;                 /* ports in use */
    unsigned reset_next;                   /* where EVTCHNOP_reset goes on; 0: none under way */
    struct list pollers;                   /* vCPUs in SCHEDOP_poll */
    uint64_t inbox_sel;                    /* atomic: words of inbox that have bits */
    /* atomic: events that other domains sent, not yet in the shared info */
    uint64_t inbox[EVTCHN_2L_NR_CHANNELS / 64];

    /* LOCK_PIRQ: physical interrupts, see event/pirq.c. */
    struct pirq *pirqs;   /* pirq_count() of them, once it has any */
    mfn_t pirq_eoi_map;   /* its page of bits for which it must say eoi; mfn(0): none */
    bool pirq_eoi_unmask; /* an eoi unmasks the port, too */

    /* LOCK_RIGHTS: exceptions to what it may use of the machine; NULL: none. */
    struct io_set *io_set[IO_KINDS];

    /* Grants: see grant/grant.h. */
    struct grant_table *grants;

    /* Time. */
    int64_t time_offset_seconds;
    struct timer watchdog[2];
    uint32_t watchdog_inuse;

    unsigned long text_start, text_end; /* of its image, for backtraces; 0: unknown */

    uint64_t marks[CORACLE_MARKS]; /* boot timeline, TSC: by CORACLE_MARK_* */
};

/* The domain of the running vCPU. */
static inline struct domain *current_domain(void)
{
    return current_vcpu()->domain;
}

/*
 * Find a domain and take a reference; DOMID_SELF is the caller's own. NULL: none, or dying. The caller ends
 * with domain_put(). Takes LOCK_DOMAIN_LIST.
 */
struct domain *domain_get(domid_t id);
/*
 * The domain with the lowest id from `id` on, dying ones included, with a reference; NULL: none. Takes
 * LOCK_DOMAIN_LIST.
 */
struct domain *domain_get_from(domid_t id);
/* The domain with this number, dying or not, with a reference; NULL: none. Takes LOCK_DOMAIN_LIST. */
struct domain *domain_get_any(unsigned id);
/* Any locks may be held: what is left of a domain without references is freed by domains_reap(). */
void domain_put(struct domain *d);

/* One more reference, for who holds one already. */
static inline void domain_hold(struct domain *d)
{
    __atomic_fetch_add(&d->refs, 1, __ATOMIC_ACQ_REL);
}

/*
 * Ends a guest's life: its vCPUs stop, registers and a stack dump go to the console, the domain is shut down
 * with SHUTDOWN_crash. The caller returns as usual; the vCPU does not run again. fmt says why. Any lock below
 * LOCK_DOMAIN may not be held.
 */
void domain_crash(struct domain *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * SCHEDOP_shutdown: stops all vCPUs, records the reason; the initial domain takes the machine along.
 * LOCK_DOMAIN.
 */
void domain_shutdown(struct domain *d, unsigned reason);

/*
 * Tell a vCPU that there is work (VCPU_* bits): sets vcpu.pending, and where it runs raises HAZARD_VCPU. Does
 * not wake a blocked vCPU: sched_wake() does. Any context.
 */
void vcpu_raise(struct vcpu *v, uint32_t bits);

/*
 * Sets a vCPU's complete state from the ABI's structure, after checking it as Xen does: selectors, canonical
 * addresses, page-table root, GDT frames. v does not run; for another domain's vCPU call it in a private
 * section. 0, -EINVAL, -EAGAIN (page-table validation was preempted: call again).
 */
int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c);

/* Finds d's vCPU; NULL: none with that number. */
static inline struct vcpu *domain_vcpu(const struct domain *d, unsigned id)
{
    return id < d->max_vcpus ? d->vcpu[id] : NULL;
}

/*
 * The domain that was started at boot; it is told of VIRQ_CONSOLE and takes the machine along when it shuts
 * down.
 */
extern struct domain *initial_domain;

#endif
