/* SPDX-License-Identifier: MIT */
#include "hypervisor/drivers/uart16550.h"
#include "hypervisor/include/ioport.h"
#include "hypervisor/include/string.h"

/* Registers, and their bits as far as used. */
#define REG_DATA    0 /* with DLAB: divisor, low */
#define REG_IER     1 /* with DLAB: divisor, high */
#define REG_FCR     2
#define REG_LCR     3
#define REG_MCR     4
#define REG_LSR     5
#define REG_SCRATCH 7

#define IER_RECEIVE   0x01
#define FCR_ENABLE    0x01
#define FCR_RESET     0x06
#define FCR_TRIGGER_8 0x80
#define LCR_DLAB      0x80
#define MCR_READY     0x03 /* DTR, RTS */
#define MCR_OUT2      0x08 /* gates the interrupt line on PCs */
#define LSR_RECEIVED  0x01
#define LSR_SENT      0x20
#define IIR_FIFO      0xc0
#define CLOCK_HZ      115200  /* after the fixed division by 16 */
#define SEND_TRIES    1000000 /* port reads of about a microsecond: 16 bytes even at 300 baud */

static bool number(const char **p, unsigned base, unsigned long *out)
{
    const char *start = *p;
    unsigned long n = 0;

    for (;; ++*p) {
        unsigned lower = (unsigned char)**p | 0x20;
        unsigned digit = **p >= '0' && **p <= '9'       ? (unsigned)(**p - '0')
                         : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                        : 16;

        if (digit >= base || n > 0xfffffff) {
            break;
        }
        n = n * base + digit;
    }
    *out = n;
    return *p != start;
}

struct settings {
    unsigned long baud, port, irq;
    uint8_t lcr;
};

/* "8n1" and its relatives: data bits, parity, stop bits. */
static bool parse_frame(const char **p, uint8_t *lcr)
{
    const char *s = *p, *parity;
    static const char parities[] = "noems"; /* LCR bits 5..3: 0 none, 1 odd, 3 even, 5 mark, 7 space */

    if (s[0] < '5' || s[0] > '8' || !(parity = strchr(parities, s[1])) || !*parity ||
        (s[2] != '1' && s[2] != '2')) {
        return false;
    }
    *lcr = (uint8_t)((s[0] - '5') | (s[2] == '2' ? 4 : 0));
    if (parity != parities) {
        *lcr |= (uint8_t)(8 * (2 * (parity - parities) - 1));
    }
    *p += 3;
    return true;
}

static bool parse_spec(const char *s, struct settings *out)
{
    if (!number(&s, 10, &out->baud) || out->baud == 0 || out->baud > CLOCK_HZ ||
        CLOCK_HZ / out->baud > 0xffff) {
        return false;
    }
    if (*s == ',' && (s++, !parse_frame(&s, &out->lcr))) {
        return false;
    }
    if (*s == ',') {
        s += strncmp(s, ",0x", 3) == 0 ? 3 : 1;
        if (!number(&s, 16, &out->port) || out->port == 0 || out->port > 0xfff8) {
            return false;
        }
    }
    if (*s == ',' && (s++, !number(&s, 10, &out->irq) || out->irq > 255)) {
        return false;
    }
    return *s == 0;
}

bool uart_init(struct uart *u, const char *spec, uint16_t port, unsigned irq, bool *malformed)
{
    struct settings set = {.port = port, .irq = irq, .lcr = 3};
    bool pending;

    *u = (struct uart){.line_start = true};
    *malformed = !parse_spec(spec, &set);
    if (*malformed) {
        return false;
    }
    u->port = port = (uint16_t)set.port;
    u->irq = (unsigned)set.irq;
    outb(port + REG_SCRATCH, 0x5a);
    if (inb(port + REG_SCRATCH) != 0x5a || inb(port + REG_LSR) == 0xff) {
        return false;
    }
    outb(port + REG_IER, 0);
    outb(port + REG_LCR, (uint8_t)(set.lcr | LCR_DLAB));
    outb(port + REG_DATA, (uint8_t)(CLOCK_HZ / set.baud));
    outb(port + REG_IER, (uint8_t)(CLOCK_HZ / set.baud >> 8));
    outb(port + REG_LCR, set.lcr);
    outb(port + REG_MCR, MCR_READY | MCR_OUT2);
    /* Turning the FIFO on throws away a byte that waits already, the first of a program's input: then go
     * without. */
    pending = inb(port + REG_LSR) & LSR_RECEIVED;
    u->fifo = 1;
    if (!pending) {
        outb(port + REG_FCR, FCR_ENABLE | FCR_RESET | FCR_TRIGGER_8);
        u->fifo = (inb(port + REG_FCR) & IIR_FIFO) == IIR_FIFO ? 16 : 1;
    }
    u->present = true;
    return true;
}

void uart_put(struct uart *u, char c)
{
    if (!u->present) {
        return;
    }
    u->line_start = c == '\n';
    if (!u->room) {
        unsigned tries = u->stuck ? 1 : SEND_TRIES;

        while (!(inb(u->port + REG_LSR) & LSR_SENT)) {
            if (!--tries) {
                u->stuck = true;
                return;
            }
        }
        u->stuck = false;
        u->room = u->fifo;
    }
    outb(u->port + REG_DATA, (uint8_t)c);
    u->room--;
}

int uart_get(struct uart *u)
{
    uint8_t status = u->present ? inb(u->port + REG_LSR) : 0;

    /* All ones: the port is gone (a serial card that was pulled, a virtual one that was unplugged). */
    if (status == 0xff || !(status & LSR_RECEIVED)) {
        return -1;
    }
    return inb(u->port + REG_DATA);
}

void uart_irq(struct uart *u, bool on)
{
    if (u->present) {
        outb(u->port + REG_IER, on ? IER_RECEIVE : 0);
    }
}
