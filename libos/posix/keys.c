/* SPDX-License-Identifier: MIT */
/* Thread-specific data. A key that is deleted and made anew has another sequence number, so old values are
 * not seen. */
#include <errno.h>

#include "libos/posix/thread.h"

#define DESTRUCTOR_ROUNDS 4 /* PTHREAD_DESTRUCTOR_ITERATIONS */

static struct {
    unsigned seq; /* odd: in use */
    void (*destructor)(void *);
} keys[PTHREAD_KEYS];
static struct cor_mutex keys_lock;

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    int err = EAGAIN;

    posix_lock(&keys_lock);
    for (unsigned i = 0; i < PTHREAD_KEYS && err; i++) {
        if (keys[i].seq & 1)
            continue;
        keys[i].seq++;
        keys[i].destructor = destructor;
        *key = i;
        err = 0;
    }
    posix_unlock(&keys_lock);
    return err;
}

static bool in_use(pthread_key_t key)
{
    return key < PTHREAD_KEYS && (keys[key].seq & 1);
}

int pthread_key_delete(pthread_key_t key)
{
    int err = EINVAL;

    posix_lock(&keys_lock);
    if (in_use(key)) {
        keys[key].seq++;
        err = 0;
    }
    posix_unlock(&keys_lock);
    return err;
}

int pthread_setspecific(pthread_key_t key, const void *value)
{
    if (!in_use(key))
        return EINVAL;
    posix_self()->specific[key] = (struct specific){.value = (void *)value, .seq = keys[key].seq};
    return 0;
}

void *pthread_getspecific(pthread_key_t key)
{
    const struct specific *specific = &posix_self()->specific[key];

    return in_use(key) && specific->seq == keys[key].seq ? specific->value : NULL;
}

void keys_destroy(struct pthread *self)
{
    bool again = true;

    for (int round = 0; round < DESTRUCTOR_ROUNDS && again; round++) {
        again = false;
        for (pthread_key_t i = 0; i < PTHREAD_KEYS; i++) {
            void *value = self->specific[i].value;

            if (!value || !in_use(i) || self->specific[i].seq != keys[i].seq || !keys[i].destructor)
                continue;
            self->specific[i].value = NULL;
            keys[i].destructor(value);
            again = true;
        }
    }
}
