/* SPDX-License-Identifier: MIT */
/*
 * 32-bit user code that returns into virtual-8086 mode. Processors do not have it in long mode and ignore
 * the flag or fault; QEMU's translator enters it, with a cs that looks like the hypervisor's privilege.
 */
#include "tests/system/control/attackers/attack.h"

#define USER_CS32 0xe023 /* FLAT_USER_CS32 */

/* push gs, fs, ds, es, ss, esp, eflags with VM and IF, cs, eip: all of real mode; iret */
static const char code[] = {0x6a, 0,    0x6a, 0,    0x6a, 0, 0x6a, 0, 0x6a, 0,    0x6a,
                            0,    0x68, 0x02, 0x02, 0x02, 0, 0x6a, 0, 0x6a, 0x10, (char)0xcf};

void attack_vm86(void)
{
    struct iret_context frame = {
        .rip = USER_CODE, .cs = USER_CS32, .rflags = 0x202, .rsp = USER_STACK, .ss = FLAT_USER_SS};

    if (user_setup(code, code + sizeof(code)) == 0) {
        (void)user_run_frame(&frame, 0);
    }
    say("there is no such mode\n");
    for (;;) {
        hcall(sched_op, SCHEDOP_yield);
    }
}
