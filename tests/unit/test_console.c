/* SPDX-License-Identifier: MIT */
/* Two played serial ports: who writes where, in which form, and who gets what is typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "hypervisor/include/console.h"
#include "hypervisor/include/debug_key.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/ioport.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/spinlock.h"

/* No guest's tables here: the data stays where it is. */
long hidden_open(struct hidden_look *look)
{
    look->guest = false;
    return 0;
}

void hidden_close(const struct hidden_look *look)
{
    assert_false(look->guest);
}

static struct port {
    bool present, busy;
    uint8_t scratch, lcr, ier, fcr;
    uint16_t divisor;
    char out[65536], in[8192];
    size_t out_n, in_at, in_n;
    irq_handler handler;
    void *data;
} port[2];

struct options options;
struct domain *initial_domain;
static unsigned virqs, warnings;
static char keys[64];
static struct domain domain;

static struct port *port_of(uint16_t address, unsigned *reg)
{
    *reg = address & 7;
    return (address & 0xfff8) == 0x3f8 ? &port[0] : (address & 0xfff8) == 0x2f8 ? &port[1] : NULL;
}

uint8_t inb(uint16_t address)
{
    unsigned reg;
    struct port *p = port_of(address, &reg);

    if (!p || !p->present) {
        return 0xff;
    }
    switch (reg) {
    case 0:
        return p->in_at < p->in_n ? (uint8_t)p->in[p->in_at++] : 0;
    case 2:
        return p->fcr & 1 ? 0xc1 : 1;
    case 5:
        return (uint8_t)((p->in_at < p->in_n ? 1 : 0) | (p->busy ? 0 : 0x20));
    case 7:
        return p->scratch;
    default:
        return 0;
    }
}

void outb(uint16_t address, uint8_t value)
{
    unsigned reg;
    struct port *p = port_of(address, &reg);

    assert_non_null(p);
    if (reg == 0 && p->lcr & 0x80) {
        p->divisor = (uint16_t)((p->divisor & 0xff00) | value);
    } else if (reg == 0) {
        assert_true(p->out_n < sizeof(p->out) - 1);
        p->out[p->out_n++] = (char)value;
        p->out[p->out_n] = 0;
    } else if (reg == 1 && p->lcr & 0x80) {
        p->divisor = (uint16_t)((p->divisor & 0xff) | value << 8);
    } else if (reg == 1) {
        p->ier = value;
    } else if (reg == 2) {
        p->fcr = value;
        if (value & 2) {
            p->in_at = p->in_n; /* as the chip does: what waits is lost */
        }
    } else if (reg == 3) {
        p->lcr = value;
    } else if (reg == 7) {
        p->scratch = value;
    }
}

int irq_bind(unsigned gsi, irq_handler fn, void *data)
{
    struct port *p = gsi == 4 ? &port[0] : &port[1];

    assert_true(gsi == 3 || gsi == 4);
    p->handler = fn;
    p->data = data;
    return 0;
}

void event_send_global_virq(struct domain *d, unsigned virq)
{
    assert_ptr_equal(d, &domain);
    assert_int_equal(virq, VIRQ_CONSOLE);
    virqs++;
}

void debug_key_push(char key)
{
    strncat(keys, &key, 1);
}

void spin_lock_wait(struct spinlock *lock, uint16_t ticket)
{
    (void)lock;
    (void)ticket;
    fail_msg("a lock was taken twice");
}

void log_print(enum log_level level, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
    warnings++;
}

static void start(const char *own, const char *guest)
{
    memset(port, 0, sizeof(port));
    port[0].present = port[1].present = true;
    memset(&options, 0, sizeof(options));
    strcpy(options.console, own);
    strcpy(options.guest_console, guest);
    strcpy(options.com1, "115200,8n1");
    strcpy(options.com2, "9600,7e2");
    warnings = virqs = 0;
    keys[0] = 0;
    initial_domain = &domain;
    console_init();
}

static void line(const char *s)
{
    console_write_line(s, strlen(s));
}

static void guest(const char *s)
{
    console_write_guest(s, strlen(s));
}

static void type(struct port *p, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p->in_at == p->in_n) {
            p->in_at = p->in_n = 0;
        }
        p->in[p->in_n++] = s[i];
    }
    if (p->ier & 1) {
        p->handler(p->data);
    }
}

/* Must run first: the console starts once. */
static void early_lines_are_kept_and_printed(void **state)
{
    (void)state;
    line("early\n");
    start("com1", "");
    assert_string_equal(port[0].out, "early\r\n");
    assert_int_equal(port[0].divisor, 1);
    assert_int_equal(port[0].lcr, 3);
    line("late\n");
    assert_string_equal(port[0].out, "early\r\nlate\r\n");
}

static void shared_line_has_crlf_and_whole_lines(void **state)
{
    (void)state;
    start("com1", "");
    guest("a\nb");
    line("(coracle) x\n");
    guest("c");
    assert_string_equal(port[0].out, "a\r\nb\r\n(coracle) x\r\nc");
    assert_int_equal(port[1].out_n, 0);
}

static void raw_leaves_the_guests_bytes(void **state)
{
    (void)state;
    start("com1", "com1,raw");
    guest("a\nb\r\n");
    line("x\n");
    assert_string_equal(port[0].out, "a\nb\r\nx\r\n");
}

static void separate_lines_are_unchanged(void **state)
{
    (void)state;
    start("com2", "com1");
    guest("a\nb");
    line("x\n");
    assert_string_equal(port[0].out, "a\nb");
    assert_string_equal(port[1].out, "x\n");
    assert_int_equal(port[1].divisor, 12);
    assert_int_equal(port[1].lcr, 2 | 4 | 0x18);
}

