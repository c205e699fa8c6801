/* SPDX-License-Identifier: MIT */
/* The ChaCha20 block function of RFC 8439, section 2.3. */
#ifndef LIBOS_POSIX_CHACHA20_H
#define LIBOS_POSIX_CHACHA20_H

#include <stdint.h>

#pragma GCC visibility push(hidden) /* names of the libOS alone */

#define CHACHA20_KEY   32u
#define CHACHA20_BLOCK 64u

/* 64 bytes of key stream for a key, a block counter and a nonce of three words. */
void chacha20_block(const uint8_t key[CHACHA20_KEY], uint32_t counter, const uint32_t nonce[3],
                    uint8_t out[CHACHA20_BLOCK]);

#pragma GCC visibility pop

#endif
