/* SPDX-License-Identifier: MIT */
/* The relay between local sockets and a host's line, on a thread of its own; the test plays the host with the
 * same multiplexer. */
#include "toolstack/lib/relay.h"
#include "toolstack/link/mux.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#define DEADLINE_MS 20000
#define BULK        (1024 * 1024)

/* Both ends, and what the host has seen. */
struct world {
    struct watches watches;
    struct relay *relay;
    pthread_t thread;
    int line[2]; /* [0] the relay's, [1] the host's */
    int listener;
    struct sockaddr_un address;
    bool lost;

    struct mux *mux;
    struct mux_channel *channel; /* the last that was opened */
    unsigned nr_opened, nr_closed, nr_ended;
    bool echo, hoard, up; /* hoard: give no credit back */
    size_t received;
    char first[64];
    size_t to_send, sent; /* with nobody asking, from the channel's opening on */
};

static void host_send(void *user, const void *data, size_t length)
{
    struct world *world = user;

    /* A dead relay shows as a lost line in the test that wants it. */
    if (send(world->line[1], data, length, MSG_NOSIGNAL) != (ssize_t)length)
        world->lost = true;
}

static void send_bulk(struct world *world)
{
    static const char zeros[4096];
    size_t count = 1;

    while (world->sent < world->to_send && count != 0) {
        size_t left = world->to_send - world->sent;

        count = mux_send(world->channel, zeros, left < sizeof(zeros) ? left : sizeof(zeros));
        world->sent += count;
    }
}

static bool host_opened(void *user, struct mux_channel *channel)
{
    struct world *world = user;

    world->channel = channel;
    world->nr_opened++;
    send_bulk(world);
    return true;
}

static void host_data(void *user, struct mux_channel *channel, const void *data, size_t length)
{
    struct world *world = user;
    size_t room = sizeof(world->first) - 1 - (world->received < 63 ? world->received : 63);

    memcpy(world->first + sizeof(world->first) - 1 - room, data, length < room ? length : room);
    world->received += length;
    if (world->echo)
        assert_int_equal(mux_send(channel, data, length), length);
    if (!world->hoard)
        mux_consumed(channel, length);
}

static void host_ended(void *user, struct mux_channel *channel)
{
    (void)channel;
    ((struct world *)user)->nr_ended++;
}

static void host_writable(void *user, struct mux_channel *channel)
{
    (void)channel;
    send_bulk(user);
}

static void host_closed(void *user, struct mux_channel *channel)
{
    struct world *world = user;

    world->nr_closed++;
    if (world->channel == channel)
        world->channel = NULL;
}

static void host_up(void *user)
{
    ((struct world *)user)->up = true;
}

static const struct mux_ops host_ops = {
    .send = host_send,
    .opened = host_opened,
    .data = host_data,
    .ended = host_ended,
    .writable = host_writable,
    .closed = host_closed,
    .up = host_up,
};

static void line_lost(void *context)
{
    struct world *world = context;

    world->lost = true;
    world->watches.stop = true;
}

static void *serve(void *argument)
{
    struct world *world = argument;

    watches_run(&world->watches);
    relay_destroy(world->relay);
    return NULL;
}

static void begin(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->address.sun_family = AF_UNIX;
    /* A name that the kernel chooses, in no file system. */
    world->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(world->listener >= 0);
    assert_int_equal(bind(world->listener, (struct sockaddr *)&world->address, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(world->listener, 16), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, world->line), 0);
    fcntl(world->line[0], F_SETFL, O_NONBLOCK);
    assert_int_equal(watches_open(&world->watches), 0);
    world->relay = relay_create(&world->watches, world->line[0], world->listener, line_lost, world);
    assert_non_null(world->relay);
    assert_int_equal(pthread_create(&world->thread, NULL, serve, world), 0);
}

static void host_start(struct world *world)
{
    world->mux = mux_create(&host_ops, world, 4711);
    assert_non_null(world->mux);
}

