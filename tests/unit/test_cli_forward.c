/* SPDX-License-Identifier: MIT */
/* Forwarded ports (toolstack/lib/forward.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "toolstack/lib/forward.h"

static void what_is_one(void **state)
{
    struct forward f;

    (void)state;
    assert_true(forward_parse("8080:80", &f));
    assert_string_equal(f.address, "127.0.0.1");
    assert_int_equal(f.host, 8080);
    assert_int_equal(f.guest, 80);
    assert_false(f.udp);
    assert_true(forward_parse("0.0.0.0:53:5353/udp", &f));
    assert_string_equal(f.address, "0.0.0.0");
    assert_true(f.udp);
    assert_true(forward_parse("1:65535/tcp", &f));
    assert_false(f.udp);
}

static void what_is_none(void **state)
{
    static const char *const texts[] = {"",
                                        "80",
                                        ":80",
                                        "80:",
                                        "0:80",
                                        "80:0",
                                        "65536:1",
                                        "1:65536",
                                        "80:80x",
                                        "80:80/",
                                        "80:80/ip",
                                        "-1:80",
                                        "a:1:2",
                                        "1.2.3:1:2",
                                        "1.2.3.4.5:1:2",
                                        ":1:2",
                                        "1:2:3:4",
                                        " 80:80",
                                        "127.0.0.1,x=y:1:2",
                                        "80: 80",
                                        "80:80,hostfwd=tcp::1-:2"};
    struct forward f;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (forward_parse(texts[i], &f)) {
            fail_msg("\"%s\" should be refused", texts[i]);
        }
    }
}

static void a_port_in_use_is_seen(void **state)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof(place);
    struct forward f = {.address = "127.0.0.1", .guest = 80};

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&place, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&place, &size), 0);
    f.host = ntohs(place.sin_port);
    assert_int_equal(forward_check(&f), -1);
    close(fd);
    assert_int_equal(forward_check(&f), 0);
}

static void arguments_of_qemu(void **state)
{
    struct network_request network = {.model = "e1000", .nr_forwards = 2};
    struct qemu_args arguments = {0};

    (void)state;
    forward_parse("8080:80", &network.forwards[0]);
    forward_parse("0.0.0.0:53:5353/udp", &network.forwards[1]);
    forward_add(&arguments, &network);
    assert_int_equal(arguments.count, 4);
    assert_string_equal(arguments.argv[1],
                        "user,id=net,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:0.0.0.0:53-:5353");
    assert_string_equal(arguments.argv[3], "e1000,netdev=net");
    qemu_args_free(&arguments);
    network.model = NULL;
    forward_add(&arguments, &network);
    assert_int_equal(arguments.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_one),
        cmocka_unit_test(what_is_none),
        cmocka_unit_test(a_port_in_use_is_seen),
        cmocka_unit_test(arguments_of_qemu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
