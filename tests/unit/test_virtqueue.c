/* SPDX-License-Identifier: MIT */
/*
 * A split virtqueue against a model of a device: random requests of random length, answered in any order; and
 * devices that lie about what they have used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include "toolstack/device/virtqueue.h"

#define SIZE   32u
#define ROUNDS 20000u
#define CHAIN  6u

static struct virtio device;
static struct virtqueue queue;
static unsigned notified, posted;
static uint64_t seed = 7;

static unsigned pick(unsigned n)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned)(seed >> 33) % n;
}

void *dma_alloc(size_t length, unsigned bits, uint64_t *machine)
{
    void *p = NULL;

    (void)bits;
    assert_int_equal(posix_memalign(&p, 4096, (length + 4095) & ~4095ul), 0);
    memset(p, 0, length);
    *machine = (uint64_t)(uintptr_t)p;
    return p;
}

void dma_free(void *memory, size_t length)
{
    (void)length;
    free(memory);
}

void loop_post(struct loop_task *task)
{
    assert_ptr_equal(task, &queue.again);
    posted++;
}

void loop_cancel(struct loop_task *task)
{
    (void)task;
}

void virtio_notify(struct virtqueue *q)
{
    assert_ptr_equal(q, &queue);
    notified++;
}

/* ---- the device: it has seen requests up to `seen` and holds those that it has not answered ---- */

static struct {
    uint16_t seen, used;
    uint16_t held[SIZE];
    unsigned nr_held;
} model;

static volatile uint16_t *used_ring(void)
{
    return queue.used;
}

static void device_use(uint32_t id, uint32_t length)
{
    volatile struct virtq_used *entry = (volatile struct virtq_used *)&used_ring()[2] + model.used % SIZE;

    entry->id = id;
    entry->length = length;
    model.used++;
    used_ring()[1] = model.used;
}

static void device_look(void)
{
    while (model.seen != queue.available[1]) {
        model.held[model.nr_held++] = queue.available[2 + model.seen % SIZE];
        model.seen++;
    }
}

/* What the chain at `head` says must be what the token of the request says that it is. */
struct token {
    unsigned out, in;
    struct dma_segment segments[CHAIN];
    bool open;
};

static void device_check(uint16_t head)
{
    const struct token *t = queue.token[head];
    uint16_t at = head;

    for (unsigned i = 0; i < t->out + t->in; i++) {
        const struct virtq_desc *d = &queue.desc[at];

        assert_true(at < SIZE);
        assert_int_equal(d->address, t->segments[i].address);
        assert_int_equal(d->length, t->segments[i].length);
        assert_int_equal(d->flags & 2, i >= t->out ? 2 : 0);
        assert_int_equal(d->flags & 1, i + 1 < t->out + t->in);
        at = d->next;
    }
}

static void start(void)
{
    uint64_t machine;

    memset(&device, 0, sizeof(device));
    memset(&queue, 0, sizeof(queue));
    memset(&model, 0, sizeof(model));
    device.modern = true;
    assert_int_equal(virtqueue_make(&queue, &device, 0, SIZE, &machine), 0);
}

static void end(void)
{
    virtqueue_free(&queue);
    while (virtqueue_take_back(&queue)) {
    }
}

