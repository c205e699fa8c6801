/* SPDX-License-Identifier: MIT */
/* Moves on processors: events, vCPUs, timers, handlers, and what user code and kernel code may execute. */
#include "tests/fuzz/hypercalls/fuzz.h"

/* One address space for the user code of all processors; the text can be written by the kernel. */
static uint8_t *user_text;
static uint64_t user_l4;
static evtchn_port_t timer_port[MAX_VCPUS];
static volatile unsigned ticks_in_user[MAX_VCPUS];

/* User code that does not come back is sent to an address where it faults. */
static bool event_in_user(struct regs *r)
{
    if ((r->cs & 3) == 3 && ++ticks_in_user[this_vcpu()->id] > 2) {
        r->rip = 0x10;
    }
    return false;
}

/* A page table with one entry, or two when second is not 0, as it may be installed. */
static uint64_t *table_with(unsigned index, uint64_t entry, uint64_t second)
{
    uint64_t *table = page_alloc();

    table[index] = entry;
    if (second != 0) {
        table[((USER_STACK - 1) >> 12) & 511] = second;
    }
    set_read_only(table);
    return table;
}

void cpu_init(void)
{
    uint64_t *table;

    user_text = page_alloc();
    table = table_with((USER_CODE >> 12) & 511, make_pte(user_text, PTE_RO), make_pte(page_alloc(), PTE_RW));
    for (int shift = 21; shift <= 39; shift += 9) {
        table = table_with((USER_CODE >> shift) & 511, make_pte(table, PTE_RW), 0);
    }
    user_l4 = va_to_mfn(table);
    check_eq(mmuext(MMUEXT_PIN_L4_TABLE, user_l4, 0), 0, "user page tables");
    check_eq(map_at(FREE_VA, 0), 0, "a free range");
    set_trap_handler(VEC_EVENT, event_in_user);
}

void cpu_start(struct fuzzer *f)
{
    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER, .vcpu = f->id};
    struct vcpu_set_periodic_timer period = {.period_ns = 5000000};

    hcall(event_channel_op, EVTCHNOP_bind_virq, &bind);
    timer_port[f->id] = bind.port;
    port_unmask(bind.port);
    hcall(vcpu_op, VCPUOP_set_periodic_timer, f->id, &period);
}

/* A few event channel calls that belong together, in whatever order. */
static void events(struct fuzzer *f)
{
    static const unsigned commands[] = {EVTCHNOP_bind_interdomain,
                                        EVTCHNOP_bind_virq,
                                        EVTCHNOP_bind_pirq,
                                        EVTCHNOP_close,
                                        EVTCHNOP_send,
                                        EVTCHNOP_status,
                                        EVTCHNOP_bind_ipi,
                                        EVTCHNOP_bind_vcpu,
                                        EVTCHNOP_unmask,
                                        EVTCHNOP_alloc_unbound,
                                        EVTCHNOP_init_control,
                                        EVTCHNOP_set_priority,
                                        EVTCHNOP_expand_array};
    uint32_t *word = (void *)f->scratch;

    for (unsigned n = 1 + below(f, 6); n > 0; n--) {
        for (unsigned i = 0; i < 6; i++) {
            word[i] = below(f, 8) ? below(f, 40) : (uint32_t)number(f);
        }
        if (below(f, 2)) {
            word[0] = DOMID_SELF;
        }
        call(f, __HYPERVISOR_event_channel_op, commands[below(f, ARRAY_SIZE(commands))], (unsigned long)word,
             0, 0, 0);
    }
    if (below(f, 200) == 0) {
        word[0] = DOMID_SELF;
        call(f, __HYPERVISOR_event_channel_op, EVTCHNOP_reset, (unsigned long)word, 0, 0, 0);
        cpu_start(f);
    }
}

