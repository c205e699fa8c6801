/* SPDX-License-Identifier: MIT */
/*
 * The end of the domain. There are two ways: an exit with a status, and a crash with a message.
 */
#ifndef CORACLE_SHUTDOWN_H
#define CORACLE_SHUTDOWN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdnoreturn.h>

/*
 * Ends the domain with an exit status (the low 8 bits): tells the hypervisor (coracle_op EXIT_STATUS and
 * MARK_EXIT, where it knows them), drains the console, then SCHEDOP_shutdown with reason poweroff. With the
 * setting `exit=reboot` the last console line is "coracle: exit status N" and the reason is reboot.
 * Runs no atexit handlers and flushes no stdio: _exit() is this, exit() comes here at its end.
 */
noreturn void cor_exit(int status);

/*
 * What cor_exit tells the hypervisor: SHUTDOWN_poweroff (xen/sched.h), or SHUTDOWN_reboot when the control
 * domain has asked for that. cor_exit_requested: whether it has asked for either. Any context.
 */
void cor_set_exit_reason(unsigned reason);
bool cor_exit_requested(void);

/*
 * Ends the domain as crashed: prints "coracle: " and the message, the thread, the caller's backtrace (lines "
 * #N 0xADDRESS", which the tool symbolizes), then exit status 134 and SCHEDOP_shutdown with reason crash
 * (`exit=reboot`: the status line and reason reboot). Safe in any context: takes no lock, allocates nothing.
 * Format: cor_vformat below.
 */
noreturn void cor_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The end of cor_panic alone, for callers that have printed their message (and, if they want, cor_backtrace):
 * SIGABRT's default action is this as well.
 */
noreturn void cor_crash(void);

/*
 * A message line "coracle: ..." on the console, in any context.
 */
void cor_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The formatter of cor_panic and cor_log, which needs neither locks nor memory: %s %c %d %i %u %x %lx %ld %lu
 * %p %zu %% with width, `0` and `-` flags. Writes at most size bytes including the final zero; returns the
 * length that the whole text has, like vsnprintf.
 */
int cor_vformat(char *buffer, unsigned long size, const char *format, va_list args);

/*
 * Prints the backtrace of a stack: the address, then the return addresses that frame pointers or a scan of
 * the stack from rsp find (marked "?" when only found by the scan).
 */
void cor_backtrace(unsigned long rip, unsigned long rsp, unsigned long rbp);

#endif