static void test_random(void **state)
{
    static struct token tokens[SIZE];
    unsigned open = 0, descriptors = 0;

    (void)state;
    start();
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = pick(SIZE);

        if (pick(2) && !tokens[n].open) {
            struct token *t = &tokens[n];
            unsigned length = 1 + pick(CHAIN), rc;

            *t = (struct token){.out = pick(length + 1)};
            t->in = length - t->out;
            for (unsigned i = 0; i < length; i++) {
                t->segments[i] = (struct dma_segment){seed, 1 + pick(4096)};
                (void)pick(2);
            }
            rc = (unsigned)virtqueue_add(&queue, t->segments, t->out, t->in, t);
            assert_int_equal((int)rc, descriptors + length <= SIZE ? 0 : -EAGAIN);
            t->open = (int)rc == 0;
            open += t->open;
            descriptors += t->open ? length : 0;
        }
        if (pick(3) == 0) {
            virtqueue_kick(&queue);
            device_look();
        }
        if (model.nr_held && pick(2)) {
            unsigned i = pick(model.nr_held);
            uint16_t head = model.held[i];

            device_check(head);
            model.held[i] = model.held[--model.nr_held];
            device_use(head, round);
        }
        if (pick(4) == 0) {
            struct token *t;
            uint32_t written;

            queue.batch = 0;
            while ((t = virtqueue_get(&queue, &written)) != NULL) {
                assert_true(t >= tokens && t < tokens + SIZE && t->open);
                t->open = false;
                open--;
                descriptors -= t->out + t->in;
            }
            assert_false(device.broken);
        }
        assert_int_equal(queue.nr_free, SIZE - descriptors);
    }
    assert_true(notified > 0 && open <= SIZE);
    end();
}

/* Says that it used `id`, which it may not: no request comes out of that, and the device is broken. */
static void lie(uint32_t id)
{
    static struct token t;
    struct dma_segment segment = {4096, 512};
    uint32_t written;

    start();
    assert_int_equal(virtqueue_add(&queue, &segment, 0, 1, &t), 0);
    virtqueue_kick(&queue);
    device_look();
    device_use(id, 0);
    assert_null(virtqueue_get(&queue, &written));
    assert_true(device.broken);
    assert_null(virtqueue_get(&queue, &written));
    end();
}

static void test_lies(void **state)
{
    (void)state;
    lie(1);
    lie(SIZE);
    lie(~0u);
}

static void test_twice(void **state)
{
    static struct token t;
    struct dma_segment segment = {4096, 512};
    uint32_t written;

    (void)state;
    start();
    assert_int_equal(virtqueue_add(&queue, &segment, 0, 1, &t), 0);
    virtqueue_kick(&queue);
    device_look();
    device_use(model.held[0], 0);
    device_use(model.held[0], 0);
    assert_ptr_equal(virtqueue_get(&queue, &written), &t);
    assert_null(virtqueue_get(&queue, &written));
    assert_true(device.broken);
    end();
}

/* The device writes to the descriptors that we link by: a loop ends, and nothing is given back twice. */
static void test_loop(void **state)
{
    static struct token t;
    struct dma_segment segments[2] = {{4096, 512}, {8192, 512}};
    uint32_t written;

    (void)state;
    start();
    assert_int_equal(virtqueue_add(&queue, segments, 0, 2, &t), 0);
    virtqueue_kick(&queue);
    device_look();
    queue.desc[queue.desc[model.held[0]].next].flags |= 1;
    queue.desc[queue.desc[model.held[0]].next].next = model.held[0];
    device_use(model.held[0], 0);
    assert_null(virtqueue_get(&queue, &written));
    assert_true(device.broken);
    end();
}

static unsigned handled;

static void handle(struct virtqueue *q)
{
    uint32_t written;

    while (virtqueue_get(q, &written)) {
        handled++;
        device_use(0, 0); /* the device answers at once what it has, forever */
        q->token[0] = &handled;
        q->nr_free = (uint16_t)(q->nr_free - 1);
    }
}

/* A device that never stops costs one turn's work, then others have theirs. */
static void test_flood(void **state)
{
    struct dma_segment segment = {4096, 512};

    (void)state;
    start();
    queue.handle = handle;
    assert_int_equal(virtqueue_add(&queue, &segment, 0, 1, &handled), 0);
    virtqueue_kick(&queue);
    device_look();
    device_use(model.held[0], 0);
    posted = handled = 0;
    virtqueue_interrupted(&queue);
    assert_true(handled <= SIZE);
    assert_int_equal(posted, 1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random), cmocka_unit_test(test_lies),  cmocka_unit_test(test_twice),
        cmocka_unit_test(test_loop),   cmocka_unit_test(test_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
