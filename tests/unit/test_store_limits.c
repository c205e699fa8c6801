/* SPDX-License-Identifier: MIT */
/* The store: transactions, limits of domains, the owner's own access, and what operations cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/store_client.h"

/* ------------------------------------------------------------------ transactions */

static uint32_t start(struct store_client *client)
{
    return (uint32_t)atoi(ask(client, TRANSACTION_START, "|"));
}

static void transactions(void **state)
{
    uint32_t t = start(tools), u;

    (void)state;
    assert_int_not_equal(t, 0);
    assert_string_equal(ask_in(tools, t, XS_WRITE, "/t/a|1"), "OK|");
    assert_string_equal(ask_in(tools, t, XS_READ, "/t/a|"), "1");
    assert_ask(tools, READ, "/t/a|", "ENOENT|"); /* not yet */
    assert_string_equal(ask_in(tools, t, XS_DIRECTORY, "/t|"), "a|");
    assert_string_equal(ask_in(tools, t, XS_TRANSACTION_START, "|"), "EBUSY|");
    assert_string_equal(ask_in(tools, t, XS_TRANSACTION_END, "X|"), "EINVAL|");
    assert_string_equal(ask_in(tools, t, XS_TRANSACTION_END, "T|"), "OK|");
    assert_ask(tools, READ, "/t/a|", "1");
    assert_string_equal(ask_in(tools, t, XS_READ, "/t/a|"), "ENOENT|"); /* no such transaction */
    assert_ask(tools, TRANSACTION_END, "T|", "ENOENT|");

    u = start(tools);
    assert_string_equal(ask_in(tools, u, XS_RM, "/t|"), "OK|");
    assert_string_equal(ask_in(tools, u, XS_READ, "/t/a|"), "ENOENT|");
    assert_string_equal(ask_in(tools, u, XS_WRITE, "/t/b|2"), "OK|"); /* made anew */
    assert_string_equal(ask_in(tools, u, XS_TRANSACTION_END, "F|"), "OK|");
    assert_ask(tools, DIRECTORY, "/t|", "a|"); /* nothing happened */
    u = start(tools);
    assert_string_equal(ask_in(one, u, XS_READ, "/t|"), "ENOENT|"); /* another's */
    assert_string_equal(ask_in(tools, u, XS_RM, "/t|"), "OK|");
    assert_string_equal(ask_in(tools, u, XS_WRITE, "/t/b|2"), "OK|");
    assert_string_equal(ask_in(tools, u, XS_TRANSACTION_END, "T|"), "OK|");
    assert_ask(tools, DIRECTORY, "/t|", "b|");
    assert_ask(tools, READ, "/t/a|", "ENOENT|");
}

static void conflicts(void **state)
{
    uint32_t t;

    (void)state;
    assert_ask(tools, WRITE, "/c/a|1", "OK|");
    assert_ask(tools, WRITE, "/c/b|1", "OK|");
    t = start(tools); /* read, then changed by another */
    assert_string_equal(ask_in(tools, t, XS_READ, "/c/a|"), "1");
    assert_int_equal(store_write(store, "/c/a", "2", 1), 0);
    assert_string_equal(ask_in(tools, t, XS_READ, "/c/a|"), "1"); /* sees what it saw */
    assert_string_equal(ask_in(tools, t, XS_WRITE, "/c/b|9"), "OK|");
    assert_string_equal(ask_in(tools, t, XS_TRANSACTION_END, "T|"), "EAGAIN|");
    assert_ask(tools, READ, "/c/b|", "1");
    t = start(tools); /* others change what it does not touch */
    assert_string_equal(ask_in(tools, t, XS_WRITE, "/c/a|3"), "OK|");
    assert_int_equal(store_write(store, "/c/b", "7", 1), 0);
    assert_string_equal(ask_in(tools, t, XS_TRANSACTION_END, "T|"), "OK|");
    assert_ask(tools, READ, "/c/a|", "3");
    t = start(tools); /* not there, then made by another */
    assert_string_equal(ask_in(tools, t, XS_READ, "/c/new|"), "ENOENT|");
    assert_int_equal(store_write(store, "/c/new", "7", 1), 0);
    assert_string_equal(ask_in(tools, t, XS_TRANSACTION_END, "T|"), "EAGAIN|");
    t = start(tools); /* removed by another */
    assert_string_equal(ask_in(tools, t, XS_WRITE, "/c/new|8"), "OK|");
    assert_int_equal(store_remove(store, "/c/new"), 0);
    assert_string_equal(ask_in(tools, t, XS_TRANSACTION_END, "T|"), "EAGAIN|");
    assert_ask(tools, READ, "/c/new|", "ENOENT|");
}

