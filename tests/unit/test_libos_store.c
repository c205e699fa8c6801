/* SPDX-License-Identifier: MIT */
/*
 * The libOS's client of the store (libos/xen/store.c, xenbus.c) against the store itself (toolstack/store),
 * both as they are, over one page. A thread that waits is the server's turn, and then the event handler's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <asm/prctl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>
#include "coracle/event.h"
#include "coracle/sync.h"
#include "coracle/xenbus.h"
#include "libos/core/cpu.h"
#include "libos/core/frames.h"
#include "libos/xen/store.h"
#include "toolstack/store/store.h"

#define DOMID  3
#define MFN    0x1234
#define EVTCHN 5

static struct store *store;
static struct xenstore_domain_interface *page;
static start_info_t start_info;
static struct vcpu_info vcpu_info;
static struct cor_cpu this_cpu;
static cor_event_handler *handler;
static bool pending;        /* the server has sent an event */
static bool deaf;           /* the server does not work */
static unsigned sent;       /* events to the server */
static void (*other)(void); /* another domain's doing, when this one waits with nothing to come */

/* ------------------------------------------------------------------ the machine */

void cor_irq_pending(void)
{
    fail_msg("events are not pending here");
}

uint64_t cor_mfn_to_pfn(uint64_t mfn)
{
    assert_int_equal(mfn, MFN);
    return 1;
}

uint64_t cor_linear_address(uint64_t pfn)
{
    assert_int_equal(pfn, 1);
    return (uint64_t)(uintptr_t)page;
}

int cor_event_attach(uint32_t port, cor_event_handler *function, void *argument)
{
    assert_int_equal(port, EVTCHN);
    assert_null(argument);
    assert_null(handler);
    handler = function;
    return 0;
}

int cor_event_send(uint32_t port)
{
    assert_int_equal(port, EVTCHN);
    store_event(store, DOMID);
    sent++;
    return 0;
}

/* Lets both sides work; did anything happen? */
static bool turn(void)
{
    bool happened = pending;

    while (!deaf && store_dispatch(store)) {
    }
    happened = happened || pending;
    if (pending && handler) {
        pending = false;
        assert_true(cor_irq_enabled());
        cor_irq_disable();
        handler(EVTCHN, NULL);
        vcpu_info.evtchn_upcall_mask = 0;
    }
    return happened;
}

int cor_wait(const volatile uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    (void)flags;
    if (*word != expected) {
        return -EAGAIN;
    }
    if (!turn()) {
        if (other) {
            void (*now)(void) = other;
            other = NULL;
            now();
            return 0;
        }
        if (deadline != COR_FOREVER) {
            return -ETIMEDOUT;
        }
        fail_msg("waits for ever");
    }
    return 0;
}

unsigned cor_wake(const volatile uint32_t *word, unsigned count)
{
    (void)word;
    return count;
}

void cor_mutex_lock(struct cor_mutex *mutex)
{
    assert_int_equal(mutex->state, 0);
    mutex->state = 1;
}

void cor_mutex_unlock(struct cor_mutex *mutex)
{
    mutex->state = 0;
}

uint64_t cor_monotonic_ns(void)
{
    return 1;
}

void cor_devices_exit(void);

static void notify(void *context)
{
    (void)context;
    pending = true;
}

/*
 * The client keeps its state for as long as a domain lives; so there is one for all tests, made anew on the
 * other side.
 */
