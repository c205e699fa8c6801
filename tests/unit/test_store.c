/* SPDX-License-Identifier: MIT */
/*
 * The store through the protocol: nodes, permissions, watches. Expectations are those of Xen's
 * docs/misc/xenstore.txt; system/store asks xenstored itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/store_client.h"

/* ------------------------------------------------------------------ nodes */

static void values(void **state)
{
    (void)state;
    assert_ask(tools, READ, "/a|", "ENOENT|");
    assert_ask(tools, WRITE, "/a/b/c|value", "OK|");
    assert_ask(tools, READ, "/a/b/c|", "value");
    assert_ask(tools, READ, "/a/b|", ""); /* what is missing above is made, empty */
    assert_ask(tools, WRITE, "/a/b/c|", "OK|");
    assert_ask(tools, READ, "/a/b/c|", "");
    assert_ask(tools, WRITE, "/a/b/c|x|y|", "OK|"); /* any bytes */
    assert_ask(tools, READ, "/a/b/c|", "x|y|");
    assert_ask(tools, WRITE, "/a/b/c|a long value instead of the short one", "OK|");
    assert_ask(tools, READ, "/a/b/c|", "a long value instead of the short one");
    assert_ask(tools, MKDIR, "/a/b/c|", "OK|"); /* exists: the value stays */
    assert_ask(tools, READ, "/a/b/c|", "a long value instead of the short one");
    assert_ask(one, WRITE, "x/y|relative", "OK|");
    assert_ask(tools, READ, "/local/domain/1/x/y|", "relative");
}

static void children(void **state)
{
    (void)state;
    assert_ask(tools, MKDIR, "/d/zoo|", "OK|");
    assert_ask(tools, MKDIR, "/d/ant|", "OK|");
    assert_ask(tools, MKDIR, "/d/zo|", "OK|");
    assert_ask(tools, DIRECTORY, "/d|", "zoo|ant|zo|");
    assert_ask(tools, RM, "/d/zo|", "OK|"); /* not zoo */
    assert_ask(tools, DIRECTORY, "/d|", "zoo|ant|");
    assert_ask(tools, RM, "/d/zoo|", "OK|");
    assert_ask(tools, MKDIR, "/d/zoo|", "OK|");
    assert_ask(tools, DIRECTORY, "/d|", "ant|zoo|");
    assert_ask(tools, DIRECTORY, "/d/ant|", "");
    assert_ask(tools, DIRECTORY, "/e|", "ENOENT|");
}

static void removing(void **state)
{
    uint64_t before = store_node_count(store);

    (void)state;
    assert_ask(tools, WRITE, "/r/a/b/c|1", "OK|");
    assert_ask(tools, WRITE, "/r/a/d|1", "OK|");
    assert_int_equal(store_node_count(store), before + 5);
    assert_ask(tools, RM, "/r/a|", "OK|");
    assert_ask(tools, READ, "/r/a/b/c|", "ENOENT|");
    assert_ask(tools, DIRECTORY, "/r|", "");
    assert_ask(tools, RM, "/r/a|", "OK|");       /* gone, but its parent is there */
    assert_ask(tools, RM, "/r/a/b|", "ENOENT|"); /* its parent is not */
    assert_ask(tools, RM, "/|", "EINVAL|");
    assert_ask(tools, RM, "/r|", "OK|");
    assert_int_equal(store_node_count(store), before);
}

static void bad_paths(void **state)
{
    static const char *const bad[] = {"",      "/a/",  "//", "/a//b", "/a b", "/a\tb",
                                      "/\xe9", "/a.b", "@a", "a/",    "/a:"};
    char request[80], longest[4000];

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(request, sizeof(request), "%s|", bad[i]);
        assert_ask(tools, READ, request, "EINVAL|");
        assert_ask(tools, MKDIR, request, "EINVAL|");
        assert_ask(tools, DIRECTORY, request, "EINVAL|");
        assert_ask(tools, WRITE, request, "EINVAL|");
    }
    assert_ask(tools, READ, "/a", "EINVAL|");    /* no zero byte */
    assert_ask(tools, READ, "/a|b|", "EINVAL|"); /* one too many */
    assert_ask(tools, READ, "", "EINVAL|");
    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    longest[2048] = '|';
    longest[2049] = '\0';
    assert_ask(tools, MKDIR, longest, "OK|");
    longest[2048] = 'a';
    longest[2049] = '|';
    longest[2050] = '\0';
    assert_ask(tools, MKDIR, longest, "EINVAL|");
    longest[2049] = 'a';
    longest[2050] = '\0';
    snprintf(request, sizeof(request), "/local/domain/1/");
    memcpy(longest, request, strlen(request));
    longest[strlen(request) + 2048] = '|'; /* a domain's home does not count */
    longest[strlen(request) + 2049] = '\0';
    for (size_t i = 2050; i < strlen(request) + 2048; i++) {
        longest[i] = 'a';
    }
    assert_ask(tools, MKDIR, longest, "OK|");
}