/* Others remove below what a transaction has seen; then it removes that: no error, but no commit either. */
static void remove_what_has_gone(void **state)
{
    uint32_t t;

    (void)state;
    assert_ask(tools, WRITE, "/g/a/x|1", "OK|");
    assert_ask(tools, WRITE, "/g/a/y|1", "OK|");
    t = start(tools);
    assert_string_equal(ask_in(tools, t, XS_DIRECTORY, "/g/a|"), "x|y|");
    assert_int_equal(store_remove(store, "/g/a/x"), 0);
    assert_string_equal(ask_in(tools, t, XS_RM, "/g/a|"), "OK|");
    assert_string_equal(ask_in(tools, t, XS_READ, "/g/a/y|"), "ENOENT|");
    assert_string_equal(ask_in(tools, t, XS_TRANSACTION_END, "T|"), "EAGAIN|");
    assert_ask(tools, DIRECTORY, "/g/a|", "y|");
}

static void transaction_events(void **state)
{
    uint32_t t;

    (void)state;
    assert_ask(tools, WRITE, "/e/gone/x|1", "OK|");
    assert_ask(tools, WATCH, "/e|t|", "OK|");
    assert_ask(tools, WATCH, "/e/gone/x|x|", "OK|");
    events(tools);
    t = start(tools);
    assert_string_equal(ask_in(tools, t, XS_WRITE, "/e/a|1"), "OK|");
    assert_string_equal(ask_in(tools, t, XS_WRITE, "/e/a|2"), "OK|");
    assert_string_equal(ask_in(tools, t, XS_WRITE, "/e/brief|2"), "OK|");
    assert_string_equal(ask_in(tools, t, XS_RM, "/e/brief|"), "OK|"); /* nobody has ever seen it */
    assert_string_equal(ask_in(tools, t, XS_RM, "/e/gone|"), "OK|");
    assert_string_equal(events(tools), "");
    assert_string_equal(ask_in(tools, t, XS_TRANSACTION_END, "T|"), "OK|");
    assert_string_equal(events(tools),
                        "/e/a t;/e/gone t;/e/gone/x x;"); /* one for each node, as first looked at */
}

/* ------------------------------------------------------------------ limits */

static void limit_nodes(void **state)
{
    struct store_usage usage;
    char request[64];
    unsigned made = 0;

    (void)state;
    for (;; made++) {
        snprintf(request, sizeof(request), "d%u/n%u|", made / 32, made);
        if (strcmp(ask(one, MKDIR, request), "OK|") != 0) {
            break;
        }
    }
    assert_ask(one, MKDIR, "more|", "ENOSPC|");
    assert_true(store_get_usage(store, 1, &usage));
    assert_int_equal(usage.nodes, 1000);
    assert_ask(two, MKDIR, "more|", "OK|"); /* nobody else */
    assert_ask(tools, MKDIR, "/local/domain/1/more|", "OK|");
    assert_ask(one, RM, "more|", "OK|");
    assert_ask(one, RM, "d0/n0|", "OK|");
    assert_ask(one, MKDIR, "two/levels|", "ENOSPC|"); /* room for one, and nothing half done */
    assert_ask(one, READ, "two|", "ENOENT|");
    assert_ask(one, MKDIR, "more|", "OK|");
}

static void limit_sizes(void **state)
{
    char request[4096] = "v|";

    (void)state;
    memset(request + 2, 'x', 2047 - 24 - 8);
    assert_ask(one, WRITE, request, "OK|");
    strcat(request, "x");
    assert_ask(one, WRITE, request, "ENOSPC|");
    memcpy(request, "n|", 2);
    assert_ask(one, WRITE, request, "ENOSPC|");
    assert_ask(one, READ, "n|", "ENOENT|");
    assert_ask(one, SET_PERMS, "v|n1|r2|", "ENOSPC|");
    assert_ask(one, SET_PERMS, "v|n1|r2|r3|r4|r5|r6|", "ENOSPC|");
    memcpy(request, "/big|", 5);
    assert_ask(tools, WRITE, request, "OK|"); /* tools have no limits */
}

