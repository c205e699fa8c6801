/* SPDX-License-Identifier: MIT */
/*
 * What tests put around a driver of toolstack/device: one PCI device, whose registers are a model's, its
 * interrupt, memory that it reaches, a loop and a clock that the test moves. The device may vanish, at once
 * or before the N-th access to it: all it answers then are ones, in its configuration space too.
 */
#ifndef TESTS_UNIT_DEVICE_WORLD_H
#define TESTS_UNIT_DEVICE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "coracle/clock.h"
#include "coracle/mem.h"
#include "coracle/thread.h"
#include "toolstack/control/loop.h"
#include "toolstack/device/dma.h"
#include "toolstack/device/pci.h"
#include "toolstack/device/pirq.h"

#define BAR_STEP 0x1000000ull
#define BAR_BASE 0x7f0000000000ull /* nothing of ours is there: who touches it without mmio.h faults */

/* A model: where is a BAR's number with an offset in it, or -1 with a port. */
struct device_model {
    uint32_t (*read)(int bar, unsigned where, unsigned size);
    void (*write)(int bar, unsigned where, unsigned size, uint32_t value);
    struct pci_device pci;
    struct pci_bar bars[PCI_BARS];
};

static const struct device_model *model;
static uint8_t config[256];
static bool present;
static long vanish_after; /* accesses, from now on; negative: it stays */
static bool mastering;
static struct pirq *interrupt;
static uint64_t now;

static bool answers(void)
{
    if (vanish_after == 0)
        present = false;
    vanish_after -= vanish_after > 0;
    return present;
}

static uint32_t reg_read(int bar, unsigned where, unsigned size)
{
    return answers() ? model->read(bar, where, size) : ~0u;
}

static void reg_write(int bar, unsigned where, unsigned size, uint32_t value)
{
    if (answers())
        model->write(bar, where, size, value);
}

static uint32_t mmio_read(const volatile uint8_t *base, unsigned offset, unsigned size)
{
    uint64_t at = (uint64_t)(uintptr_t)base - BAR_BASE;

    assert_true(at / BAR_STEP < PCI_BARS && model->bars[at / BAR_STEP].size > at % BAR_STEP + offset);
    return reg_read((int)(at / BAR_STEP), (unsigned)(at % BAR_STEP) + offset, size);
}

static void mmio_write(const volatile uint8_t *base, unsigned offset, unsigned size, uint32_t value)
{
    uint64_t at = (uint64_t)(uintptr_t)base - BAR_BASE;

    assert_true(at / BAR_STEP < PCI_BARS && model->bars[at / BAR_STEP].size > at % BAR_STEP + offset);
    reg_write((int)(at / BAR_STEP), (unsigned)(at % BAR_STEP) + offset, size, value);
}

