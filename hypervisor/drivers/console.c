/* SPDX-License-Identifier: MIT */
/*
 * Who writes and reads which serial line. Two sources of output, the hypervisor's lines and the initial
 * domain's bytes, each have a line (or none); they may share one. All output goes through a ring first, which
 * is printed from its start when the options name the lines.
 */
#include "hypervisor/drivers/uart16550.h"
#include <xen/xen.h>
#include "hypervisor/include/console.h"
#include "hypervisor/include/debug_key.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/spinlock.h"
#include "hypervisor/include/string.h"

#define RING_SIZE 16384u
#define RX_SIZE   4096u
#define CTRL_A    1

static struct spinlock lock = SPINLOCK(LOCK_CONSOLE);
static struct uart com[2];
static struct uart *own, *guest; /* lines of the hypervisor and of the initial domain; NULL: none */
static bool guest_raw;
static bool started;

static char ring[RING_SIZE] HIDDEN;
static uint32_t ring_end, ring_cleared; /* bytes ever written; where readers begin */

/* Received for the initial domain. */
static char rx[RX_SIZE] HIDDEN;
static uint32_t rx_in, rx_out;
static bool rx_paused; /* rx is full: the rest waits in the port */

/* The switch by three Ctrl-A. */
static unsigned ctrl_a_seen;
static bool keys_to_us;

static void ring_put(const char *bytes, size_t n)
{
    struct hidden_look look;
    char *shown = ring + hidden_open(&look);

    for (size_t i = 0; i < n;) {
        uint32_t at = ring_end % RING_SIZE;
        size_t part = MIN(n - i, (size_t)(RING_SIZE - at));

        memcpy(shown + at, bytes + i, part);
        ring_end += (uint32_t)part;
        i += part;
    }
    hidden_close(&look);
}

static void send(struct uart *u, const char *bytes, size_t n, bool crlf)
{
    for (size_t i = 0; i < n; i++) {
        if (crlf && bytes[i] == '\n') {
            uart_put(u, '\r');
        }
        uart_put(u, bytes[i]);
    }
}

static bool shared_line(void)
{
    return own && own == guest;
}

static void send_line(const char *line, size_t n)
{
    if (!own) {
        return;
    }
    if (!own->line_start) {
        send(own, "\n", 1, shared_line());
    }
    send(own, line, n, shared_line());
}

void console_write_line(const char *line, size_t n)
{
    spin_lock(&lock);
    ring_put(line, n);
    send_line(line, n);
    spin_unlock(&lock);
}

void console_write_guest(const char *bytes, size_t n)
{
    spin_lock(&lock);
    ring_put(bytes, n);
    if (guest) {
        send(guest, bytes, n, shared_line() && !guest_raw);
    }
    spin_unlock(&lock);
}

void console_emergency(const char *bytes, size_t n)
{
    send_line(bytes, n); /* nobody will read the ring */
}

size_t console_ring_read(uint32_t *index, char *out, size_t n, bool clear)
{
    struct hidden_look look;
    size_t done = 0;
    uint32_t first;
    const char *shown;

    spin_lock(&lock);
    shown = ring + hidden_open(&look);
    first = ring_end - MIN(ring_end - ring_cleared, RING_SIZE);
    if (*index - first > ring_end - first) {
        *index = first;
    }
    while (done < n && *index != ring_end) {
        out[done++] = shown[(*index)++ % RING_SIZE];
    }
    hidden_close(&look);
    if (clear) {
        ring_cleared = *index;
    }
    spin_unlock(&lock);
    return done;
}

/* One line by its option's name; *raw: a ",raw" follows. */
static bool find_line(const char *name, struct uart **line, bool *raw)
{
    size_t n = strnlen(name, 4);

    *raw = strcmp(name + n, ",raw") == 0;
    if (n != 4 || (name[4] && !*raw)) {
        return false;
    }
    if (strncmp(name, "none", 4) == 0) {
        *line = NULL;
        return true;
    }
    if (strncmp(name, "com", 3) != 0 || (name[3] != '1' && name[3] != '2')) {
        return false;
    }
    *line = &com[name[3] - '1'];
    return true;
}

