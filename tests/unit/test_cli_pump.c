/* SPDX-License-Identifier: MIT */
/* The loop between the tool's streams and QEMU; a child process plays QEMU with the real sockets. */
#include "toolstack/lib/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define OUTPUT_SIZE (2 * 1024 * 1024)

/* What a play needs and yields. The test sets the first group. */
struct play {
    void (*qemu)(int com1, int com2); /* runs in the child, which then exits with 0 */
    const char *input;
    size_t input_length;
    enum machine_input mode;
    bool xen;
    unsigned timeout;
    int output_fd; /* 0: a file that fills output; else stdout itself */

    struct machine_result result;
    struct machine_log log;
    char *output;
    size_t output_length;
};

/* Connects descriptor fd to from and returns a copy of what it was. */
static int redirect(int from, int fd)
{
    int saved = dup(fd);

    assert_true(saved >= 0 && dup2(from, fd) == fd);
    return saved;
}

static void restore(int saved, int fd)
{
    assert_true(dup2(saved, fd) == fd);
    close(saved);
}

/* A descriptor from which the input can be read. */
static int make_input(const struct play *play)
{
    int fd = memfd_create("input", 0);

    assert_true(fd >= 0);
    if (play->input_length != 0)
        assert_int_equal(write(fd, play->input, play->input_length), play->input_length);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void run_pump(struct play *play, struct pump *pump)
{
    int input = make_input(play);
    int output = play->output_fd != 0 ? play->output_fd : memfd_create("output", 0);
    int saved_in, saved_out;
    ssize_t length;

    fflush(stdout);
    saved_in = redirect(input, STDIN_FILENO);
    saved_out = redirect(output, STDOUT_FILENO);
    pump_run(pump, &play->result);
    restore(saved_in, STDIN_FILENO);
    restore(saved_out, STDOUT_FILENO);
    close(input);
    play->output = malloc(OUTPUT_SIZE);
    length = pread(output, play->output, OUTPUT_SIZE, 0);
    play->output_length = length > 0 ? (size_t)length : 0;
    close(output);
    free(play->result.tail.text);
    machine_log_free(&play->log);
}

/* Plays one scene; the caller frees play->output. */
static void perform(struct play *play)
{
    int com1[2], com2[2], errors[2];
    sigset_t before;
    struct pump pump;
    pid_t child;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, com1), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, com2), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, errors), 0);
    play->log.input_safe = true;
    pump_block_signals(&before);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(com1[0]);
        close(com2[0]);
        close(errors[0]);
        play->qemu(com1[1], com2[1]);
        _exit(0);
    }
    close(com1[1]);
    close(com2[1]);
    close(errors[1]);
    pump = (struct pump){
        .qemu = child,
        .com1 = com1[0],
        .com2 = com2[0],
        .errors = errors[0],
        .xen = play->xen,
        .input = play->mode,
        .timeout = play->timeout,
        .log = &play->log,
    };
    run_pump(play, &pump);
    close(com1[0]);
    close(com2[0]);
    close(errors[0]);
    pump_restore_signals(&before);
    /* The pump has collected the child. */
    assert_int_equal(waitpid(child, NULL, 0), -1);
    assert_int_equal(errno, ECHILD);
}

static void send_all(int fd, const char *bytes, size_t length)
{
    while (length != 0) {
        ssize_t count = write(fd, bytes, length);

        if (count <= 0)
            _exit(9);
        bytes += count;
        length -= (size_t)count;
    }
}

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

static void qemu_exits(int com1, int com2)
{
    static const char last[] = "tus 42\r\n(coracle) d0: the initial domain has ended: poweroff";

    send_all(com1, "a\0b\r\n\x04\xff", 7);
    send_all(com2, "(coracle) d0: exit sta", 22);
    send_all(com2, last, sizeof(last) - 1);
}

static void test_output_and_status(void **state)
{
    struct play play = {.qemu = qemu_exits};

    (void)state;
    perform(&play);
    assert_int_equal(play.output_length, 7);
    assert_memory_equal(play.output, "a\0b\r\n\x04\xff", 7);
    assert_true(play.log.has_status);
    assert_int_equal(play.log.status, 42);
    assert_int_equal(play.log.end, END_SHUTDOWN);
    assert_int_equal(play.result.qemu_status, 0);
    free(play.output);
}

static void qemu_echoes(int com1, int com2)
{
    char byte, before = 0;

    (void)com2;
    while (read(com1, &byte, 1) == 1) {
        send_all(com1, &byte, 1);
        if (byte == 0x04 && before != 0x16)
            break;
        before = byte;
    }
}

