/* SPDX-License-Identifier: MIT */
/*
 * A 16550 as a line (uart.h). Each port access is emulated by the hypervisor, so bytes go in runs: at the
 * receiver's trigger level the FIFO holds at least RECEIVE_TRIGGER bytes, and an empty transmitter takes
 * FIFO_SIZE, each with one string instruction.
 *
 * ISA interrupts are edges: one that comes is looked at until the UART says that nothing is pending.
 */
#include "toolstack/device/line.h"
#include <errno.h>
#include <stdint.h>
#include "toolstack/control/xc.h"
#include "pvboot/hypercall.h"
#include "toolstack/control/loop.h"
#include <xen/physdev.h>

#define BASE 0x2f8
#define IRQ  3

#define REG_DATA    0 /* with DLAB: divisor, low */
#define REG_IER     1 /* with DLAB: divisor, high */
#define REG_IIR     2 /* read */
#define REG_FCR     2 /* written */
#define REG_LCR     3
#define REG_MCR     4
#define REG_LSR     5
#define REG_MSR     6
#define REG_SCRATCH 7

#define IER_RECEIVE  0x01
#define IER_TRANSMIT 0x02
#define IER_MODEM    0x08
#define IIR_NONE     0x01
#define IIR_MASK     0x0f
#define IIR_MODEM    0x00
#define IIR_TRANSMIT 0x02
#define IIR_RECEIVE  0x04
#define IIR_LINE     0x06
#define IIR_TIMEOUT  0x0c
#define FCR_SETUP    0xc7 /* on, both reset, trigger level 14 */
#define LCR_8N1      0x03
#define LCR_DLAB     0x80
#define MCR_ON       0x0b /* DTR, RTS, and OUT2, which gates the interrupt line */
#define LSR_RECEIVED 0x01
#define LSR_EMPTY    0x20 /* transmitter FIFO */

#define FIFO_SIZE       16u
#define RECEIVE_TRIGGER 14u
#define ROUNDS          64u /* causes handled before others have their turn */

static struct {
    const struct line_ops *ops;
    struct loop_port port;
    uint32_t pirq;
    uint8_t ier;
} uart;

static void out(unsigned reg, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"((uint16_t)(BASE + reg)));
}

static uint8_t in(unsigned reg)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"((uint16_t)(BASE + reg)));
    return value;
}

static void out_run(const void *data, size_t length)
{
    __asm__ volatile("rep outsb" : "+S"(data), "+c"(length) : "d"((uint16_t)(BASE + REG_DATA)) : "memory");
}

static void in_run(void *data, size_t length)
{
    __asm__ volatile("rep insb" : "+D"(data), "+c"(length) : "d"((uint16_t)(BASE + REG_DATA)) : "memory");
}

/* Which interrupts the UART may raise. */
static void enable(uint8_t bits)
{
    if (uart.ier != bits) {
        uart.ier = bits;
        out(REG_IER, bits);
    }
}

static void receive_run(void)
{
    uint8_t bytes[RECEIVE_TRIGGER];

    in_run(bytes, sizeof(bytes));
    uart.ops->received(bytes, sizeof(bytes));
}

static void receive_rest(void)
{
    uint8_t bytes[FIFO_SIZE];
    size_t count = 0;

    while (count < sizeof(bytes) && in(REG_LSR)&LSR_RECEIVED) {
        bytes[count++] = in(REG_DATA);
    }
    uart.ops->received(bytes, count);
}

/* The transmitter is empty: fills it, or has it say nothing until there is something. */
static void transmit(void)
{
    uint8_t bytes[FIFO_SIZE];
    size_t count = uart.ops->fetch(bytes, sizeof(bytes));

    if (count) {
        out_run(bytes, count);
        enable(IER_RECEIVE | IER_TRANSMIT);
    } else {
        enable(IER_RECEIVE);
    }
}

/* Handles one cause; false: there is none. */
static bool handle_cause(void)
{
    switch (in(REG_IIR)&IIR_MASK) {
    case IIR_RECEIVE:
        receive_run();
        return true;
    case IIR_TIMEOUT:
        receive_rest();
        return true;
    case IIR_TRANSMIT:
        transmit();
        return true;
    case IIR_LINE:
        (void)in(REG_LSR);
        return true;
    case IIR_MODEM:
        (void)in(REG_MSR);
        return true;
    default:
        return false;
    }
}

static void interrupt(struct loop_task *task)
{
    struct physdev_eoi eoi = {.irq = uart.pirq};
    unsigned rounds = 0;

    while (handle_cause()) {
        if (++rounds == ROUNDS) {
            loop_post(task);
            return;
        }
    }
    hypercall_physdev_op(PHYSDEVOP_eoi, &eoi);
}

static void serial_kick(void)
{
    if (uart.ops && !(uart.ier & IER_TRANSMIT) && in(REG_LSR)&LSR_EMPTY) {
        transmit();
    } else if (uart.ops) {
        enable(IER_RECEIVE | IER_TRANSMIT);
    }
}

/* Is there a UART? One that is not there reads as ones, and keeps nothing. */
static bool present(void)
{
    out(REG_SCRATCH, 0x5a);
    if (in(REG_SCRATCH) != 0x5a) {
        return false;
    }
    out(REG_SCRATCH, 0xa5);
    return in(REG_SCRATCH) == 0xa5;
}

static void setup(void)
{
    out(REG_IER, 0);
    out(REG_LCR, LCR_DLAB);
    out(REG_DATA, 1); /* 115,200 baud */
    out(REG_IER, 0);
    out(REG_LCR, LCR_8N1);
    out(REG_FCR, FCR_SETUP);
    out(REG_MCR, MCR_ON);
    (void)in(REG_LSR);
    (void)in(REG_MSR);
}

/* The line's interrupt as an event. 0 or a negative errno. */
static int bind_interrupt(void)
{
    struct physdev_map_pirq map = {.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = IRQ, .pirq = IRQ};
    struct physdev_setup_gsi gsi = {.gsi = IRQ}; /* edge, active high */
    struct evtchn_bind_pirq bind = {.flags = 0};
    long error;

    error = hypercall_physdev_op(PHYSDEVOP_setup_gsi, &gsi);
    if (error && error != -XEN_EEXIST) {
        return (int)xc_error(error);
    }
    error = hypercall_physdev_op(PHYSDEVOP_map_pirq, &map);
    if (error) {
        return (int)xc_error(error);
    }
    uart.pirq = bind.pirq = (uint32_t)map.pirq;
    error = hypercall_event_channel_op(EVTCHNOP_bind_pirq, &bind);
    if (error) {
        return (int)xc_error(error);
    }
    uart.port.task.run = interrupt;
    return loop_port_attach(&uart.port, bind.port);
}

static int serial_open(const struct line_ops *ops)
{
    struct physdev_set_iopl iopl = {.iopl = 1};
    int error;

    hypercall_physdev_op(PHYSDEVOP_set_iopl, &iopl);
    if (!present()) {
        return -ENODEV;
    }
    setup();
    error = bind_interrupt();
    if (error) {
        return error;
    }
    uart.ops = ops;
    enable(IER_RECEIVE | IER_TRANSMIT);
    loop_post(&uart.port.task); /* what came before the interrupt was there */
    return 0;
}

const struct line serial_line = {"serial line COM2", serial_open, serial_kick};