/* Physical interrupts and devices: numbers that are there (harness.py adds devices), or nearly. */
static void pirqs(struct fuzzer *f)
{
    static const unsigned commands[] = {PHYSDEVOP_map_pirq,         PHYSDEVOP_map_pirq,
                                        PHYSDEVOP_unmap_pirq,       PHYSDEVOP_eoi,
                                        PHYSDEVOP_setup_gsi,        PHYSDEVOP_get_free_pirq,
                                        PHYSDEVOP_pci_device_add,   PHYSDEVOP_restore_msi_ext,
                                        PHYSDEVOP_apic_read,        PHYSDEVOP_pci_device_remove,
                                        PHYSDEVOP_irq_status_query, PHYSDEVOP_prepare_msix,
                                        PHYSDEVOP_pirq_eoi_gmfn_v2};

    for (unsigned n = 1 + below(f, 8); n > 0; n--) {
        unsigned command = commands[below(f, ARRAY_SIZE(commands))];
        struct physdev_map_pirq *map = (void *)f->scratch;
        uint32_t *word = (void *)f->scratch;

        for (unsigned i = 0; i < 8; i++) {
            word[i] = below(f, 8) ? below(f, 30) : (uint32_t)number(f);
        }
        if (command == PHYSDEVOP_map_pirq || command == PHYSDEVOP_unmap_pirq) {
            map->domid = DOMID_SELF;
            map->index = below(f, 2) ? -1 : map->index;
            map->pirq = below(f, 2) ? -1 : map->pirq;
            map->devfn = (int)below(f, 6) << 3;
            map->entry_nr = (int)below(f, 4);
            map->table_base = below(f, 2);
        } else if (command == PHYSDEVOP_pci_device_add) {
            word[0] = below(f, 6) << 27; /* segment and bus 0 */
        } else if (command == PHYSDEVOP_pirq_eoi_gmfn_v2) {
            f->scratch[0] = any_mfn(f);
        }
        call(f, __HYPERVISOR_physdev_op, command, (unsigned long)word, 0, 0, 0);
    }
}

/* What the two share: any bit of the shared page may change at any time. */
static void shared_page(struct fuzzer *f)
{
    volatile unsigned long *words = (volatile void *)shared();

    f->calls++;
    for (unsigned n = below(f, 8); n > 0; n--) {
        words[below(f, 3) ? below(f, 512) : below(f, 64)] ^= 1ul << below(f, 64);
    }
    vcpu_info()->evtchn_upcall_mask = 1;
}

/* A context in which most is right. */
static void odd_context(struct fuzzer *f)
{
    struct vcpu_guest_context *c = (void *)f->scratch;
    unsigned id = MAX_VCPUS + below(f, 4);
    uint64_t *words = (void *)c;

    memset(c, 0, sizeof(*c) < 4096 ? sizeof(*c) : 4096);
    c->flags = VGCF_in_kernel;
    c->user_regs.rip = (uint64_t)vcpu_stop;
    c->user_regs.rsp = (uint64_t)(f->scratch + 512);
    c->user_regs.rflags = 0x2;
    c->user_regs.cs = FLAT_KERNEL_CS;
    c->user_regs.ss = FLAT_KERNEL_SS;
    c->kernel_ss = FLAT_KERNEL_SS;
    c->kernel_sp = c->user_regs.rsp;
    c->ctrlreg[3] = xen_pfn_to_cr3(va_to_mfn((void *)start_info->pt_base));
    for (unsigned n = below(f, 5); n > 0; n--) {
        words[below(f, 3) ? below(f, 420) : sizeof(*c) / 8 - 1 - below(f, 80)] = value(f);
    }
    if (hcall(vcpu_op, VCPUOP_initialise, id, c) == 0 && dares(f)) {
        call(f, __HYPERVISOR_vcpu_op, VCPUOP_up, id, 0, 0, 0);
    }
    f->calls++;
}

static void vcpu_calls(struct fuzzer *f)
{
    unsigned command = below(f, 16);

    f->scratch[0] = below(f, 2) ? value(f) : number(f);
    f->scratch[1] = below(f, 2) ? 0 : number(f);
    /* A frame for vcpu_info moves it for good: only another's. */
    if (command <= VCPUOP_up || command == VCPUOP_register_vcpu_info) {
        command = VCPUOP_register_runstate_memory_area;
    }
    call(f, __HYPERVISOR_vcpu_op, command, below(f, 4) ? f->id : (unsigned)number(f),
         below(f, 4) ? (unsigned long)f->scratch : value(f), 0, 0);
}

/* An area whose page goes away under it. */
static void areas(struct fuzzer *f)
{
    unsigned i = below(f, PAGES);

    f->scratch[0] = (unsigned long)pages[i] + below(f, 4096);
    call(f, __HYPERVISOR_vcpu_op,
         below(f, 2) ? VCPUOP_register_runstate_memory_area : VCPUOP_register_vcpu_time_memory_area, f->id,
         (unsigned long)f->scratch, 0, 0);
    call(f, __HYPERVISOR_vm_assist, below(f, 2), below(f, 6), 0, 0, 0);
    update_va((unsigned long)pages[i], any_pte(f), below(f, 3));
    call(f, __HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0, 0);
}

static void poll(struct fuzzer *f)
{
    struct sched_poll p = {.nr_ports = below(f, 6), .timeout = now() + below(f, 2000000)};
    evtchn_port_t list[8];

    for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
        list[i] = below(f, 20) ? below(f, 60) : (evtchn_port_t)number(f);
    }
    set_xen_guest_handle(p.ports, list);
    f->calls++;
    hcall(sched_op, SCHEDOP_poll, &p);
}

