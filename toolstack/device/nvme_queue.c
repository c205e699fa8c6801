/* SPDX-License-Identifier: MIT */
#include "toolstack/device/nvme_queue.h"
#include <errno.h>
#include "toolstack/device/dma.h"

int nvme_queue_make(struct nvme_queue *q, unsigned number, unsigned depth)
{
    *q = (struct nvme_queue){.number = number, .depth = depth, .phase = 1};
    q->submissions = dma_alloc(depth * sizeof(struct nvme_command), 64, &q->submissions_address);
    q->completions = dma_alloc(depth * sizeof(struct nvme_completion), 64, &q->completions_address);
    return q->submissions && q->completions ? 0 : -ENOMEM;
}

void nvme_queue_free(struct nvme_queue *q)
{
    dma_free((void *)q->submissions, q->depth * sizeof(struct nvme_command));
    dma_free((void *)q->completions, q->depth * sizeof(struct nvme_completion));
}

void nvme_queue_submit(struct nvme_queue *q, const struct nvme_command *c)
{
    volatile struct nvme_command *to = &q->submissions[q->tail];

    *to = *c;
    q->tail = (q->tail + 1) % q->depth;
}

bool nvme_queue_take(struct nvme_queue *q, struct nvme_completion *c)
{
    c->status = q->completions[q->head].status;
    if ((c->status >> 16 & 1) != q->phase) {
        return false;
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    q->head = (q->head + 1) % q->depth;
    q->phase ^= q->head == 0;
    return true;
}