static int set_up(void **state)
{
    char home[32];

    (void)state;
    this_cpu.self = &this_cpu;
    this_cpu.info = &vcpu_info;
    assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &this_cpu), 0);
    start_info.store_mfn = MFN;
    start_info.store_evtchn = EVTCHN;
    cor_store_init(&start_info);
    page = calloc(1, 4096);
    store = store_create(NULL);
    snprintf(home, sizeof(home), "/local/domain/%u", DOMID);
    assert_int_equal(store_mkdir(store, home), 0);
    assert_int_equal(store_set_permissions(store, home, (struct store_permission[]){{DOMID, STORE_NONE}}, 1),
                     0);
    assert_int_equal(store_introduce(store, DOMID, page, notify, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    store_destroy(store);
    free(page);
    return 0;
}

/* ------------------------------------------------------------------ requests */

static void nothing_before_the_first_use(void **state)
{
    (void)state;
    assert_null(handler);
    assert_int_equal(sent, 0);
    assert_true(cor_store_present());
}

static void values(void **state)
{
    char text[8];

    (void)state;
    assert_int_equal(cor_store_read(0, "x", text, sizeof(text)), -ENOENT);
    assert_int_equal(cor_store_write(0, "x/y", "value", 5), 0);
    assert_string_equal(store_read(store, "/local/domain/3/x/y", NULL), "value");
    memset(text, 'z', sizeof(text));
    assert_int_equal(cor_store_read(0, "x/y", text, sizeof(text)), 5);
    assert_string_equal(text, "value");
    store_write(store, "/local/domain/3/x/y", "longer than that", 16);
    assert_int_equal(cor_store_read(0, "/local/domain/3/x/y", text, sizeof(text)), 16);
    assert_string_equal(text, "longer ");
    assert_int_equal(cor_store_read(0, "x/y", NULL, 0), 16);
    assert_int_equal(cor_store_write(0, "/elsewhere", "", 0), -EACCES);
    assert_int_equal(cor_store_read(0, "bad path", text, sizeof(text)), -EINVAL);
    assert_int_equal(cor_store_mkdir(0, "dir"), 0);
    assert_int_equal(cor_store_remove(0, "dir"), 0);
    assert_null(store_read(store, "/local/domain/3/dir", NULL));
}

static void numbers(void **state)
{
    (void)state;
    assert_int_equal(cor_store_printf(0, "n", "%d", -17), 0);
    assert_int_equal(cor_store_read_number(0, "n", 5), -17);
    store_printf(store, "/local/domain/3/n", "0xfF");
    assert_int_equal(cor_store_read_number(0, "n", 5), 255);
    store_printf(store, "/local/domain/3/n", "12 apples");
    assert_int_equal(cor_store_read_number(0, "n", 5), 12);
    store_printf(store, "/local/domain/3/n", "none");
    assert_int_equal(cor_store_read_number(0, "n", 5), 5);
    assert_int_equal(cor_store_read_number(0, "missing", 5), 5);
}

/* Longer than the ring, at ever other places in it. */
static void long_values(void **state)
{
    static char value[1900], back[2000];

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        memset(value, (int)('a' + i), sizeof(value));
        assert_int_equal(cor_store_write(0, "long", value, sizeof(value) - i), 0);
        assert_int_equal(cor_store_read(0, "long", back, sizeof(back)), sizeof(value) - i);
        assert_memory_equal(back, value, sizeof(value) - i);
    }
    assert_int_equal(cor_store_write(0, "long", value, 4096), -E2BIG);
}

static void names_and_permissions(void **state)
{
    char text[64];

    (void)state;
    cor_store_mkdir(0, "d/one");
    cor_store_mkdir(0, "d/two");
    assert_int_equal(cor_store_directory(0, "d", text, sizeof(text)), 8);
    assert_memory_equal(text, "one\0two", 8);
    assert_int_equal(cor_store_get_permissions(0, "d", text, sizeof(text)), 3);
    assert_string_equal(text, "n3");
    assert_int_equal(cor_store_set_permissions(0, "d", "n3\0r0", 6), 0);
    assert_int_equal(cor_store_get_permissions(0, "d", text, sizeof(text)), 6);
    assert_memory_equal(text, "n3\0r0", 6);
    assert_int_equal(cor_store_set_permissions(0, "d", "bad", 4), -EINVAL);
}

static void transactions(void **state)
{
    uint32_t t;

    (void)state;
    assert_int_equal(cor_store_begin(&t), 0);
    assert_int_equal(cor_store_write(t, "t", "1", 1), 0);
    assert_null(store_read(store, "/local/domain/3/t", NULL));
    assert_int_equal(cor_store_end(t, true), 0);
    assert_string_equal(store_read(store, "/local/domain/3/t", NULL), "1");
    assert_int_equal(cor_store_begin(&t), 0);
    assert_int_equal(cor_store_read_number(t, "t", 0), 1);
    store_printf(store, "/local/domain/3/t", "2");
    assert_int_equal(cor_store_end(t, true), -EAGAIN);
    assert_int_equal(cor_store_end(t, false), -ENOENT);
}