#define ACCESS(bits)                                                                                         \
    uint##bits##_t mmio_read##bits(const volatile uint8_t *base, unsigned offset)                            \
    {                                                                                                        \
        return (uint##bits##_t)mmio_read(base, offset, bits / 8);                                            \
    }                                                                                                        \
    void mmio_write##bits(const volatile uint8_t *base, unsigned offset, uint##bits##_t value)               \
    {                                                                                                        \
        mmio_write(base, offset, bits / 8, value);                                                           \
    }                                                                                                        \
    uint##bits##_t port_in##bits(uint16_t port)                                                              \
    {                                                                                                        \
        return (uint##bits##_t)reg_read(-1, port, bits / 8);                                                 \
    }                                                                                                        \
    void port_out##bits(uint16_t port, uint##bits##_t value)                                                 \
    {                                                                                                        \
        reg_write(-1, port, bits / 8, value);                                                                \
    }                                                                                                        \
    uint##bits##_t pci_read##bits(const struct pci_device *d, unsigned reg)                                  \
    {                                                                                                        \
        uint##bits##_t value = (uint##bits##_t) ~0u;                                                         \
                                                                                                             \
        (void)d;                                                                                             \
        if (present)                                                                                         \
            memcpy(&value, config + reg, sizeof(value));                                                     \
        return value;                                                                                        \
    }

ACCESS(8)
ACCESS(16)
ACCESS(32)

int port_init(void)
{
    return 0;
}

/* ---- PCI ---- */

const char *pci_name(const struct pci_device *d, char buffer[PCI_NAME])
{
    (void)d;
    return strcpy(buffer, "00:00.0");
}

bool pci_present(const struct pci_device *d)
{
    return pci_read16(d, 0) != 0xffff;
}

void pci_scan(void (*found)(const struct pci_device *device, void *argument), void *argument)
{
    found(&model->pci, argument);
}

unsigned pci_capability(const struct pci_device *d, unsigned id, unsigned previous)
{
    unsigned at = pci_read8(d, previous ? previous + 1 : 0x34);

    while (at && at != 0xff && pci_read8(d, at) != id)
        at = pci_read8(d, at + 1);
    return at == 0xff ? 0 : at;
}

void pci_enable(const struct pci_device *d, bool master)
{
    (void)d;
    mastering = master;
}

void pci_quiesce(const struct pci_device *d)
{
    (void)d;
    mastering = false;
}

struct pci_bar pci_bar(const struct pci_device *d, unsigned n)
{
    (void)d;
    return n < PCI_BARS && present ? model->bars[n] : (struct pci_bar){0};
}

static long mapped;

volatile void *pci_map(const struct pci_device *d, unsigned n, uint64_t offset, size_t length)
{
    struct pci_bar bar = pci_bar(d, n);

    if (bar.io || offset + length > bar.size)
        return NULL;
    mapped++;
    return (volatile void *)(uintptr_t)(BAR_BASE + n * BAR_STEP + offset);
}

void pci_unmap(volatile void *registers, size_t length)
{
    (void)length;
    mapped -= registers != NULL;
}

/* ---- its interrupt ---- */

int pirq_open_any(struct pirq *pirq, const struct pci_device *device)
{
    assert_null(interrupt);
    pirq->device = *device;
    pirq->kind = PIRQ_LINE;
    interrupt = pirq;
    return 0;
}

int pirq_open_line(struct pirq *pirq, const struct pci_device *device, unsigned gsi)
{
    (void)gsi;
    return pirq_open_any(pirq, device);
}

int pirq_open_msix(struct pirq *pirq, const struct pci_device *device, unsigned entry)
{
    (void)pirq, (void)device, (void)entry;
    return -ENOTSUP;
}

void pirq_close(struct pirq *pirq)
{
    if (pirq->kind != PIRQ_NONE)
        interrupt = NULL;
    pirq->kind = PIRQ_NONE;
}

void pirq_msix_off(const struct pci_device *device)
{
    (void)device;
}

void pirq_forget_device(const struct pci_device *device)
{
    (void)device;
    assert_null(interrupt);
}

unsigned pirq_msix_entries(const struct pci_device *device)
{
    (void)device;
    return 0;
}

/* ---- memory: below 4 GiB, its address is the device's ---- */

static long dma_blocks;

void *dma_alloc(size_t length, unsigned bits, uint64_t *machine)
{
    void *p = mmap(NULL, (length + 4095) & ~4095ul, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    assert_true(bits >= 32 && p != MAP_FAILED);
    dma_blocks++;
    *machine = (uint64_t)(uintptr_t)p;
    return p;
}

/* It is no more: a device that writes to it, or a driver that reads it, faults. */
void dma_free(void *memory, size_t length)
{
    if (memory) {
        dma_blocks--;
        munmap(memory, (length + 4095) & ~4095ul);
    }
}

uint64_t dma_address(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

/* ---- clock and loop ---- */

uint64_t cor_monotonic_ns(void)
{
    return now += 1000;
}

int cor_thread_sleep_until(uint64_t deadline)
{
    now = deadline > now ? deadline : now;
    return 0;
}

static struct loop_task *tasks;
static struct loop_timer *timers[8];

void loop_post(struct loop_task *task)
{
    struct loop_task **end = &tasks;

    if (task->queued)
        return;
    while (*end)
        end = &(*end)->next;
    task->next = NULL;
    task->queued = true;
    *end = task;
}

void loop_cancel(struct loop_task *task)
{
    struct loop_task **at = &tasks;

    while (*at && *at != task)
        at = &(*at)->next;
    if (*at)
        *at = task->next;
    task->queued = false;
}

void loop_timer_set(struct loop_timer *timer, uint64_t deadline)
{
    unsigned i = 0;

    loop_timer_stop(timer);
    while (timers[i])
        i++;
    assert_true(i < 8);
    timers[i] = timer;
    timer->timer.deadline = deadline;
}

void loop_timer_stop(struct loop_timer *timer)
{
    for (unsigned i = 0; i < 8; i++)
        timers[i] = timers[i] == timer ? NULL : timers[i];
    loop_cancel(&timer->task);
}

/* Runs what is due, and the timers of the next so many ns. */
static void run(uint64_t ns)
{
    uint64_t until = now + ns;

    for (;;) {
        struct loop_task *task = tasks;

        for (unsigned i = 0; !task && i < 8; i++) {
            struct loop_timer *timer = timers[i];

            if (timer && timer->timer.deadline <= until) {
                timers[i] = NULL;
                now = timer->timer.deadline > now ? timer->timer.deadline : now;
                task = &timer->task;
                loop_post(task);
            }
        }
        if (!task)
            break;
        loop_cancel(task);
        task->run(task);
    }
    now = until > now ? until : now;
}

/* An interrupt, if anybody wants it; then what is due. */
static void fire(void)
{
    if (interrupt)
        interrupt->handle(interrupt);
    run(0);
}

static void world_begin(const struct device_model *of)
{
    model = of;
    present = true;
    vanish_after = -1;
    memset(config, 0, sizeof(config));
    memcpy(config, &of->pci.vendor, 2);
    memcpy(config + 2, &of->pci.device, 2);
}

/* Nothing is held any more. */
static void world_check_empty(void)
{
    assert_null(interrupt);
    assert_int_equal(dma_blocks, 0);
    assert_int_equal(mapped, 0);
    assert_false(mastering);
    assert_null(tasks);
    for (unsigned i = 0; i < 8; i++)
        assert_null(timers[i]);
}

#endif