static void directory_part(void **state)
{
    char path[64], all[8192] = "", name[64];
    size_t offset = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(path, sizeof(path), "/big/a-rather-long-name-for-a-node-to-have-in-a-%03u", i);
        assert_int_equal(store_mkdir(store, path), 0);
    }
    assert_ask(tools, DIRECTORY, "/big|", "E2BIG|");
    for (bool end = false; !end;) {
        const char *reply;
        snprintf(path, sizeof(path), "/big|%zu|", offset);
        reply = strchr(ask(tools, DIRECTORY_PART, path), '|') + 1; /* behind the generation */
        for (; *reply; reply = strchr(reply, '|') + 1) {
            end = *reply == '|';
            if (!end) {
                strncat(all, reply, strcspn(reply, "|") + 1);
            }
        }
        assert_true(end || strlen(all) > offset);
        offset = strlen(all);
    }
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "a-rather-long-name-for-a-node-to-have-in-a-%03u|", i);
        assert_memory_equal(all + i * strlen(name), name, strlen(name));
    }
    assert_ask(tools, DIRECTORY_PART, "/big|", "EINVAL|");
    assert_string_equal(strchr(ask(tools, DIRECTORY_PART, "/big|99999|"), '|'), "||");
}

/* ------------------------------------------------------------------ permissions */

static void rights(void **state)
{
    (void)state;
    assert_ask(tools, WRITE, "/secret/x|1", "OK|");
    assert_ask(one, READ, "/secret/x|", "EACCES|");
    assert_ask(one, READ, "/secret/nothing|", "EACCES|"); /* no hint whether it exists */
    assert_ask(one, WRITE, "/secret/x|2", "EACCES|");
    assert_ask(one, RM, "/secret/x|", "EACCES|");
    assert_ask(one, MKDIR, "/new|", "EACCES|");
    assert_ask(one, DIRECTORY, "/|", "EACCES|");
    assert_ask(one, GET_PERMS, "/secret/x|", "EACCES|");
    assert_ask(tools, SET_PERMS, "/secret/x|n0|r1|", "OK|");
    assert_ask(one, READ, "/secret/x|", "1");
    assert_ask(one, WRITE, "/secret/x|2", "EACCES|");
    assert_ask(two, READ, "/secret/x|", "EACCES|");
    assert_ask(tools, SET_PERMS, "/secret/x|n0|w1|b2|", "OK|");
    assert_ask(one, READ, "/secret/x|", "EACCES|");
    assert_ask(one, WRITE, "/secret/x|2", "OK|");
    assert_ask(two, READ, "/secret/x|", "2");
    assert_ask(two, WRITE, "/secret/x|3", "OK|");
    assert_ask(tools, SET_PERMS, "/secret/x|r0|n2|", "OK|");
    assert_ask(one, READ, "/secret/x|", "3"); /* the first entry is for all others */
    assert_ask(two, READ, "/secret/x|", "EACCES|");
    assert_ask(tools, GET_PERMS, "/secret/x|", "r0|n2|");
}

static void ownership(void **state)
{
    (void)state;
    assert_ask(one, WRITE, "own/x|1", "OK|");
    assert_ask(one, GET_PERMS, "own/x|", "n1|");
    assert_ask(two, READ, "/local/domain/1/own/x|", "EACCES|");
    assert_ask(one, SET_PERMS, "own/x|n1|b2|", "OK|");
    assert_ask(one, SET_PERMS, "own/x|n2|b1|", "EPERM|"); /* not the owner */
    assert_ask(two, SET_PERMS, "/local/domain/1/own/x|n1|b2|", "EACCES|");
    assert_ask(two, WRITE, "/local/domain/1/own/x/below|2", "OK|");
    assert_ask(tools, GET_PERMS, "/local/domain/1/own/x/below|",
               "n2|b2|"); /* inherited, but the maker owns it */
    assert_ask(tools, WRITE, "/local/domain/1/own/made|", "OK|");
    assert_ask(tools, GET_PERMS, "/local/domain/1/own/made|", "n1|"); /* tools give what they make */
    assert_ask(one, SET_PERMS, "own/x|", "EINVAL|");
    assert_ask(one, SET_PERMS, "own/x|q1|", "EINVAL|");
    assert_ask(one, SET_PERMS, "own/x|n|", "EINVAL|");
    assert_ask(one, SET_PERMS, "own/x|n1z|", "EINVAL|");
    assert_ask(one, SET_PERMS, "own/x|n1|r9|", "OK|"); /* nobody yet */
    assert_ask(one, SET_PERMS, "own/x|n9|", "ENOENT|");
    assert_ask(one, SET_PERMS, "own/none|n1|", "ENOENT|");
}