static unsigned finished;
static long last_result;

static void note(struct cor_store_request *request)
{
    finished++;
    last_result = request->result;
    assert_ptr_equal(request->context, &finished);
}

/* More requests than the ring holds, none waited for: they go as room comes, and are answered in order. */
static void many_at_once(void **state)
{
    static struct cor_store_request requests[200];

    (void)state;
    finished = 0;
    for (unsigned i = 0; i < 200; i++) {
        requests[i] = (struct cor_store_request){.type = XS_WRITE, .done = note, .context = &finished};
        requests[i].part[0].data = "many";
        requests[i].part[0].length = 5;
        requests[i].part[1].data = "some bytes that say nothing";
        requests[i].part[1].length = 27;
        cor_store_submit(&requests[i]);
    }
    assert_int_equal(finished, 0);
    while (turn()) {
    }
    assert_int_equal(finished, 200);
    assert_int_equal(last_result, 3);
}

/* ------------------------------------------------------------------ watches */

static char heard[512];

static void changed(struct cor_store_watch *watch, const char *path)
{
    (void)watch;
    assert_false(cor_irq_enabled());
    snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%s;", path);
}

static const char *hear(void)
{
    static char text[512];

    while (turn()) {
    }
    strcpy(text, heard);
    heard[0] = '\0';
    return text;
}

static void watches(void **state)
{
    struct cor_store_watch one = {.path = "w", .changed = changed}, two = {.path = "/local/domain/3/w/x"};
    char deep[400] = "/local/domain/3/w";
    uint32_t count;

    (void)state;
    assert_int_equal(cor_store_watch(&one), 0);
    assert_int_equal(cor_store_watch(&two), 0);
    assert_string_equal(hear(), "w;");
    count = two.count;
    assert_int_equal(count, 1);
    store_printf(store, "/local/domain/3/w/x", "1");
    assert_string_equal(hear(), "w/x;");
    assert_int_equal(two.count, count + 1);
    for (unsigned i = 0; i < 30; i++) {
        strcat(deep, "/component");
    }
    store_mkdir(store, deep);
    assert_string_equal(hear(), "w;"); /* too long a path: as if it were the watched one */
    assert_int_equal(cor_store_unwatch(&one), 0);
    store_printf(store, "/local/domain/3/w/x", "2");
    assert_string_equal(hear(), "");
    assert_int_equal(two.count, count + 2);
    assert_int_equal(cor_store_unwatch(&two), 0);
    assert_int_equal(cor_store_unwatch(&two), -ENOENT);
    two.path = "bad/";
    assert_int_equal(cor_store_watch(&two), -EINVAL);
}

static void watch_without_waiting(void **state)
{
    static struct cor_store_watch watch = {.path = "later", .changed = changed};
    static struct cor_store_request request = {.context = &finished};

    (void)state;
    finished = 0;
    cor_store_watch_submit(&watch, &request, note);
    assert_int_equal(finished, 0);
    assert_string_equal(hear(), "later;");
    assert_int_equal(finished, 1);
    assert_int_equal(cor_store_unwatch(&watch), 0);
}

/* ------------------------------------------------------------------ devices */

static void backend_connects(void)
{
    store_printf(store, "/back/3/0/state", "%d", XenbusStateConnected);
}

static void backend_closes(void)
{
    assert_string_equal(store_read(store, "/local/domain/3/device/vif/0/state", NULL), "5");
    store_printf(store, "/back/3/0/state", "%d", XenbusStateClosed);
}

static void backend_goes(void)
{
    store_remove(store, "/back/3/0");
}

