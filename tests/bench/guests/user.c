/* SPDX-License-Identifier: MIT */
/* A system call from guest user mode into the guest kernel, and back. */
#include "tests/bench/guests/bench.h"
#include "tests/bench/guests/handlers.h"

extern char bench_user_code[], bench_user_code_end[];

void bench_user(void)
{
    struct callback_register cb = {.type = CALLBACKTYPE_syscall,
                                   .flags = CALLBACKF_mask_events,
                                   .address = (unsigned long)null_system_call};

    MUST(user_setup(bench_user_code, bench_user_code_end));
    MUST(hcall(callback_op, CALLBACKOP_register, &cb));
    meter_start("system-call");
    for (unsigned i = 0; i < ROUNDS; i++) {
        meter_add(user_run(0, 0).regs.rax);
    }
    meter_report("system-call", 1);
    install_traps();
}