static void numbers_come_again(void **state)
{
    struct store_client *five = store_client_new(store, 5, false, NULL);

    (void)state;
    assert_ask(tools, WRITE, "/for5|x", "OK|");
    assert_ask(tools, SET_PERMS, "/for5|n0|r5|", "OK|");
    assert_ask(tools, MKDIR, "/of5|", "OK|");
    assert_ask(tools, SET_PERMS, "/of5|n5|", "OK|");
    assert_ask(five, WRITE, "/of5/a/b|1", "OK|");
    assert_ask(five, READ, "/for5|", "x");
    store_client_free(five);
    assert_int_equal(store_release(store, 5, false), 0);
    assert_ask(tools, READ, "/of5|", "ENOENT|");
    five = store_client_new(store, 5, false, NULL); /* another domain 5 */
    assert_ask(five, READ, "/for5|", "EACCES|");
    assert_ask(tools, SET_PERMS, "/for5|n0|r5|", "OK|");
    assert_ask(five, READ, "/for5|", "x");
    assert_ask(tools, MKDIR, "/of5|", "OK|");
    assert_ask(tools, SET_PERMS, "/of5|n5|", "OK|");
    store_client_free(five);
    assert_int_equal(store_release(store, 5, true), 0);
    assert_ask(tools, GET_PERMS, "/of5|", "n0|");
    assert_int_equal(store_release(store, 77, true), -ENOENT);
    assert_int_equal(store_release(store, 0, true), -EINVAL);
}

static void privileged_requests(void **state)
{
    (void)state;
    assert_ask(one, CONTROL, "check|", "EACCES|");
    assert_ask(one, INTRODUCE, "3|1|1|", "EACCES|");
    assert_ask(one, RELEASE, "2|", "EACCES|");
    assert_ask(one, IS_DOMAIN_INTRODUCED, "2|", "EACCES|");
    assert_ask(one, RESUME, "2|", "EACCES|");
    assert_ask(one, SET_TARGET, "1|2|", "EACCES|");
    assert_ask(one, GET_DOMAIN_PATH, "2|", "/local/domain/2|");
    assert_ask(tools, CONTROL, "check|", "EINVAL|");
    assert_ask(tools, INTRODUCE, "3|1|1|", "ENOSYS|");
    assert_ask(tools, IS_DOMAIN_INTRODUCED, "2|", "F|");
    assert_ask(tools, IS_DOMAIN_INTRODUCED, "32752|", "T|");
    assert_ask(tools, RELEASE, "2|", "ENOENT|");
    assert_string_equal(ask_in(tools, 0, XS_WATCH_EVENT, "/a|b|"), "ENOSYS|");
    assert_string_equal(ask_in(tools, 0, XS_ERROR, "/a|b|"), "ENOSYS|");
    assert_string_equal(ask_in(tools, 0, XS_RESET_WATCHES - 1, "|"), "ENOSYS|");
    assert_string_equal(ask_in(tools, 0, XS_TYPE_COUNT, "|"), "ENOSYS|");
}

/* ------------------------------------------------------------------ watches */

static void watching(void **state)
{
    (void)state;
    assert_ask(tools, WATCH, "/w|token|", "OK|");
    assert_string_equal(events(tools), "/w token;"); /* once at the beginning */
    assert_ask(tools, WATCH, "/w|token|", "EEXIST|");
    assert_ask(tools, WATCH, "/w/deep|second|", "OK|");
    events(tools);
    assert_int_equal(store_write(store, "/w", "1", 1), 0);
    assert_string_equal(events(tools), "/w token;");
    assert_int_equal(store_write(store, "/w/deep/er", "1", 1), 0);
    assert_string_equal(events(tools), "/w/deep/er token;/w/deep/er second;");
    assert_int_equal(store_write(store, "/wx", "1", 1), 0);
    assert_string_equal(events(tools), "");
    assert_ask(one, READ, "/w|", "EACCES|"); /* nothing changes */
    assert_int_equal(store_mkdir(store, "/w"), 0);
    assert_string_equal(events(tools), "");
    assert_int_equal(store_set_permissions(store, "/w", (struct store_permission[]){{0, STORE_READ}}, 1), 0);
    assert_string_equal(events(tools), "/w token;");
    assert_int_equal(store_remove(store, "/w"), 0); /* below the removed node: only exact ones */
    assert_string_equal(events(tools), "/w/deep second;/w token;");
    assert_ask(tools, UNWATCH, "/w|tok|", "ENOENT|");
    assert_ask(tools, UNWATCH, "/w|token|", "OK|");
    assert_int_equal(store_write(store, "/w/deep", "1", 1), 0);
    assert_string_equal(events(tools), "/w/deep second;");
    assert_ask(tools, RESET_WATCHES, "|", "OK|");
    assert_int_equal(store_write(store, "/w/deep", "1", 1), 0);
    assert_string_equal(events(tools), "");
    assert_ask(tools, WATCH, "/w|", "EINVAL|");
    assert_ask(tools, WATCH, "/w|a|b|", "EINVAL|");
}