static void finish(struct world *world)
{
    if (!world->lost)
        relay_stop(world->relay);
    pthread_join(world->thread, NULL);
    mux_destroy(world->mux);
    watches_close(&world->watches);
    close(world->line[0]);
    close(world->line[1]);
    close(world->listener);
}

/* The host takes what comes until *number is value; nothing else is waited for. */
static void host_until(struct world *world, const unsigned *number, unsigned value)
{
    char piece[4096];

    while (*number != value) {
        struct pollfd poller = {.fd = world->line[1], .events = POLLIN};

        if (poll(&poller, 1, DEADLINE_MS) != 1)
            fail_msg("nothing comes over the line");
        mux_receive(world->mux, piece, (size_t)read(world->line[1], piece, sizeof(piece)));
    }
}

/* The host takes what comes until it has had so many bytes of clients. */
static void host_receive(struct world *world, size_t bytes)
{
    while (world->received < bytes) {
        char piece[1];

        assert_int_equal(recv(world->line[1], piece, 1, 0), 1);
        mux_receive(world->mux, piece, 1);
    }
}

/* The host takes what comes until nothing has come for a while: to show that nothing does. */
static void host_quiet(struct world *world)
{
    struct pollfd poller = {.fd = world->line[1], .events = POLLIN};
    char piece[4096];

    while (poll(&poller, 1, 200) == 1)
        mux_receive(world->mux, piece, (size_t)read(world->line[1], piece, sizeof(piece)));
}

static int client(struct world *world)
{
    socklen_t length = sizeof(world->address);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_int_equal(getsockname(world->listener, (struct sockaddr *)&world->address, &length), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&world->address, length), 0);
    return fd;
}

/* Reads to the end; how many bytes came. */
static size_t read_all(int fd)
{
    static char piece[64 * 1024];
    size_t total = 0;
    ssize_t count;

    while ((count = read(fd, piece, sizeof(piece))) > 0)
        total += (size_t)count;
    assert_int_equal(count, 0);
    return total;
}

static void client_waits_until_the_line_is_up(void **state)
{
    struct world world;
    char answer[8] = {0};
    int fd;

    (void)state;
    begin(&world);
    world.echo = true;
    fd = client(&world);
    assert_int_equal(write(fd, "hello", 5), 5);
    assert_int_equal(send(world.line[1], "SeaBIOS\xc0\x7a\r\n", 11, 0), 11);
    host_start(&world);
    host_until(&world, &world.nr_opened, 1);
    host_receive(&world, 5);
    assert_string_equal(world.first, "hello");
    assert_int_equal(recv(fd, answer, 5, MSG_WAITALL), 5);
    assert_string_equal(answer, "hello");
    close(fd);
    host_until(&world, &world.nr_closed, 1);
    finish(&world);
}

static void each_direction_ends_by_itself(void **state)
{
    struct world world;
    char answer[8] = {0};
    int fd;

    (void)state;
    begin(&world);
    host_start(&world);
    fd = client(&world);
    assert_int_equal(write(fd, "question", 8), 8);
    shutdown(fd, SHUT_WR);
    host_until(&world, &world.nr_ended, 1);
    assert_int_equal(world.received, 8);
    assert_int_equal(mux_send(world.channel, "answer", 6), 6);
    mux_end(world.channel);
    assert_int_equal(recv(fd, answer, 6, MSG_WAITALL), 6);
    assert_string_equal(answer, "answer");
    assert_int_equal(read_all(fd), 0);
    assert_int_equal(world.nr_closed, 1);
    close(fd);
    finish(&world);
}

static void host_resets(void **state)
{
    struct world world;
    int fd;

    (void)state;
    begin(&world);
    host_start(&world);
    fd = client(&world);
    host_until(&world, &world.nr_opened, 1);
    mux_reset(world.channel);
    assert_int_equal(read_all(fd), 0);
    close(fd);
    finish(&world);
}

