/* SPDX-License-Identifier: MIT */
#include "hypervisor/include/debug_key.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/percpu.h"

#define KEYS_MAX   16
#define QUEUE_SIZE 16

static struct {
    char key;
    const char *help;
    void (*fn)(void);
} keys[KEYS_MAX];
static unsigned nr_keys;

/* Filled under the console lock, taken by whoever answers first. */
static char queue[QUEUE_SIZE];
static uint32_t queued, taken;

void debug_key_register(char key, const char *help, void (*fn)(void))
{
    if (nr_keys == KEYS_MAX) {
        log_warn("debug keys: expected at most %u, found one more: '%c'", KEYS_MAX, key);
        return;
    }
    keys[nr_keys].key = key;
    keys[nr_keys].help = help;
    keys[nr_keys++].fn = fn;
}

void debug_key_push(char key)
{
    uint32_t at = __atomic_load_n(&queued, __ATOMIC_RELAXED);

    if (at - read_once(taken) < QUEUE_SIZE) {
        queue[at % QUEUE_SIZE] = key;
        __atomic_store_n(&queued, at + 1, __ATOMIC_RELEASE);
        hazard_raise(HAZARD_DUMP);
    }
}

static void run_key(char key)
{
    if (key == 'h') {
        log_print(LOG_ERR, "key h: this help");
        for (unsigned i = 0; i < nr_keys; i++) {
            log_print(LOG_ERR, "key %c: %s", keys[i].key, keys[i].help);
        }
        return;
    }
    for (unsigned i = 0; i < nr_keys; i++) {
        if (keys[i].key == key) {
            keys[i].fn();
            return;
        }
    }
}

void debug_keys_run(void)
{
    uint32_t at = __atomic_load_n(&taken, __ATOMIC_RELAXED);

    while (at != __atomic_load_n(&queued, __ATOMIC_ACQUIRE)) {
        char key = queue[at % QUEUE_SIZE];

        if (__atomic_compare_exchange_n(&taken, &at, at + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            run_key(key);
            at++;
        }
    }
}