static void limit_watches_and_transactions(void **state)
{
    char request[32];

    (void)state;
    for (unsigned i = 0; i <= 128; i++) {
        snprintf(request, sizeof(request), "w%u|t|", i);
        assert_ask(one, WATCH, request, "OK|");
        events(one);
    }
    assert_ask(one, WATCH, "more|t|", "E2BIG|");
    assert_ask(two, WATCH, "more|t|", "OK|");
    for (unsigned i = 0; i <= 10; i++) {
        assert_int_not_equal(start(one), 0);
    }
    assert_ask(one, TRANSACTION_START, "|", "ENOSPC|");
    assert_ask(one, RESET_WATCHES, "|", "OK|");
    assert_int_not_equal(start(one), 0);
    assert_ask(one, WATCH, "more|t|", "OK|");
}

static void limit_transaction_nodes(void **state)
{
    uint32_t t = start(one);
    char request[32];
    const char *reply = "";

    (void)state;
    for (unsigned i = 0; i < 2000 && strcmp(reply, "ENOSPC|") != 0; i++) {
        snprintf(request, sizeof(request), "x%u|", i);
        reply = ask_in(one, t, XS_READ, request);
    }
    assert_string_equal(reply, "ENOSPC|");
    assert_string_equal(ask_in(one, t, XS_TRANSACTION_END, "T|"), "ENOMEM|");
}

static void limit_events(void **state)
{
    struct store_usage usage;
    char path[64];

    (void)state;
    assert_ask(one, WATCH, "/local/domain/1|t|", "OK|");
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(path, sizeof(path), "/local/domain/1/n%u", i);
        assert_int_equal(store_mkdir(store, path), 0);
        assert_int_equal(store_remove(store, path), 0);
    }
    assert_true(store_get_usage(store, 1, &usage));
    assert_true(usage.memory < 5 * 512 * 1024); /* events beyond are lost */
    assert_ask(two, WRITE, "x|1", "OK|");
    while (*events(one)) {
    }
    assert_ask(one, WRITE, "x|1", "OK|"); /* and all is well when it has read them */
}

static void limit_outstanding(void **state)
{
    struct xsd_sockmsg header = {XS_DIRECTORY, 0, 0, 15};
    unsigned sent = 0;
    struct answer answer;

    (void)state;
    while (store_client_input(one, &header, sizeof(header)) == sizeof(header)) {
        assert_int_equal(store_client_input(one, "/local/domain/1", 15), 15);
        assert_true(++sent < 100);
    }
    assert_int_equal(sent, 20);
    assert_true(receive(one, &answer));
    assert_int_equal(store_client_input(one, &header, sizeof(header)), sizeof(header));
    assert_ask(two, WRITE, "x|1", "OK|");
}

static void too_long_a_request(void **state)
{
    struct xsd_sockmsg header = {XS_READ, 0, 0, XENSTORE_PAYLOAD_MAX + 1};

    (void)state;
    assert_int_equal(store_client_input(one, &header, sizeof(header)), -EPROTO);
    assert_int_equal(store_client_input(one, "x", 1), -EPROTO);
    assert_ask(two, WRITE, "x|1", "OK|");
}

/* ------------------------------------------------------------------ the owner */

static char called[256];

static void call(void *context, const char *path)
{
    snprintf(called + strlen(called), sizeof(called) - strlen(called), "%s%s;", (const char *)context, path);
    store_write(store, "/from/callback", "1", 1);
}

static struct store_watch *own;

static void call_once(void *context, const char *path)
{
    call(context, path);
    store_unwatch(store, own);
}

