/* SPDX-License-Identifier: MIT */
#include <cpuid.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "coracle/clock.h"
#include "coracle/sync.h"
#include "libos/posix/chacha20.h"
#include "libos/posix/random.h"
#include "libos/posix/thread.h"

static struct {
    struct cor_mutex lock;
    bool seeded;
    uint8_t key[CHACHA20_KEY];
} generator;

static const uint32_t output_nonce[3] = {0, 0, 0};
static const uint32_t stir_nonce[3] = {1, 0, 0};

/* Mixes bytes into the key: xor, then a one-way step. Locked. */
static void stir(const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    uint8_t block[CHACHA20_BLOCK];

    for (size_t i = 0; i < len; i += CHACHA20_KEY) {
        for (size_t j = 0; j < CHACHA20_KEY && i + j < len; j++)
            generator.key[j] ^= from[i + j];
        chacha20_block(generator.key, 0, stir_nonce, block);
        memcpy(generator.key, block, CHACHA20_KEY);
    }
}

static bool rdrand(uint64_t *value)
{
    uint8_t ok = 0;

    for (int tries = 0; tries < 10 && !ok; tries++)
        __asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(ok) : : "cc");
    return ok;
}

static bool rdseed(uint64_t *value)
{
    uint8_t ok = 0;

    for (int tries = 0; tries < 100 && !ok; tries++)
        __asm__ volatile("rdseed %0; setc %1" : "=r"(*value), "=qm"(ok) : : "cc");
    return ok;
}

static void seed_from_processor(void)
{
    unsigned a, b, c, d;
    bool has_rdrand = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_RDRND);
    bool has_rdseed = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_RDSEED);
    uint64_t value = 0;

    for (int i = 0; i < 16; i++) {
        if ((has_rdseed && rdseed(&value)) || (has_rdrand && rdrand(&value)))
            stir(&value, sizeof(value));
    }
}

static void seed_from_clocks(void)
{
    uint64_t seconds, samples[64];
    uint32_t nanoseconds;

    cor_wall_clock(&seconds, &nanoseconds);
    stir(&seconds, sizeof(seconds));
    stir(&nanoseconds, sizeof(nanoseconds));
    /* Each stir between two samples takes a time that depends on caches, interrupts and neighbours. */
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 64; i++)
            samples[i] = __builtin_ia32_rdtsc() ^ cor_monotonic_ns() << 32;
        stir(samples, sizeof(samples));
    }
}

/* Locked. */
static void fill(uint8_t *buf, size_t len)
{
    uint8_t block[CHACHA20_BLOCK];
    uint32_t counter = 0;

    while (len) {
        size_t n = len < CHACHA20_BLOCK ? len : CHACHA20_BLOCK;

        chacha20_block(generator.key, ++counter, output_nonce, block);
        memcpy(buf, block, n);
        buf += n;
        len -= n;
        if (counter == UINT32_MAX - 1 || !len) { /* block 0 becomes the next key */
            chacha20_block(generator.key, 0, output_nonce, block);
            memcpy(generator.key, block, CHACHA20_KEY);
            counter = 0;
        }
    }
    explicit_bzero(block, sizeof(block));
}

void random_fill(void *buf, size_t len)
{
    posix_lock(&generator.lock);
    if (!generator.seeded) {
        seed_from_processor();
        seed_from_clocks();
        generator.seeded = true;
    }
    fill(buf, len);
    posix_unlock(&generator.lock);
}

void random_stir(const void *bytes, size_t len)
{
    posix_lock(&generator.lock);
    stir(bytes, len);
    posix_unlock(&generator.lock);
}

int getentropy(void *buf, size_t len)
{
    if (len > 256)
        return (int)posix_result(-EIO);
    random_fill(buf, len);
    return 0;
}

ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
    if (flags & ~(GRND_NONBLOCK | GRND_RANDOM))
        return posix_result(-EINVAL);
    random_fill(buf, len);
    return (ssize_t)len;
}
