/* SPDX-License-Identifier: MIT */
/*
 * A pair of NVMe queues in memory (NVM Express 1.4, 4.1): commands in, completions out. Doorbells are
 * nvme.c's.
 */
#ifndef TOOLSTACK_DEVICE_NVME_QUEUE_H
#define TOOLSTACK_DEVICE_NVME_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct nvme_command {
    uint32_t head, nsid;
    uint64_t reserved, metadata, prp1, prp2;
    uint32_t dw10, dw11, dw12, dw13, dw14, dw15;
};
_Static_assert(sizeof(struct nvme_command) == 64, "NVMe 1.4, 4.2");

struct nvme_completion {
    uint32_t result, reserved, queue;
    uint32_t status; /* command's number; phase: bit 16; status: from 17 on */
};
_Static_assert(sizeof(struct nvme_completion) == 16, "NVMe 1.4, 4.6");

struct nvme_queue {
    unsigned number, depth, tail, head;
    unsigned phase;
    volatile struct nvme_command *submissions;
    volatile struct nvme_completion *completions;
    uint64_t submissions_address, completions_address;
};

/* 0 or -ENOMEM; nvme_queue_free() in either case. */
int nvme_queue_make(struct nvme_queue *q, unsigned number, unsigned depth);
void nvme_queue_free(struct nvme_queue *q);
/* There is room: the caller counts. */
void nvme_queue_submit(struct nvme_queue *q, const struct nvme_command *c);
/* The next completion; false: none. The caller rings when it has taken all. */
bool nvme_queue_take(struct nvme_queue *q, struct nvme_completion *c);

#endif
