/* SPDX-License-Identifier: MIT */
/*
 * What a guest does that wishes the hypervisor ill: pointers that lead nowhere, stacks that are none, returns
 * to places that are not, its own page tables pulled from under it. Each ends in an errno, a trap or its
 * death.
 */
#include "tests/abi/lib/test.h"
#include <xen/grant_table.h>

static unsigned long mapped_end(void)
{
    unsigned long va = (unsigned long)__virt_base;

    while (pte_read(va, 1) & PTE_P) {
        va += PAGE_SIZE;
    }
    return va;
}

/* Arguments that begin in memory and end outside. */
static void crossing(void)
{
    unsigned long end = mapped_end();
    char *page = page_alloc();
    struct mmu_update update = {.ptr = (va_to_mfn(page) << 12) | MMU_MACHPHYS_UPDATE, .val = va_to_pfn(page)};

    observe(hcall(xen_version, XENVER_capabilities, end - 8), "capabilities");
    observe(hcall(xen_version, XENVER_get_features, end - 4), "features");
    observe(hcall(event_channel_op, EVTCHNOP_alloc_unbound, end - 4), "event channel");
    observe(hcall(memory_op, XENMEM_populate_physmap, end - 8), "reservation");
    observe(hcall(multicall, end - 8, 1), "multicall");
    observe(hcall(set_trap_table, end - 8), "trap table");
    observe(hcall(vcpu_op, VCPUOP_initialise, 0, end - 64), "vcpu context");
    observe(hcall(console_io, CONSOLEIO_write, 100, end - 8) < 0, "console");
    memcpy((void *)(end - 16), &update, 16);
    observe(hcall(mmu_update, end - 16, 2, NULL, DOMID_SELF), "second of two updates");
    observe(hcall(mmu_update, end - 16, 0x7fffffff, NULL, DOMID_SELF), "two thousand million updates");
    observe(hcall(mmuext_op, end - 4, 1, NULL, DOMID_SELF), "mmuext");
    observe(hcall(callback_op, CALLBACKOP_register, end - 4), "callback");
    observe(hcall(sched_op, SCHEDOP_poll, end - 4), "poll");
    observe(hcall(set_gdt, end - 4, 512), "GDT list");
}

/* Results that would go where the guest itself cannot write. */
static void read_only_results(void)
{
    unsigned long *l1 = (unsigned long *)table_of((unsigned long)__virt_base, 1);
    unsigned long before[4] = {l1[508], l1[509], l1[510], l1[511]}, table = (unsigned long)(l1 + 508);
    char *page = page_alloc();

    set_read_only(page);
    observe(hcall(xen_version, XENVER_extraversion, page), "a read-only page");
    observe(hcall(xen_version, XENVER_extraversion, table), "a page table");
    observe(hcall(event_channel_op, EVTCHNOP_alloc_unbound, table), "a port into a page table");
    observe(hcall(xen_version, XENVER_get_features, MACH2PHYS_VIRT_START), "features into M2P");
    observe(hcall(memory_op, XENMEM_machphys_mapping, HYPERVISOR_VIRT_END - 24), "into the hypervisor");
    check(before[0] == l1[508] && before[1] == l1[509] && before[2] == l1[510] && before[3] == l1[511],
          "the page table is as it was");
    check(page[0] == 0, "so is the page");
    set_writable(page);
    page_free(page);
}

/* A call needs no stack. */
static void bad_stacks(void)
{
    static const unsigned long stacks[] = {0, 8, 1ul << 62, HYPERVISOR_VIRT_START, ~0ul, 0x7ffffffffff8};

    for (unsigned i = 0; i < ARRAY_SIZE(stacks); i++) {
        long result;

        __asm__ volatile(
            "mov %%rsp, %%rbx; mov %1, %%rsp; mov %2, %%eax; xor %%edi, %%edi; xor %%esi, %%esi; syscall; "
            "mov %%rbx, %%rsp"
            : "=&a"(result)
            : "r"(stacks[i]), "i"(__HYPERVISOR_xen_version)
            : "rbx", "rcx", "r11", "rdi", "rsi", "memory");
        check_eq(result, (4 << 16) | 17, "call with stack %lx", stacks[i]);
    }
}

/* The hypervisor's part of the address space, a probe each 256 MiB: M2P is all that can be read. */
static void nothing_to_see(void)
{
    unsigned long readable = 0, executable = 0;

    for (unsigned long va = MACH2PHYS_VIRT_END; va < HYPERVISOR_VIRT_END; va += 256ul << 20) {
        readable += probe_read(va) != PF;
        readable += probe_read(va + 0x1ff000) != PF;
        executable += PROBE(((void (*)(void))va)()).vector != PF;
    }
    check_eq((long)readable, 0, "nothing can be read");
    check_eq((long)executable, 0, "nothing can be entered");
}