static void none_is_silent(void **state)
{
    (void)state;
    start("none", "com1");
    line("x\n");
    guest("y");
    assert_string_equal(port[0].out, "y");
    start("com1", "none");
    guest("y");
    assert_int_equal(port[0].out_n, 0);
    assert_int_equal(warnings, 0);
}

static void bad_options_fall_back(void **state)
{
    (void)state;
    start("vga", "com9");
    assert_int_equal(warnings, 2);
    line("x\n");
    assert_string_equal(port[0].out, "x\r\n");
    start("com1", "com1raw");
    assert_int_equal(warnings, 1);
    memset(port, 0, sizeof(port));
    port[0].present = true;
    strcpy(options.com1, "fast");
    options.guest_console[0] = 0;
    warnings = 0;
    console_init();
    assert_int_equal(warnings, 1);
    assert_int_equal(port[0].divisor, 1);
}

static void a_missing_or_stuck_port_costs_no_more_than_its_output(void **state)
{
    (void)state;
    start("com1", "");
    port[0].busy = true;
    line("a line that the port never takes\n");
    assert_int_equal(port[0].out_n, 0);
    port[0].busy = false;
    line("x\n");
    assert_non_null(strstr(port[0].out, "x\r\n"));
    memset(port, 0, sizeof(port));
    warnings = 0;
    console_init();
    assert_int_equal(warnings, 1);
    line("x\n");
}

static void input_reaches_the_guest(void **state)
{
    char got[16];
    (void)state;

    start("com2", "com1,raw");
    console_init_irq();
    type(&port[0], "ab\001\001\001c\0d", 8);
    assert_true(virqs > 0);
    assert_int_equal(console_read_guest(got, 3), 3);
    assert_int_equal(console_read_guest(got + 3, sizeof(got)), 5);
    assert_memory_equal(got, "ab\001\001\001c\0d", 8);
    assert_int_equal(console_read_guest(got, sizeof(got)), 0);
    type(&port[1], "h", 1);
    assert_string_equal(keys, "h");
}

static void input_before_the_port_is_set_up_is_not_lost(void **state)
{
    char got[16];
    (void)state;

    memset(port, 0, sizeof(port));
    port[0].present = true;
    strcpy(port[0].in, "first");
    port[0].in_n = 5;
    strcpy(options.console, "com1");
    options.guest_console[0] = 0;
    strcpy(options.com1, "115200,8n1");
    console_init();
    console_init_irq();
    assert_int_equal(console_read_guest(got, sizeof(got)), 5);
    assert_memory_equal(got, "first", 5);
}

static void a_full_buffer_holds_the_line(void **state)
{
    static char sent[6000], got[6000];
    size_t n = 0, part;
    (void)state;

    start("com2", "com1");
    console_init_irq();
    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = (char)(i % 251);
    }
    type(&port[0], sent, sizeof(sent));
    assert_int_equal(port[0].ier, 0);
    while ((part = console_read_guest(got + n, 100)) > 0) {
        n += part;
    }
    assert_int_equal(n, sizeof(sent));
    assert_memory_equal(got, sent, sizeof(sent));
    assert_int_equal(port[0].ier, 1);
}

static void three_ctrl_a_switch_the_input(void **state)
{
    char got[16];
    (void)state;

    start("com1", "");
    console_init_irq();
    type(&port[0], "a\001\001\001hq\001\001\001b", 10);
    assert_string_equal(keys, "hq");
    assert_int_equal(console_read_guest(got, sizeof(got)), 4);
    assert_memory_equal(got, "a\001\001b", 4);
    assert_non_null(strstr(port[0].out, "input to the hypervisor"));
    assert_non_null(strstr(port[0].out, "(coracle) input to the initial domain\r\n"));
}

static void ring_can_be_read_back(void **state)
{
    static char got[32768];
    uint32_t index = 0;
    size_t n;
    (void)state;

    start("none", "none");
    n = console_ring_read(&index, got, sizeof(got), true);
    assert_true(n > 0);
    line("one\n");
    guest("two");
    assert_int_equal(console_ring_read(&index, got, 3, false), 3);
    assert_memory_equal(got, "one", 3);
    index = 0;
    assert_int_equal(console_ring_read(&index, got, sizeof(got), false), 7);
    assert_memory_equal(got, "one\ntwo", 7);
    for (unsigned i = 0; i < 5000; i++) {
        guest("0123456789");
    }
    index = 0;
    assert_int_equal(console_ring_read(&index, got, sizeof(got), false), 16384);
    assert_memory_equal(got + 16384 - 10, "0123456789", 10);
    assert_int_equal(console_ring_read(&index, got, sizeof(got), false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early_lines_are_kept_and_printed),
        cmocka_unit_test(shared_line_has_crlf_and_whole_lines),
        cmocka_unit_test(raw_leaves_the_guests_bytes),
        cmocka_unit_test(separate_lines_are_unchanged),
        cmocka_unit_test(none_is_silent),
        cmocka_unit_test(bad_options_fall_back),
        cmocka_unit_test(a_missing_or_stuck_port_costs_no_more_than_its_output),
        cmocka_unit_test(input_reaches_the_guest),
        cmocka_unit_test(input_before_the_port_is_set_up_is_not_lost),
        cmocka_unit_test(a_full_buffer_holds_the_line),
        cmocka_unit_test(three_ctrl_a_switch_the_input),
        cmocka_unit_test(ring_can_be_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