static void make_device(void)
{
    store_printf(store, "/local/domain/3/device/vif/0/backend", "/back/3/0");
    store_printf(store, "/local/domain/3/device/vif/0/backend-id", "7");
    store_mkdir(store, "/back/3/0");
    store_set_permissions(store, "/back/3/0", (struct store_permission[]){{0, STORE_NONE}, {3, STORE_READ}},
                          2);
    store_printf(store, "/back/3/0/state", "%d", XenbusStateInitWait);
    store_printf(store, "/back/3/0/feature-sg", "1");
}

static void device(void **state)
{
    struct cor_xenbus_device vif;

    (void)state;
    assert_int_equal(cor_xenbus_open(&vif, "device/vif/0"), -ENOENT);
    make_device();
    assert_int_equal(cor_xenbus_open(&vif, "device/vif/0"), 0);
    assert_string_equal(vif.backend, "/back/3/0");
    assert_int_equal(vif.backend_id, 7);
    assert_int_equal(cor_xenbus_backend_number(&vif, "feature-sg", 0), 1);
    assert_int_equal(cor_xenbus_backend_number(&vif, "feature-none", 9), 9);
    assert_int_equal(cor_xenbus_wait(&vif, COR_XENBUS_STATE(XenbusStateInitWait), COR_FOREVER),
                     XenbusStateInitWait);
    assert_int_equal(cor_xenbus_set_state(&vif, XenbusStateInitialised), 0);
    assert_string_equal(store_read(store, "/local/domain/3/device/vif/0/state", NULL), "3");
    assert_int_equal(cor_xenbus_wait(&vif, COR_XENBUS_STATE(XenbusStateConnected), 1000), -ETIMEDOUT);
    other = backend_connects;
    assert_int_equal(cor_xenbus_wait(&vif, COR_XENBUS_STATE(XenbusStateConnected), COR_FOREVER),
                     XenbusStateConnected);
    other = backend_closes;
    assert_int_equal(cor_xenbus_close(&vif, COR_FOREVER), 0);
    assert_string_equal(store_read(store, "/local/domain/3/device/vif/0/state", NULL), "6");
    assert_int_equal(cor_xenbus_open(&vif, "device/vif/0"), 0);
    other = backend_goes;
    assert_int_equal(cor_xenbus_wait(&vif, COR_XENBUS_STATE(XenbusStateConnected), COR_FOREVER), -ENODEV);
    assert_int_equal(cor_xenbus_close(&vif, COR_FOREVER), 0);
}

static void devices_close_at_exit(void **state)
{
    static struct cor_xenbus_device vif;

    (void)state;
    make_device();
    assert_int_equal(cor_xenbus_open(&vif, "device/vif/0"), 0);
    cor_devices_exit(); /* the backend does nothing, and time is short */
    assert_string_equal(store_read(store, "/local/domain/3/device/vif/0/state", NULL), "6");
    cor_devices_exit();
}

/* ------------------------------------------------------------------ the end */

/* Last: the client does not get over it. */
static void broken_ring(void **state)
{
    static struct cor_store_request request = {.type = XS_READ, .done = note, .context = &finished};
    char text[8];

    (void)state;
    finished = 0;
    deaf = true;
    request.part[0].data = "x";
    request.part[0].length = 2;
    cor_store_submit(&request);
    page->rsp_prod = page->rsp_cons + XENSTORE_RING_SIZE + 1;
    pending = true;
    turn();
    assert_int_equal(finished, 1);
    assert_int_equal(last_result, -EIO);
    assert_int_equal(cor_store_read(0, "x", text, sizeof(text)), -EIO);
    start_info.store_mfn = 0; /* and this is what a domain without a store sees */
    assert_int_equal(cor_store_read(0, "x", text, sizeof(text)), -ENXIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_before_the_first_use),
        cmocka_unit_test(values),
        cmocka_unit_test(numbers),
        cmocka_unit_test(long_values),
        cmocka_unit_test(names_and_permissions),
        cmocka_unit_test(transactions),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(watches),
        cmocka_unit_test(watch_without_waiting),
        cmocka_unit_test(device),
        cmocka_unit_test(devices_close_at_exit),
        cmocka_unit_test(broken_ring),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
