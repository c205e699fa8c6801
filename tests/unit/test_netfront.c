/* SPDX-License-Identifier: MIT */
/*
 * netfront's life in the store (libos/front/net.c, with libos/xen/xenbus.c): a store that is a table, a
 * toolstack and a backend that the test plays, and rings that only count. netfront's threads are threads
 * here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coracle/clock.h"
#include "coracle/event.h"
#include "coracle/init.h"
#include "coracle/shutdown.h"
#include "coracle/store.h"
#include "coracle/sync.h"
#include "libos/front/net.h"
#include "libos/front/net_queue.h"
#include "libos/net/device.h"
#include "libos/net/stack.h"
#include "libos/posix/thread.h"
#include "tests/unit/store_table.h"

/* Waiting: one lock for the whole world ----------------------------------------------------------------- */

static pthread_mutex_t world = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static const volatile uint32_t *waiting_word; /* what the store's thread waits for, NULL while it works */
static uint32_t waiting_value;
static _Thread_local bool is_store_thread;

int cor_wait(const volatile uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    (void)flags;
    if (deadline != COR_FOREVER)
        return -ETIMEDOUT; /* the backend does not answer in time */
    pthread_mutex_lock(&world);
    if (is_store_thread) {
        waiting_word = word;
        waiting_value = expected;
        pthread_cond_broadcast(&changed);
    }
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == expected)
        pthread_cond_wait(&changed, &world);
    if (is_store_thread)
        waiting_word = NULL;
    pthread_mutex_unlock(&world);
    return 0;
}

unsigned cor_wake(const volatile uint32_t *word, unsigned count)
{
    (void)word, (void)count;
    pthread_mutex_lock(&world);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&world);
    return 0;
}

/* Until the store's thread has nothing left to do. */
static void settle(void)
{
    pthread_mutex_lock(&world);
    while (!waiting_word || __atomic_load_n(waiting_word, __ATOMIC_SEQ_CST) != waiting_value)
        pthread_cond_wait(&changed, &world);
    pthread_mutex_unlock(&world);
}

static void *run_helper(void *run)
{
    ((void (*)(void))run)();
    return NULL;
}

static void *run_store_helper(void *run)
{
    is_store_thread = true;
    return run_helper(run);
}

int posix_helper(const char *name, void (*run)(void))
{
    pthread_t thread;

    return pthread_create(&thread, NULL, strcmp(name, "netfront store") ? run_helper : run_store_helper,
                          (void *)run);
}

static pthread_mutex_t core = PTHREAD_MUTEX_INITIALIZER;
sys_mutex_t lock_tcpip_core;

void sys_mutex_lock(sys_mutex_t *mutex)
{
    (void)mutex;
    pthread_mutex_lock(&core);
}

void sys_mutex_unlock(sys_mutex_t *mutex)
{
    (void)mutex;
    pthread_mutex_unlock(&core);
}

void cor_mutex_lock(struct cor_mutex *mutex)
{
    (void)mutex;
}

void cor_mutex_unlock(struct cor_mutex *mutex)
{
    (void)mutex;
}

uint64_t cor_monotonic_ns(void)
{
    return 1;
}

/* Rings and stack --------------------------------------------------------------------------------------- */

static int queues, ports, expected, devices; /* alive */
static uint32_t last_port;
static bool no_memory;
static struct net_device *last_device;
static char last_ip[64];
static unsigned logs;

int net_queue_make(struct net_queue *queue, uint16_t backend)
{
    assert_int_equal(backend, 3);
    memset(queue, 0, sizeof(*queue));
    if (no_memory)
        return -ENOMEM;
    queue->tx_gref = 100 + (uint32_t)queues;
    queue->rx_gref = 200 + (uint32_t)queues;
    queues++;
    return 0;
}

int net_queue_open(struct net_queue *queue)
{
    assert_int_not_equal(queue->port, 0);
    return 0;
}

unsigned net_queue_free(struct net_queue *queue)
{
    (void)queue;
    queues--;
    return 0;
}

bool net_queue_transmit(struct net_queue *queue, struct pbuf *frame)
{
    (void)queue, (void)frame;
    return true;
}

bool net_queue_sent(struct net_queue *queue)
{
    (void)queue;
    return false;
}

bool net_queue_receive(struct net_queue *queue, unsigned most,
                       void (*receive)(void *context, struct pbuf *frame, bool checked), void *context)
{
    (void)queue, (void)most, (void)receive, (void)context;
    return false;
}

int cor_event_alloc_unbound(uint16_t remote, cor_event_handler *handler, void *argument)
{
    (void)handler, (void)argument;
    assert_int_equal(remote, 3);
    ports++;
    return (int)++last_port;
}

void cor_event_close(uint32_t port)
{
    assert_true(port && port <= last_port);
    ports--;
}

void net_device_expect(bool more)
{
    expected += more ? 1 : -1;
}

int net_device_add(struct net_device *device, const struct net_addresses *addresses)
{
    devices++;
    last_device = device;
    snprintf(last_ip, sizeof(last_ip), "%s", addresses->ip ? addresses->ip : "(none)");
    return 0;
}

void net_device_remove(struct net_device *device)
{
    assert_ptr_equal(device, last_device);
    devices--;
}

void net_device_receive(struct net_device *device, struct pbuf *frame, bool checked)
{
    (void)device, (void)frame, (void)checked;
}

void net_device_room(struct net_device *device)
{
    (void)device;
}

u8_t pbuf_get_at(const struct pbuf *p, u16_t offset)
{
    return (void)p, (u8_t)offset;
}

