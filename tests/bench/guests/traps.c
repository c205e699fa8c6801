/* SPDX-License-Identifier: MIT */
/* Faults and traps: to the guest's handler, and back by both ways that a kernel has. */
#include "tests/bench/guests/bench.h"
#include "tests/bench/guests/handlers.h"

static void handle(int vector, void (*handler)(void))
{
    struct trap_info table[2] = {{(uint8_t)vector, 3 | 4, FLAT_KERNEL_CS, (unsigned long)handler}, {0}};

    hcall(set_trap_table, table);
}

#define HOLE ((void *)0x30000000)
/* Two bytes, which the handlers skip. */
#define TOUCH_HOLE __asm__ volatile("movl (%%rdi), %%ecx" ::"D"(HOLE) : "rax", "rcx", "rdx", "r11", "memory")

void bench_traps(void)
{
    struct meter *m = meter_start("fault-to-handler");

    handle(PF, fault_stamped);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t begin = m->begin();

        TOUCH_HOLE;
        meter_add(handler_stamp - begin);
        m->end();
    }
    meter_report("fault-to-handler", 1);
    handle(PF, fault_iret);
    MEASURE("fault-iret", TOUCH_HOLE);
    handle(PF, fault_direct);
    MEASURE("fault-direct-iretq", TOUCH_HOLE);
    handle(BP, trap_iret);
    MEASURE("int3", __asm__ volatile("int3" ::: "rcx", "r11", "memory"));
    install_traps();
}