static void init_port(struct uart *u, unsigned number, const char *spec, uint16_t port, unsigned irq)
{
    bool malformed;

    if (u != own && u != guest) {
        u->present = false;
        return;
    }
    if (uart_init(u, spec, port, irq, &malformed)) {
        return;
    }
    if (malformed) {
        log_warn("option com%u: expected BAUD,8n1[,PORT[,IRQ]], found '%s': 115200,8n1 is used", number,
                 spec);
        uart_init(u, "115200,8n1", port, irq, &malformed);
    }
    if (!u->present) {
        log_warn("com%u: expected a 16550 at port 0x%x, found none", number, u->port);
    }
}

void console_init(void)
{
    bool raw, bad_own, bad_guest;
    uint32_t early = ring_end;

    bad_own = !find_line(options.console, &own, &raw);
    if (bad_own) {
        own = &com[0];
    }
    guest = own;
    bad_guest = options.guest_console[0] && !find_line(options.guest_console, &guest, &guest_raw);
    init_port(&com[0], 1, options.com1, 0x3f8, 4);
    init_port(&com[1], 2, options.com2, 0x2f8, 3);
    if (!started) {
        started = true;
        for (uint32_t at = early > RING_SIZE ? early - RING_SIZE : 0; own && at != early; at++) {
            send(own, &ring[at % RING_SIZE], 1, shared_line());
        }
    }
    if (bad_own) {
        log_warn("option console: expected com1, com2 or none, found '%s': com1 is used", options.console);
    }
    if (bad_guest) {
        log_warn(
            "option guest_console: expected com1, com2 or none, with ,raw if wanted, found '%s': ignored",
            options.guest_console);
    }
}

/* Is this byte, from the hypervisor's line, for the hypervisor? Takes it, if so. */
static bool take_key(char c)
{
    const char *line;

    if (!shared_line()) {
        debug_key_push(c);
        return true;
    }
    if (guest_raw) {
        return false;
    }
    ctrl_a_seen = c == CTRL_A ? ctrl_a_seen + 1 : 0;
    if (ctrl_a_seen == 3) {
        ctrl_a_seen = 0;
        keys_to_us = !keys_to_us;
        line = keys_to_us ? "(coracle) input to the hypervisor: h for help, Ctrl-A three times to go back\n"
                          : "(coracle) input to the initial domain\n";
        send_line(line, strlen(line));
        return true;
    }
    if (keys_to_us && c != CTRL_A) {
        debug_key_push(c);
    }
    return keys_to_us;
}

/* Moves what a port received to where it belongs. Under the lock. Returns whether the domain got something.
 */
static bool drain(struct uart *u)
{
    struct hidden_look look;
    char *shown = rx + hidden_open(&look);
    bool any = false;
    int c = 0;

    while (u != guest || rx_in - rx_out < RX_SIZE) {
        c = uart_get(u);
        if (c < 0) {
            break;
        }
        if (u == own && take_key((char)c)) {
            continue;
        }
        if (u == guest) {
            shown[rx_in++ % RX_SIZE] = (char)c;
            any = true;
        }
    }
    hidden_close(&look);
    if (c >= 0) {
        rx_paused = true;
        uart_irq(u, false);
    }
    return any;
}

static void received(void *data)
{
    bool any;

    spin_lock(&lock);
    any = drain(data);
    spin_unlock(&lock);
    if (any && initial_domain) {
        event_send_global_virq(initial_domain, VIRQ_CONSOLE);
    }
}

size_t console_read_guest(char *bytes, size_t n)
{
    struct hidden_look look;
    size_t done = 0;
    const char *shown;

    spin_lock(&lock);
    shown = rx + hidden_open(&look);
    while (done < n && rx_in != rx_out) {
        bytes[done++] = shown[rx_out++ % RX_SIZE];
    }
    hidden_close(&look);
    if (rx_paused && rx_in - rx_out < RX_SIZE / 2) {
        rx_paused = false;
        uart_irq(guest, true);
        drain(guest);
    }
    spin_unlock(&lock);
    return done;
}

void console_init_irq(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(com); i++) {
        int rc;

        if (!com[i].present) {
            continue;
        }
        rc = irq_bind(com[i].irq, received, &com[i]);
        if (rc) {
            log_warn("com%u: no interrupt %u (error %d): input is not read", i + 1, com[i].irq, rc);
            continue;
        }
        uart_irq(&com[i], true);
        /* An edge that came before the line was routed is lost: look once. */
        received(&com[i]);
    }
}