/* `syscall` in the last two bytes of the lower half: the way back leads to a non-canonical address. */
static void edge_of_the_world(void)
{
    unsigned long edge = 0x7ffffffff000;
    uint8_t *page = page_alloc();
    struct trap t;

    page[4094] = 0x0f;
    page[4095] = 0x05;
    check_eq(map_at(edge, make_pte(page, PTE_RW)), 0, "map the last page");
    t = PROBE(__asm__ volatile("mov %0, %%eax; xor %%edi, %%edi; xor %%esi, %%esi; jmp *%1"
                               :
                               : "i"(__HYPERVISOR_xen_version), "r"(edge + 4094)
                               : "rax", "rcx", "r11", "rdi", "rsi", "memory"));
    observe(t.vector, "a call that returns beyond it");
    t = PROBE(__asm__ volatile("jmp *%0" : : "r"(edge + PAGE_SIZE)));
    observe(t.vector, "a jump beyond it");
    update_va(edge, 0, UVMF_INVLPG);
}

static void single_stepped_call(void)
{
    struct trap t = PROBE(__asm__ volatile("mov %0, %%eax; xor %%edi, %%edi; xor %%esi, %%esi; pushf; "
                                           "orq $0x100, (%%rsp); popf; syscall; nop; nop"
                                           :
                                           : "i"(__HYPERVISOR_xen_version)
                                           : "rax", "rcx", "r11", "rdi", "rsi", "memory"));

    check_eq(t.vector, DB, "the trap comes to the guest");
}

/* A watchpoint on the operand of a load of ss holds the trap back over the next instruction. */
static void delayed_trap(void)
{
    static volatile uint16_t selector = FLAT_KERNEL_SS;
    struct trap t;

    hcall(set_debugreg, 0, &selector);
    hcall(set_debugreg, 7, 0x401 | (7ul << 16)); /* two bytes, read or write */
    t = PROBE(__asm__ volatile("mov %0, %%ss; int3" : : "m"(selector) : "memory"));
    check(t.vector == DB || t.vector == BP, "before int3");
    hcall(set_debugreg, 7, 0);
    hcall(set_debugreg, 7, 0x401 | (7ul << 16));
    t = PROBE(__asm__ volatile("mov %0, %%eax; xor %%edi, %%edi; xor %%esi, %%esi; mov %1, %%ss; syscall"
                               :
                               : "i"(__HYPERVISOR_xen_version), "m"(selector)
                               : "rax", "rcx", "r11", "rdi", "rsi", "memory"));
    check(t.vector == DB || t.vector == NO_TRAP, "before a call");
    hcall(set_debugreg, 7, 0);
}

/* Handlers and callbacks that are not there: the fault goes to the next handler. */
static void absent_handlers(void)
{
    struct trap_info table[2] = {{BP, 7, FLAT_KERNEL_CS, 0x30000000}, {0}};
    struct callback_register cb = {.type = CALLBACKTYPE_event, .address = 0x30000000};
    struct evtchn_bind_ipi ipi = {.vcpu = 0};
    struct trap t;

    hcall(set_trap_table, table);
    t = PROBE(__asm__ volatile("int3"));
    check_eq(t.vector, PF, "an unmapped trap handler");
    check_eq((long)t.cr2, 0x30000000, "faults there");
    table[0].address = HYPERVISOR_VIRT_START;
    hcall(set_trap_table, table);
    check_eq(PROBE(__asm__ volatile("int3")).vector, PF, "a trap handler in the hypervisor");
    hcall(event_channel_op, EVTCHNOP_bind_ipi, &ipi);
    hcall(callback_op, CALLBACKOP_register, &cb);
    t = PROBE({
        port_send(ipi.port);
        events_on();
        hcall(sched_op, SCHEDOP_yield, NULL);
    });
    check_eq(t.vector, PF, "an unmapped event callback");
    events_off();
    install_traps();
    port_clear(ipi.port);
    port_close(ipi.port);
}

/*
 * GNTTABOP_unmap_and_replace that fails after it took the other entry, which maps a device: no reference may
 * be given back that was never taken.
 */
