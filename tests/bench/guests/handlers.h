/* SPDX-License-Identifier: MIT */
/* markers.S: handlers to register with the hypervisor, and what they leave behind. Not to be called. */
#ifndef TESTS_BENCH_HANDLERS_H
#define TESTS_BENCH_HANDLERS_H

/* Where markers.S finds the first vCPU's selector of pending words, and the first of these words (asserted in
 * events.c). */
#define EVTCHN_PENDING_SEL 8
#define EVTCHN_PENDING     2048

#ifndef __ASSEMBLY__
#include <stdint.h>

void fault_stamped(void); /* note the time, then as fault_iret */
void fault_iret(void);    /* skip two bytes, return by the iret hypercall */
void fault_direct(void);  /* the same, by the processor's own iretq */
void trap_iret(void);     /* a trap without error code */
void event_stamped(void);
void event_iret(void); /* takes the event of event_port */
void null_system_call(void);

extern volatile uint64_t handler_stamp;
extern volatile uint64_t event_port;
#endif

#endif