static void own_watches(void **state)
{
    struct store_watch *watch = store_watch(store, "/o", call, "a:", NULL);
    int error = 0;

    (void)state;
    called[0] = '\0';
    own = store_watch(store, "/o/x", call_once, "b:", &error);
    assert_int_equal(error, 0);
    assert_string_equal(called, ""); /* only from store_dispatch */
    while (store_dispatch(store)) {
    }
    assert_string_equal(called, "a:/o;b:/o/x;");
    called[0] = '\0';
    assert_ask(tools, WRITE, "/o/x|1", "OK|");
    assert_ask(tools, WRITE, "/o/x|2", "OK|");
    while (store_dispatch(store)) {
    }
    assert_string_equal(called, "a:/o/x;");
    assert_ask(tools, WRITE, "/o/x|3", "OK|");
    store_unwatch(store, watch); /* with an event that waits */
    called[0] = '\0';
    while (store_dispatch(store)) {
    }
    assert_string_equal(called, "");
    assert_null(store_watch(store, "/o/", call, NULL, &error));
    assert_int_equal(error, -EINVAL);
}

static void own_access(void **state)
{
    struct store_permission list[4];
    size_t length;

    (void)state;
    assert_null(store_read(store, "/x", NULL));
    assert_int_equal(store_printf(store, "/x/y", "%d-%s", 5, "z"), 0);
    assert_string_equal(store_read(store, "/x/y", &length), "5-z");
    assert_int_equal(length, 3);
    assert_string_equal(store_read(store, "/x", &length), "");
    assert_memory_equal(store_list(store, "/x", &length), "y", 2);
    assert_int_equal(length, 2);
    assert_int_equal(store_get_permissions(store, "/local/domain/1", list, 4), 1);
    assert_int_equal(list[0].domid, 1);
    assert_int_equal(store_write(store, "x", "", 0), -EINVAL);
    assert_int_equal(store_remove(store, "/none/x"), -ENOENT);
}

/* ------------------------------------------------------------------ cost */

static void make_domain(unsigned domid)
{
    static const char *const names[] = {
        "vm",
        "name",
        "domid",
        "memory/target",
        "memory/static-max",
        "memory/videoram",
        "console/ring-ref",
        "console/port",
        "console/limit",
        "console/type",
        "store/ring-ref",
        "store/port",
        "control/shutdown",
        "control/platform-feature-multiprocessor-suspend",
        "control/feature-poweroff",
        "control/feature-reboot",
        "cpu/0/availability",
        "device/suspend/event-channel",
    };
    struct store_permission guest[] = {{0, STORE_NONE}, {(uint16_t)domid, STORE_READ}};
    char path[128];

    snprintf(path, sizeof(path), "/local/domain/%u", domid);
    assert_int_equal(store_mkdir(store, path), 0);
    assert_int_equal(store_set_permissions(store, path, guest, 2), 0);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "/local/domain/%u/%s", domid, names[i]);
        assert_int_equal(store_write(store, path, "value", 5), 0);
    }
}

static void cost_is_flat(void **state)
{
    uint64_t first = 0, most = 0, nodes = store_node_count(store);

    (void)state;
    for (unsigned domid = 3; domid < 403; domid++) {
        uint64_t before = store_steps(store);
        make_domain(domid);
        first = domid == 3 ? store_steps(store) - before : first;
        most = store_steps(store) - before > most ? store_steps(store) - before : most;
    }
    assert_true(store_node_count(store) >= nodes + 400 * 25);
    /* Hash chains of about one entry: a few steps a node, however many nodes there are. */
    assert_true(most < 200);
    assert_true(first < 200);
    for (unsigned domid = 3; domid < 403; domid++) {
        char path[32];
        snprintf(path, sizeof(path), "/local/domain/%u", domid);
        assert_int_equal(store_remove(store, path), 0);
        store_release(store, (uint16_t)domid, false);
    }
    assert_int_equal(store_node_count(store), nodes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(transactions),
        TEST(conflicts),
        TEST(remove_what_has_gone),
        TEST(transaction_events),
        TEST(limit_nodes),
        TEST(limit_sizes),
        TEST(limit_watches_and_transactions),
        TEST(limit_transaction_nodes),
        TEST(limit_events),
        TEST(limit_outstanding),
        TEST(too_long_a_request),
        TEST(own_watches),
        TEST(own_access),
        TEST(cost_is_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