static void replace_by_device(void)
{
    static xen_pfn_t frame;
    unsigned long va = 0x30000000;
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_map_grant_ref map = {.host_addr = va + PAGE_SIZE, .flags = GNTMAP_host_map, .ref = 20};
    struct gnttab_unmap_and_replace replace = {.host_addr = va + 3 * PAGE_SIZE,
                                               .new_addr = va + 2 * PAGE_SIZE};
    struct gnttab_unmap_grant_ref unmap = {.host_addr = va + PAGE_SIZE};
    struct grant_entry_v1 *entry = (void *)va;
    char *page = page_alloc();

    set_xen_guest_handle(setup.frame_list, &frame);
    check_eq(hcall(grant_table_op, GNTTABOP_setup_table, &setup, 1), 0, "table");
    check_eq(map_at(va, frame << 12 | PTE_RW), 0, "map the table");
    entry[20].frame = (uint32_t)va_to_mfn(page);
    entry[20].domid = 0;
    entry[20].flags = GTF_permit_access;
    map.dom = 0; /* DOMID_SELF is none here */
    hcall(grant_table_op, GNTTABOP_map_grant_ref, &map, 1);
    check_eq(map.status, GNTST_okay, "map");
    check_eq(map_at(va + 2 * PAGE_SIZE, 0xb8ul << 12 | PTE_RW), 0, "map a device");
    replace.handle = map.handle;
    hcall(grant_table_op, GNTTABOP_unmap_and_replace, &replace, 1);
    observe(replace.status, "replace what is not mapped");
    observe((long)(pte_read(va + 2 * PAGE_SIZE, 1) & PTE_P), "the device's entry");
    unmap.handle = map.handle;
    hcall(grant_table_op, GNTTABOP_unmap_grant_ref, &unmap, 1);
    check_eq(unmap.status, GNTST_okay, "unmap");
    entry[20].flags = 0;
    update_va(va, 0, UVMF_INVLPG);
    update_va(va + 2 * PAGE_SIZE, 0, UVMF_INVLPG);
    page_free(page);
}

/* Removing the page-fault handler's own text: faults without end, until no stack is left. */
static void recursive(void)
{
    struct trap_info table[2] = {{PF, 4, FLAT_KERNEL_CS, 0x30000000}, {0}};

    hcall(set_trap_table, table);
    dying("a page fault in the page-fault handler");
    (void)*(volatile char *)0x30000000;
    survived();
}

/* The guest takes away its own text. */
static void own_text(void)
{
    dying("no text");
    mmu_update_one(pte_machine((unsigned long)__virt_base, 3), 0);
    survived();
}

extern char user_code[], user_code_end[];
__asm__(".section .rodata\nuser_code: syscall\nud2\nuser_code_end:\n.text\n");

/* A trap from user mode finds no kernel stack. */
static void no_kernel_stack(void)
{
    struct iret_context frame = {
        .rip = USER_CODE, .cs = FLAT_USER_CS, .rflags = 0x202, .rsp = USER_STACK, .ss = FLAT_USER_SS};

    user_setup(user_code, user_code_end);
    hcall(stack_switch, FLAT_KERNEL_SS, 0x1000);
    dying("no kernel stack");
    __asm__ volatile(
        "sub $128, %%rsp; mov %%rsp, %%rdi; mov $9, %%ecx; mov %0, %%rsi; rep movsq; mov %1, %%eax; syscall"
        :
        : "r"(&frame), "i"(__HYPERVISOR_iret)
        : "memory");
    survived();
}

/* No failsafe callback for a return that fails. */
static void no_failsafe(void)
{
    hcall(set_callbacks, trap_entry_address(VEC_EVENT), 0, trap_entry_address(VEC_SYSCALL));
    hcall(set_trap_table, NULL);
    dying("a bad iret without handlers");
    {
        struct iret_context frame = {
            .rip = 1ul << 62, .cs = FLAT_KERNEL_CS & ~3, .rflags = 2, .rsp = 0x1000, .ss = FLAT_KERNEL_SS};

        user_run_frame(&frame, 0);
    }
    survived();
}

/* A user's system call when the kernel has no callback for it. */
static void no_syscall_callback(void)
{
    check_eq(user_setup(user_code, user_code_end), 0, "user address space");
    hcall(set_callbacks, trap_entry_address(VEC_EVENT), trap_entry_address(VEC_FAILSAFE), 0);
    observe(user_run(0, 0).vector, "vector");
    install_traps();
}

const struct test_case test_cases[] = {
    {"crossing", crossing, false},
    {"read_only_results", read_only_results, false},
    {"bad_stacks", bad_stacks, false},
    {"nothing_to_see", nothing_to_see, false},
    {"edge_of_the_world", edge_of_the_world, false},
    {"single_stepped_call", single_stepped_call, false},
    {"delayed_trap", delayed_trap, false},
    {"absent_handlers", absent_handlers, false},
    {"no_syscall_callback", no_syscall_callback, false},
    {"replace_by_device", replace_by_device, false},
    {"recursive", recursive, true},
    {"own_text", own_text, true},
    {"no_kernel_stack", no_kernel_stack, true},
    {"no_failsafe", no_failsafe, true},
    {0},
};
