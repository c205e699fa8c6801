/* SPDX-License-Identifier: MIT */
/*
 * <stdatomic.h> and <dlfcn.h>.
 *
 * build: -O2 -std=gnu11 -pthread
 * run: out="^done: all$"
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

#include "posix_check.h"

struct two {
    int a, b;
};

static atomic_int counter = ATOMIC_VAR_INIT(0);
static atomic_flag flag = ATOMIC_FLAG_INIT;
static int guarded;

static void *count(void *unused)
{
    for (int i = 0; i < 20000; i++) {
        atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
        while (atomic_flag_test_and_set_explicit(&flag, memory_order_acquire))
            ;
        guarded++;
        atomic_flag_clear_explicit(&flag, memory_order_release);
    }
    return unused;
}

static void test_operations(void)
{
    _Atomic struct two pair;
    _Atomic(const char *) text;
    atomic_uchar byte = ATOMIC_VAR_INIT(250);
    struct two seen;
    int expected = 3;
    atomic_int number;

    atomic_init(&number, 3);
    check(atomic_compare_exchange_strong(&number, &expected, 9) && atomic_load(&number) == 9,
          "compare and exchange");
    check(!atomic_compare_exchange_strong(&number, &expected, 5) && expected == 9,
          "and what is there instead");
    check(atomic_exchange(&number, 12) == 9 && atomic_fetch_or(&number, 3) == 12 &&
              atomic_fetch_and(&number, 6) == 15 && atomic_fetch_xor(&number, 1) == 6 &&
              atomic_fetch_sub(&number, 7) == 7 && number == 0,
          "arithmetic");
    check(atomic_fetch_add(&byte, 10) == 250 && byte == 4, "a byte wraps");
    atomic_init(&pair, ((struct two){1, 2}));
    seen = atomic_exchange(&pair, ((struct two){3, 4}));
    check(seen.a == 1 && seen.b == 2 && atomic_load(&pair).b == 4, "a structure");
    atomic_init(&text, "old");
    atomic_store(&text, "new");
    check(!strcmp(atomic_load(&text), "new") && atomic_is_lock_free(&text), "a pointer");
}

int main(void)
{
    pthread_t threads[4];
    char *error;

    test_operations();
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    check(counter == 80000 && guarded == 80000, "four threads");
    check(!dlopen("libm.so", RTLD_NOW), "dlopen");
    error = dlerror();
    check(error && *error && !dlerror(), "dlerror, once");
    return finish();
}