static void host_begins_anew(void **state)
{
    struct world world;
    int before, after;

    (void)state;
    begin(&world);
    host_start(&world);
    before = client(&world);
    host_until(&world, &world.nr_opened, 1);
    mux_destroy(world.mux);
    world.mux = mux_create(&host_ops, &world, 4712);
    assert_int_equal(read_all(before), 0);
    after = client(&world);
    host_until(&world, &world.nr_opened, 2);
    close(before);
    close(after);
    finish(&world);
}

/* A client that is gone while the host streams to it, and one that is gone while nothing happens. */
static void client_is_gone(void **state)
{
    struct world world;
    int fd;

    (void)state;
    begin(&world);
    world.to_send = BULK;
    host_start(&world);
    fd = client(&world);
    host_until(&world, &world.nr_opened, 1);
    close(fd);
    host_until(&world, &world.nr_closed, 1);
    assert_true(world.sent < BULK);
    fd = client(&world);
    host_until(&world, &world.nr_opened, 2);
    host_quiet(&world);
    close(fd);
    host_until(&world, &world.nr_closed, 2);
    finish(&world);
}

static void slow_client_holds_the_host_back(void **state)
{
    struct world world;
    int fd, size = 4096;

    (void)state;
    begin(&world);
    world.to_send = BULK;
    host_start(&world);
    fd = client(&world);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    host_until(&world, &world.nr_opened, 1);
    host_quiet(&world);
    assert_true(world.sent < BULK);
    for (size_t total = 0; total < BULK;) {
        char piece[4096];
        ssize_t count = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);

        if (count > 0) {
            total += (size_t)count;
        } else {
            struct pollfd polls[] = {{.fd = world.line[1], .events = POLLIN}, {.fd = fd, .events = POLLIN}};

            assert_true(poll(polls, 2, DEADLINE_MS) > 0);
            if (polls[0].revents != 0)
                mux_receive(world.mux, piece, (size_t)read(world.line[1], piece, sizeof(piece)));
        }
    }
    close(fd);
    finish(&world);
}

static void slow_host_holds_the_client_back(void **state)
{
    static const char zeros[BULK];
    struct world world;
    ssize_t taken, more;
    int fd;

    (void)state;
    begin(&world);
    world.hoard = true;
    host_start(&world);
    fd = client(&world);
    host_until(&world, &world.nr_opened, 1);
    taken = send(fd, zeros, BULK, MSG_DONTWAIT);
    assert_true(taken > 0);
    host_receive(&world, MUX_WINDOW);
    do {
        more = send(fd, zeros, BULK, MSG_DONTWAIT);
        host_quiet(&world);
    } while (more > 0);
    assert_int_equal(world.received, MUX_WINDOW);
    world.hoard = false;
    mux_consumed(world.channel, MUX_WINDOW);
    host_receive(&world, MUX_WINDOW + 1);
    close(fd);
    finish(&world);
}

static void line_ends(void **state)
{
    struct world world;
    int fd;

    (void)state;
    begin(&world);
    host_start(&world);
    fd = client(&world);
    host_until(&world, &world.nr_opened, 1);
    shutdown(world.line[1], SHUT_RDWR);
    assert_int_equal(read_all(fd), 0);
    assert_true(world.lost);
    close(fd);
    finish(&world);
}

static void many_at_once(void **state)
{
    enum { MANY = 200 };
    struct world world;
    int fds[MANY];

    (void)state;
    begin(&world);
    host_start(&world);
    for (unsigned i = 0; i < MANY; i++) {
        fds[i] = client(&world);
        host_until(&world, &world.nr_opened, i + 1);
    }
    for (unsigned i = 0; i < MANY; i++)
        close(fds[i]);
    host_until(&world, &world.nr_closed, MANY);
    finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_waits_until_the_line_is_up),
        cmocka_unit_test(each_direction_ends_by_itself),
        cmocka_unit_test(host_resets),
        cmocka_unit_test(host_begins_anew),
        cmocka_unit_test(client_is_gone),
        cmocka_unit_test(slow_client_holds_the_host_back),
        cmocka_unit_test(slow_host_holds_the_client_back),
        cmocka_unit_test(line_ends),
        cmocka_unit_test(many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
