/* SPDX-License-Identifier: MIT */
/* What the comparison with xenstored and the library preloaded into it agree on. */
#ifndef TESTS_STORE_COMPARE_H
#define TESTS_STORE_COMPARE_H

#include <stdint.h>

#define COMPARE_PAGES_FD 200 /* file: page N is the ring of domain N */
#define COMPARE_EVENTS_FD                                                                                    \
    201 /* socket: to xenstored ports (domid + 1), from it domids; 32 bits each, one a message */
#define COMPARE_VIRQ_PORT 1000
#define COMPARE_DOMAINS   4 /* domains 0 to 3 exist */

/* requests.c. The state decides all that follows. */
extern uint64_t random_state;
uint32_t random_below(uint32_t limit);
/* A type, and a payload for it with | for zero bytes; text has room for 3,000. */
uint32_t random_kind(void);
void random_payload(unsigned client, uint32_t type, char *text);

#endif
