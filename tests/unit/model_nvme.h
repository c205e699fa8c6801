/* SPDX-License-Identifier: MIT */
/* A model of an NVMe controller with one namespace (NVM Express 1.4) that reads, and nothing else. */
#ifndef TESTS_UNIT_MODEL_NVME_H
#define TESTS_UNIT_MODEL_NVME_H

#include "tests/unit/device_world.h"

struct nvme_sqe {
    uint32_t head, nsid;
    uint64_t reserved, metadata, prp1, prp2;
    uint32_t dw[6];
};

static struct {
    uint32_t cc, csts, asq, acq;
    struct {
        uint32_t sq, cq, depth, head, tail, done, phase; /* done: the next completion's place */
    } queue[2];
} nvme;

static uint32_t nvme_read(int bar, unsigned where, unsigned size)
{
    assert_true(bar == 0 && size == 4);
    switch (where) {
    case 0x00:
        return 63 | 1u << 24; /* 64 entries; half a second */
    case 0x1c:
        return nvme.csts;
    default:
        return 0;
    }
}

static void nvme_identify(const struct nvme_sqe *c)
{
    uint8_t *data = (uint8_t *)(uintptr_t)c->prp1; // NOLINT

    memset(data, 0, 4096);
    if (c->dw[0] == 1) {
        data[516] = 1; /* namespaces */
        data[525] = 1; /* a cache */
    } else {
        data[1] = 0x10; /* 4096 blocks */
        data[128 + 2] = 9;
    }
}

static void nvme_carry_out(unsigned q, const struct nvme_sqe *c)
{
    uint32_t *done;

    if (q == 1) {
        memset((void *)(uintptr_t)c->prp1, 0x5a, 4096); // NOLINT
    } else if ((c->head & 0xff) == 6) {
        nvme_identify(c);
    } else if ((c->head & 0xff) == 5) {
        nvme.queue[1].cq = (uint32_t)c->prp1;
        nvme.queue[1].depth = (c->dw[0] >> 16) + 1;
        nvme.queue[1].phase = 1;
    } else if ((c->head & 0xff) == 1) {
        nvme.queue[1].sq = (uint32_t)c->prp1;
    }
    done = (uint32_t *)(uintptr_t)nvme.queue[q].cq + nvme.queue[q].done * 4u; // NOLINT
    done[3] = c->head >> 16 | nvme.queue[q].phase << 16;
    nvme.queue[q].done = (nvme.queue[q].done + 1) % nvme.queue[q].depth;
    nvme.queue[q].phase ^= nvme.queue[q].done == 0;
}

static void nvme_run(unsigned q)
{
    while ((nvme.csts & 1) && nvme.queue[q].head != nvme.queue[q].tail) {
        const struct nvme_sqe *all = (const struct nvme_sqe *)(uintptr_t)nvme.queue[q].sq; // NOLINT

        assert_true(mastering);
        nvme_carry_out(q, &all[nvme.queue[q].head]);
        nvme.queue[q].head = (nvme.queue[q].head + 1) % nvme.queue[q].depth;
    }
}

static void nvme_tick(void)
{
    nvme_run(1);
}

static void nvme_write(int bar, unsigned where, unsigned size, uint32_t value)
{
    assert_true(bar == 0 && size == 4);
    switch (where) {
    case 0x14:
        memset(nvme.queue, 0, sizeof(nvme.queue));
        nvme.queue[0].sq = nvme.asq;
        nvme.queue[0].cq = nvme.acq;
        nvme.queue[0].depth = 64;
        nvme.queue[0].phase = 1;
        nvme.csts = value & 1;
        break;
    case 0x28:
        nvme.asq = value;
        break;
    case 0x30:
        nvme.acq = value;
        break;
    case 0x1000:
        nvme.queue[0].tail = value;
        nvme_run(0);
        break;
    case 0x1008:
        nvme.queue[1].tail = value;
        break;
    default:
        break;
    }
}

static void nvme_begin(void)
{
    static const struct device_model of = {
        .read = nvme_read,
        .write = nvme_write,
        .pci = {.vendor = 0x1b36, .device = 0x0010, .class = 0x010802, .line = 11},
        .bars = {{.address = 0xfebe0000, .size = 0x4000}}};

    memset(&nvme, 0, sizeof(nvme));
    world_begin(&of);
}

#endif
