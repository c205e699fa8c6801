/* SPDX-License-Identifier: MIT */
/*
 * An ordinary domain that was given a device, QEMU's educational one: driver GSI FRAME, where FRAME is the
 * first of its registers. Says what it may use and what not, and ends with its interrupt standing and bound.
 */
#include <stdio.h>
#include <stdlib.h>
#include "coracle/clock.h"
#include "coracle/event.h"
#include "coracle/foreign.h"
#include "coracle/mem.h"
#include "coracle/sync.h"
#include "pvboot/hypercall.h"
#include <xen/physdev.h>

#define DEBUG_PORT 0xe9 /* reads as its own number where there is one */
#define RAISE      0x60
#define ACK        0x64

static struct cor_sem came;

static void interrupted(uint32_t port, void *argument)
{
    (void)port;
    (void)argument;
    cor_sem_post(&came);
}

static unsigned in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static volatile uint32_t *map(uint64_t frame)
{
    return cor_foreign_map(DOMID_IO, &frame, 1, COR_PROT_READ | COR_PROT_WRITE);
}

static long bind(uint32_t gsi, struct evtchn_bind_pirq *op)
{
    *op = (struct evtchn_bind_pirq){.pirq = gsi};
    return hypercall_event_channel_op(EVTCHNOP_bind_pirq, op);
}

int main(int argc, char **argv)
{
    struct physdev_set_iopl iopl = {.iopl = 1};
    struct physdev_map_pirq self = {.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI};
    uint32_t gsi = (uint32_t)atoi(argc > 2 ? argv[1] : "0");
    uint64_t frame = strtoull(argc > 2 ? argv[2] : "0", NULL, 16);
    struct physdev_eoi eoi = {.irq = gsi};
    struct evtchn_bind_pirq op, other;
    volatile uint32_t *registers;
    unsigned heard = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    hypercall_physdev_op(PHYSDEVOP_set_iopl, &iopl);
    printf("ports %02x %02x %02x\n", in8(DEBUG_PORT), in8(DEBUG_PORT + 1), in8(0xcfc));
    registers = map(frame);
    printf("frames %s, the next %s\n", registers ? "mapped" : "refused",
           map(frame + 1) ? "mapped" : "refused");
    self.index = self.pirq = (int)gsi + 1;
    printf("mapping %ld, binding another %ld, binding %ld\n", hypercall_physdev_op(PHYSDEVOP_map_pirq, &self),
           bind(gsi + 1, &other), bind(gsi, &op));
    if (registers && op.port && cor_event_attach(op.port, interrupted, NULL) == 0) {
        for (unsigned i = 0; i < 5; i++) {
            registers[RAISE / 4] = 1;
            heard += cor_sem_wait(&came, cor_monotonic_ns() + 200000000000ull) == 0;
            registers[ACK / 4] = ~0u;
            hypercall_physdev_op(PHYSDEVOP_eoi, &eoi);
        }
        registers[RAISE / 4] = 1;
        (void)cor_sem_wait(&came, cor_monotonic_ns() + 200000000000ull);
    }
    printf("heard %u of 5\n", heard);
    return 0;
}
