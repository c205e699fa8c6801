/* SPDX-License-Identifier: MIT */
/*
 * Invariants of our own, never a check of what a guest passed. They stay on in every build. A failed one
 * prints where, dumps the stack and halts the machine (or reboots it, without `noreboot`).
 */
#ifndef HYPERVISOR_ASSERT_H
#define HYPERVISOR_ASSERT_H

/*
 * Prints "(coracle) PANIC: ..." with the place and a stack dump, stops every processor; does not return. Any
 * context.
 */
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define assert(cond)                                                                                         \
    do {                                                                                                     \
        if (__builtin_expect(!(cond), 0)) {                                                                  \
            panic("assertion failed: %s, %s:%d", #cond, __FILE__, __LINE__);                                 \
        }                                                                                                    \
    } while (0)

#endif