static void test_input_is_quoted(void **state)
{
    struct play play = {.qemu = qemu_echoes, .mode = INPUT_QUOTED, .input = "x\x04y\n", .input_length = 4};

    (void)state;
    perform(&play);
    assert_int_equal(play.output_length, 6);
    assert_memory_equal(play.output, "x\x16\x04y\n\x04", 6);
    free(play.output);
}

static void qemu_floods(int com1, int com2)
{
    static char block[4096];

    for (unsigned i = 0; i < 256; i++) {
        memset(block, 'a' + (int)(i % 26), sizeof(block));
        send_all(com1, block, sizeof(block));
        send_all(com2, "(coracle) line\n", 15);
    }
}

static void test_much_output(void **state)
{
    struct play play = {.qemu = qemu_floods};

    (void)state;
    perform(&play);
    assert_int_equal(play.output_length, 256 * 4096);
    for (size_t i = 0; i < play.output_length; i++)
        if (play.output[i] != (char)('a' + (int)(i / 4096 % 26)))
            fail();
    free(play.output);
}

static void qemu_hangs(int com1, int com2)
{
    (void)com1;
    (void)com2;
    wait_for_ever();
}

static void test_timeout(void **state)
{
    struct play play = {.qemu = qemu_hangs, .timeout = 1};

    (void)state;
    perform(&play);
    assert_true(play.result.timed_out);
    free(play.output);
}

static void qemu_signals(int com1, int com2)
{
    (void)com1;
    (void)com2;
    kill(getppid(), SIGTERM);
    wait_for_ever();
}

static void test_signal(void **state)
{
    struct play play = {.qemu = qemu_signals};

    (void)state;
    perform(&play);
    assert_int_equal(play.result.signal, SIGTERM);
    free(play.output);
}

static void qemu_prints_and_hangs(int com1, int com2)
{
    (void)com2;
    send_all(com1, "text", 4);
    wait_for_ever();
}

static void test_output_pipe_closed(void **state)
{
    struct play play = {.qemu = qemu_prints_and_hangs};
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    play.output_fd = ends[1];
    perform(&play);
    assert_true(play.result.output_lost);
    free(play.output);
}

static void xen_halts(int com1, int com2)
{
    static const char text[] =
        "(XEN) Freed 1kB init memory\r\nhello\r\n(XEN) Hardware Dom0 halted: halting machine\r\n";

    (void)com2;
    send_all(com1, text, sizeof(text) - 1);
    wait_for_ever();
}

static void test_xen_that_halts_is_ended(void **state)
{
    struct play play = {.qemu = xen_halts, .xen = true};

    (void)state;
    perform(&play);
    assert_int_equal(play.output_length, 6);
    assert_memory_equal(play.output, "hello\n", 6);
    assert_int_equal(play.log.end, END_SHUTDOWN);
    free(play.output);
}

static void xen_reports_status(int com1, int com2)
{
    static const char text[] = "(XEN) Freed 1kB init memory\r\nhi\r\ncoracle: exit status 5\r\n";

    (void)com2;
    send_all(com1, text, sizeof(text) - 1);
}

static void test_xen_status(void **state)
{
    struct play play = {.qemu = xen_reports_status, .xen = true};

    (void)state;
    perform(&play);
    assert_int_equal(play.output_length, 3);
    assert_true(play.log.has_status);
    assert_int_equal(play.log.status, 5);
    free(play.output);
}

static void qemu_user_ends(int com1, int com2)
{
    (void)com2;
    (void)com1;
    wait_for_ever();
}

static void test_command_key(void **state)
{
    struct play play = {
        .qemu = qemu_user_ends, .mode = INPUT_TERMINAL, .input = "ab\x01x", .input_length = 4};

    (void)state;
    perform(&play);
    assert_int_equal(play.result.signal, SIGINT);
    free(play.output);
}

static void qemu_fails(int com1, int com2)
{
    (void)com1;
    (void)com2;
    _exit(1);
}

static void test_qemu_fails(void **state)
{
    struct play play = {.qemu = qemu_fails};

    (void)state;
    perform(&play);
    assert_int_equal(play.result.qemu_status, 1);
    assert_false(play.log.has_status);
    free(play.output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_status),
        cmocka_unit_test(test_input_is_quoted),
        cmocka_unit_test(test_much_output),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_output_pipe_closed),
        cmocka_unit_test(test_xen_that_halts_is_ended),
        cmocka_unit_test(test_xen_status),
        cmocka_unit_test(test_command_key),
        cmocka_unit_test(test_qemu_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