/* Handlers that are none, for vectors that are not needed to come back; then one of those is raised. */
static void handlers(struct fuzzer *f)
{
    static const uint8_t vectors[] = {BP, OF, UD, DE, 0x80, 0x21, DB};
    struct trap_info *t = (void *)f->scratch;
    unsigned n = 1 + below(f, 4);

    memset(t, 0, (n + 1) * sizeof(*t));
    for (unsigned i = 0; i < n; i++) {
        t[i].vector = vectors[below(f, ARRAY_SIZE(vectors))];
        t[i].flags = (uint8_t)below(f, 8);
        t[i].cs = below(f, 2) ? FLAT_KERNEL_CS : (uint16_t)number(f);
        t[i].address = below(f, 4) ? 0x30000000 : pointer(f);
    }
    hcall(set_trap_table, t);
    f->calls++;
    (void)PROBE(switch (below(f, 4)) {
        case 0:
            __asm__ volatile("int3");
            break;
        case 1:
            __asm__ volatile("int $0x80");
            break;
        case 2:
            __asm__ volatile("int $0x21");
            break;
        default:
            __asm__ volatile("ud2");
    });
    install_traps();
}

static void debug_registers(struct fuzzer *f)
{
    unsigned n = below(f, 8);

    call(f, __HYPERVISOR_set_debugreg, n, n == 7 && below(f, 2) ? next(f) & 0xffff07ff : value(f), 0, 0, 0);
    __asm__ volatile("pushfq; xorq %0, (%%rsp); popfq; nop" : : "r"(below(f, 4) ? 0ul : 0x100ul) : "memory");
    call(f, __HYPERVISOR_get_debugreg, n, 0, 0, 0, 0);
    if (below(f, 2)) {
        call(f, __HYPERVISOR_set_debugreg, 7, 0, 0, 0, 0);
    }
}

/* Pieces of code that concern the hypervisor; operands are whatever the registers hold. */
static const struct {
    uint8_t size, bytes[10];
} pieces[] = {
    {2, {0x0f, 0x05}},                                           /* syscall */
    {2, {0x0f, 0x34}},                                           /* sysenter */
    {2, {0x0f, 0x07}},                                           /* sysret */
    {2, {0x48, 0xcf}},                                           /* iretq */
    {2, {0xcd, 0x80}},                                           /* int 0x80 */
    {2, {0xcd, 0x21}},                                           /* int 0x21 */
    {2, {0xcd, 0x82}},                                           /* int 0x82 */
    {1, {0xcc}},                                                 /* int3 */
    {2, {0x0f, 0x0b}},                                           /* ud2 */
    {7, {0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2}},             /* forced cpuid */
    {2, {0x0f, 0xa2}},                                           /* cpuid */
    {2, {0x0f, 0x32}},                                           /* rdmsr */
    {2, {0x0f, 0x30}},                                           /* wrmsr */
    {3, {0x0f, 0x20, 0xc0}},                                     /* mov cr0, rax */
    {3, {0x0f, 0x22, 0xc0}},                                     /* mov rax, cr0 */
    {3, {0x0f, 0x20, 0xd0}},                                     /* mov cr2, rax */
    {3, {0x0f, 0x22, 0xd0}},                                     /* mov rax, cr2 */
    {3, {0x0f, 0x20, 0xd8}},                                     /* mov cr3, rax */
    {3, {0x0f, 0x22, 0xe0}},                                     /* mov rax, cr4 */
    {3, {0x0f, 0x23, 0xf8}},                                     /* mov rax, dr7 */
    {3, {0x0f, 0x21, 0xf0}},                                     /* mov dr6, rax */
    {2, {0x0f, 0x06}},                                           /* clts */
    {2, {0x0f, 0x09}},                                           /* wbinvd */
    {3, {0x0f, 0x01, 0xd1}},                                     /* xsetbv */
    {3, {0x0f, 0x01, 0xf8}},                                     /* swapgs */
    {3, {0x0f, 0x01, 0x38}},                                     /* invlpg (rax) */
    {3, {0x0f, 0x01, 0x10}},                                     /* lgdt (rax) */
    {3, {0x0f, 0x00, 0xd8}},                                     /* ltr ax */
    {1, {0xfa}},                                                 /* cli */
    {1, {0xfb}},                                                 /* sti */
    {1, {0xf4}},                                                 /* hlt */
    {2, {0xe4, 0x80}},                                           /* in 0x80 */
    {2, {0xe6, 0x80}},                                           /* out 0x80 */
    {1, {0xf1}},                                                 /* icebp */
    {9, {0x9c, 0x48, 0x81, 0x0c, 0x24, 0x00, 0x01, 0x00, 0x00}}, /* pushf; or $0x100, (rsp) */
    {1, {0x9d}},                                                 /* popf */
    {2, {0x8e, 0xd8}},                                           /* mov eax, ds */
    {2, {0x8e, 0xd0}},                                           /* mov eax, ss */
    {2, {0x8e, 0xe8}},                                           /* mov eax, gs */
    {3, {0x48, 0x89, 0x00}},                                     /* mov rax, (rax) */
    {3, {0x48, 0x8b, 0x00}},                                     /* mov (rax), rax */
    {3, {0x48, 0x0f, 0xae}},                                     /* the beginning of fxsave and its like */
    {2, {0xd9, 0xf4}},                                           /* fxtract */
    {2, {0xeb, 0xfe}},                                           /* jump to itself */
    {2, {0xff, 0xe0}},                                           /* jmp rax */
    {1, {0xcb}},                                                 /* retf */
};