static void watching_order_and_root(void **state)
{
    (void)state;
    assert_ask(tools, WATCH, "/|all|", "OK|");
    assert_ask(tools, WATCH, "/q/r|low|", "OK|");
    assert_ask(tools, WATCH, "/q|mid|", "OK|");
    assert_string_equal(events(tools), "/ all;/q/r low;/q mid;");
    assert_int_equal(store_write(store, "/q/r", "1", 1), 0);
    assert_string_equal(events(tools), "/q/r all;/q/r low;/q/r mid;"); /* as they were set */
    assert_int_equal(store_write(store, "/q/r", "1", 1), 0);
    assert_int_equal(store_write(store, "/q/r", "2", 1), 0); /* an equal event waits already */
    assert_string_equal(events(tools), "/q/r all;/q/r low;/q/r mid;");
}

static void relative_watches(void **state)
{
    (void)state;
    assert_ask(one, WATCH, "device|t|", "OK|");
    assert_ask(one, WATCH, "/local/domain/1/device|u|", "OK|");
    assert_string_equal(events(one), "device t;/local/domain/1/device u;");
    assert_int_equal(store_write(store, "/local/domain/1/device/vif/0", "1", 1), 0);
    assert_string_equal(events(one), "device/vif/0 t;/local/domain/1/device/vif/0 u;");
    assert_ask(one, UNWATCH, "/local/domain/1/device|t|", "OK|"); /* the same path */
}

static void watches_need_rights(void **state)
{
    (void)state;
    assert_ask(one, WATCH, "/hidden|t|", "OK|");
    assert_ask(one, WATCH, "/local/domain/2|t|", "OK|");
    assert_ask(one, WATCH, "@introduceDomain|t|", "OK|");
    events(one);
    assert_int_equal(store_write(store, "/hidden/x", "1", 1), 0);
    assert_ask(two, WRITE, "own|1", "OK|");
    assert_string_equal(events(one), "");
    assert_int_equal(store_set_permissions(store, "/hidden/x",
                                           (struct store_permission[]){{0, STORE_NONE}, {1, STORE_READ}}, 2),
                     0);
    assert_string_equal(events(one), "/hidden/x t;");
    assert_int_equal(
        store_set_permissions(store, "/hidden/x", (struct store_permission[]){{0, STORE_NONE}}, 1), 0);
    assert_string_equal(events(one), "/hidden/x t;"); /* losing the right is heard, too */
    assert_int_equal(store_write(store, "/hidden/x", "2", 1), 0);
    assert_string_equal(events(one), "");
}

static void no_notify(void *context)
{
    (void)context;
}

static void special_watches(void **state)
{
    struct xenstore_domain_interface page = {0};

    (void)state;
    assert_ask(tools, WATCH, "@introduceDomain|in|", "OK|");
    assert_ask(tools, WATCH, "@releaseDomain|out|", "OK|");
    assert_ask(one, WATCH, "@releaseDomain|out|", "OK|");
    events(tools);
    events(one);
    assert_int_equal(store_introduce(store, 9, &page, no_notify, NULL), 0);
    assert_string_equal(events(tools), "@introduceDomain in;");
    assert_ask(tools, IS_DOMAIN_INTRODUCED, "9|", "T|");
    store_domain_shut_down(store, 9);
    assert_string_equal(events(tools), "@releaseDomain out;");
    assert_string_equal(events(one), "");
    assert_ask(one, SET_PERMS, "@releaseDomain|n0|r1|", "EACCES|");
    assert_ask(tools, SET_PERMS, "@nothing|n0|r1|", "EINVAL|");
    assert_ask(tools, SET_PERMS, "@releaseDomain|n0|r1|", "OK|");
    assert_int_equal(store_release(store, 9, false), 0);
    assert_string_equal(events(tools), "@releaseDomain out;");
    assert_string_equal(events(one), "@releaseDomain out;");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values),
        TEST(children),
        TEST(removing),
        TEST(bad_paths),
        TEST(directory_part),
        TEST(rights),
        TEST(ownership),
        TEST(numbers_come_again),
        TEST(privileged_requests),
        TEST(watching),
        TEST(watching_order_and_root),
        TEST(relative_watches),
        TEST(watches_need_rights),
        TEST(special_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