static const char *own_queues;

const char *cor_setting(const char *name)
{
    return strcmp(name, "netqueues") ? NULL : own_queues;
}

void cor_log(const char *format, ...)
{
    (void)format;
    logs++;
}

/* Tests ------------------------------------------------------------------------------------------------- */

#define F "device/vif/0"
#define B "/local/domain/3/backend/vif/5/0"

/* What a toolstack writes; the backend is still starting. */
static void plug(void)
{
    logs = 0;
    settle();
    quiet = true; /* netfront sleeps: nobody else looks */
    put(B "/state", "1");
    put(F "/mac", "00:16:3e:0a:0b:0c");
    put(F "/backend-id", "3");
    put(F "/backend", B);
    quiet = false;
    put(F "/state", "1");
    settle();
}

static void unplug(void)
{
    drop_below(F);
    drop_below(B);
    settle();
    assert_int_equal(queues + ports + devices + expected, 0);
    assert_string_equal(value_of(F "/state"), "(none)");
    for (struct cor_store_watch *watch = watches; watch; watch = watch->next)
        assert_string_equal(watch->path, "device/vif");
}

static void go_live(void)
{
    plug();
    put(B "/state", "2");
    settle();
    put(B "/state", "4");
    settle();
    assert_int_equal(devices, 1);
}

static void test_life(void **state)
{
    static const uint8_t mac[] = {0, 0x16, 0x3e, 0x0a, 0x0b, 0x0c};
    char port[16];

    (void)state;
    plug();
    assert_int_equal(queues + devices, 0);
    assert_int_equal(expected, 1);
    put(B "/feature-sg", "1");
    put(B "/mtu", "9000");
    put(B "/ip", "10.0.0.5");
    put(B "/state", "2");
    settle();
    assert_string_equal(value_of(F "/state"), "4");
    assert_string_equal(value_of(F "/tx-ring-ref"), "100");
    assert_string_equal(value_of(F "/rx-ring-ref"), "200");
    snprintf(port, sizeof(port), "%u", last_port);
    assert_string_equal(value_of(F "/event-channel"), port);
    assert_string_equal(value_of(F "/request-rx-copy"), "1");
    assert_string_equal(value_of(F "/feature-gso-tcpv4"), "1");
    assert_string_equal(value_of(F "/multi-queue-num-queues"), "(none)");
    assert_int_equal(devices, 0);
    put(B "/state", "4");
    settle();
    assert_int_equal(devices, 1);
    assert_int_equal(expected, 0);
    assert_memory_equal(last_device->mac, mac, 6);
    assert_int_equal(last_device->mtu, 9000);
    assert_true(last_device->checks_v4);
    assert_false(last_device->checks_v6);
    assert_string_equal(last_ip, "10.0.0.5");
    /* The backend goes in order. */
    put(B "/state", "5");
    settle();
    assert_int_equal(devices + queues + ports, 0);
    assert_string_equal(value_of(F "/state"), "6");
    put(B "/state", "6");
    settle();
    unplug();
    assert_int_equal(logs, 0);
}

/* All at once gone, as after the end of the backend's domain. */
static void test_surprise(void **state)
{
    (void)state;
    go_live();
    unplug();
    plug();
    unplug();
    plug();
    put(B "/state", "2");
    settle();
    assert_int_equal(queues, 1);
    unplug();
}

/* A backend that has restarted finds us ready again. */
static void test_again(void **state)
{
    (void)state;
    go_live();
    put(B "/state", "6");
    settle();
    assert_int_equal(devices + queues, 0);
    put(B "/state", "2");
    settle();
    put(B "/state", "4");
    settle();
    assert_int_equal(devices, 1);
    assert_int_equal(queues, 1);
    unplug();
}

static void test_queues(void **state)
{
    (void)state;
    own_queues = "3";
    plug();
    put(B "/multi-queue-max-queues", "8");
    put(B "/state", "2");
    settle();
    assert_int_equal(queues, 3);
    assert_string_equal(value_of(F "/multi-queue-num-queues"), "3");
    assert_string_equal(value_of(F "/queue-0/tx-ring-ref"), "100");
    assert_string_equal(value_of(F "/queue-2/rx-ring-ref"), "202");
    assert_string_equal(value_of(F "/tx-ring-ref"), "(none)");
    unplug();
    own_queues = NULL;
}

static void test_conflict(void **state)
{
    (void)state;
    conflicts = 3;
    transactions = 0;
    go_live();
    assert_int_equal(transactions, 4);
    unplug();
}

static void test_no_memory(void **state)
{
    (void)state;
    no_memory = true;
    plug();
    put(B "/state", "2");
    settle();
    assert_string_equal(value_of(F "/state"), "6");
    assert_int_equal(logs, 1);
    assert_int_equal(expected, 0);
    unplug();
    no_memory = false;
}

static void test_bad_mac(void **state)
{
    static const char *const bad[] = {"", "00:16:3e", "zz:16:3e:00:00:01", "01:16:3e:00:00:01"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        plug();
        put(F "/mac", bad[i]);
        put(B "/state", "2");
        settle();
        assert_int_equal(logs, 1);
        assert_int_equal(queues + devices + expected, 0);
        unplug();
    }
}

static int start(void **state)
{
    (void)state;
    put("device/vif/nonsense/x", "1");
    assert_int_equal(netfront_start(), 0);
    settle();
    assert_int_equal(expected, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),    cmocka_unit_test(test_surprise), cmocka_unit_test(test_again),
        cmocka_unit_test(test_queues),  cmocka_unit_test(test_conflict), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_bad_mac),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