/* Fills a page with pieces. The last one always leaves. */
static void write_code(struct fuzzer *f, uint8_t *to, bool user)
{
    unsigned at = 0;

    for (unsigned n = 1 + below(f, 12); n > 0; n--) {
        unsigned i = below(f, ARRAY_SIZE(pieces));

        /* The kernel's loops, halts and jumps end nowhere. */
        if (!user &&
            (pieces[i].bytes[0] == 0xeb || pieces[i].bytes[0] == 0xff || pieces[i].bytes[0] == 0xf4 ||
             pieces[i].bytes[0] == 0xcf || pieces[i].bytes[1] == 0x05 || pieces[i].bytes[1] == 0xcf ||
             pieces[i].bytes[0] == 0x9c || pieces[i].bytes[0] == 0xcb || pieces[i].bytes[1] == 0xd0)) {
            continue;
        }
        memcpy(to + at, pieces[i].bytes, pieces[i].size);
        at += pieces[i].size;
    }
    to[at++] = 0x0f;
    to[at] = 0x0b;
}

static void kernel_code(struct fuzzer *f)
{
    static uint8_t text[MAX_VCPUS][4096] __attribute__((aligned(4096)));
    unsigned long rax = value(f), rcx = below(f, 2) ? 0xc0000080 + below(f, 8) : number(f), rdx = number(f);

    f->calls++;
    write_code(f, text[f->id], false);
    __asm__ volatile("call *%3"
                     : "+a"(rax), "+c"(rcx), "+d"(rdx)
                     : "r"(text[f->id])
                     : "rbx", "rsi", "rdi", "r11", "memory");
}

static void user_code(struct fuzzer *f)
{
    struct iret_context frame = {
        .rip = USER_CODE, .cs = FLAT_USER_CS, .rflags = 0x202, .rsp = USER_STACK, .ss = FLAT_USER_SS};
    uint64_t *words = (void *)&frame;

    f->calls++;
    if (mmuext(MMUEXT_NEW_USER_BASEPTR, user_l4, 0) != 0 && !dares(f)) {
        return;
    }
    write_code(f, user_text, true);
    ticks_in_user[f->id] = 0;
    frame.rax = value(f);
    frame.rcx = value(f);
    if (below(f, 4) == 0) {
        frame.flags = below(f, 2) ? VGCF_in_syscall : number(f);
    }
    if (below(f, 4) == 0) {
        frame.rflags = (next(f) & 0x7fffff) | 0x202;
    }
    if (below(f, 4) == 0) {
        unsigned which = below(f, 9);

        /* In kernel mode a wild frame takes the stack away with it. */
        words[which] = which == 6 && !dares(f) ? number(f) | 3 : value(f);
        frame.rflags |= 0x200;
    }
    if ((frame.cs & 3) == 3 || dares(f)) {
        (void)user_run_frame(&frame, value(f));
    }
}

static void timers(struct fuzzer *f)
{
    f->scratch[0] = below(f, 2) ? now() + number(f) : number(f);
    f->scratch[1] = below(f, 3);
    call(f, __HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer + below(f, 4), f->id, (unsigned long)f->scratch,
         0, 0);
    call(f, __HYPERVISOR_set_timer_op, below(f, 2) ? now() + number(f) : value(f), 0, 0, 0, 0);
    call(f, __HYPERVISOR_set_segment_base, below(f, 5), value(f), 0, 0, 0);
    cpu_start(f);
}

const move_fn cpu_moves[] = {pirqs,           events,      events,    events,    shared_page,
                             odd_context,     vcpu_calls,  areas,     poll,      handlers,
                             debug_registers, kernel_code, user_code, user_code, timers};
const unsigned nr_cpu_moves = ARRAY_SIZE(cpu_moves);
