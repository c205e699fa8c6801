/* SPDX-License-Identifier: MIT */
/* Internet addresses as text. */
#ifndef _ARPA_INET_H
#define _ARPA_INET_H

#include <netinet/in.h>

__BEGIN_DECLS

int inet_pton(int __family, const char *__restrict __text, void *__restrict __address);
const char *inet_ntop(int __family, const void *__restrict __address, char *__restrict __text,
                      socklen_t __size);
in_addr_t inet_addr(const char *__text);
char *inet_ntoa(struct in_addr __address);
#if __MISC_VISIBLE
int inet_aton(const char *__text, struct in_addr *__address);
#endif

__END_DECLS

#endif
