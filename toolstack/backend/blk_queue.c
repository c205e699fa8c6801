/* SPDX-License-Identifier: MIT */
/* See blk_queue.h. */
#include "toolstack/backend/blk_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/event.h"
#include "coracle/grant.h"
#include "toolstack/backend/blk_persist.h"
#include "toolstack/control/loop.h"

#include <xen/io/ring.h>

#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#define PAGE  4096u
#define BYTES (BLK_SEGMENTS * PAGE) /* of a slot's buffer */

enum stage { BEFORE, DATA, AFTER };

/* A request on its way. */
struct slot {
    struct blk_request request; /* first member: done() finds its slot by it */
    struct blk_queue *queue;
    struct slot *next; /* among the free ones */
    uint8_t *buffer;   /* BYTES, within the disk's reach */
    enum stage stage;
    bool direct;        /* the segments are the frontend's own pages */
    uint64_t discarded; /* sectors of a discard that are done */
    struct blk_command command;
    struct dma_segment segments[BLK_SEGMENTS];
};

struct blk_queue {
    struct loop_port port; /* first member; port.port 0: closed */
    struct blk_queue_setup setup;
    struct cor_granted_ring pages;
    struct blkif_back_ring ring;
    struct slot *free;
    unsigned slots, busy;
    struct slot *barrier; /* waits until it is the only one that is busy */
    bool is_broken;
    uint8_t *scratch;            /* a page, for indirect segments */
    struct blk_persist *persist; /* NULL: the frontend does not want it */
};

_Static_assert(BLK_RING_PAGES_MAX <= COR_GRANT_RING_MAX, "a ring can be mapped");
_Static_assert(offsetof(struct slot, request) == 0 && offsetof(struct blk_queue, port.task) == 0,
               "callbacks find slot and queue by their first members");

static void submit(struct slot *slot);

/* ------------------------------------------------------------------ slots */

static struct slot *new_slot(struct blk_queue *queue)
{
    struct slot *slot = calloc(1, sizeof(*slot));
    uint64_t machine;

    if (slot) {
        slot->buffer = dma_alloc(BYTES, queue->setup.disk->dma_bits, &machine);
    }
    if (!slot || !slot->buffer) {
        free(slot);
        return NULL;
    }
    slot->queue = queue;
    queue->slots++;
    return slot;
}

/* A free slot, or NULL: a request that ends will bring one. The first is made with the queue. */
static struct slot *take_slot(struct blk_queue *queue)
{
    struct slot *slot = queue->free;

    if (slot) {
        queue->free = slot->next;
    } else if (queue->slots < BLK_SLOTS) {
        slot = new_slot(queue);
    }
    queue->busy += slot != NULL;
    return slot;
}

static void free_slots(struct blk_queue *queue)
{
    while (queue->free) {
        struct slot *slot = queue->free;

        queue->free = slot->next;
        dma_free(slot->buffer, BYTES);
        free(slot);
    }
}

/* A queue that is closed goes with its last request. */
static void forget(struct blk_queue *queue)
{
    free_slots(queue);
    if (!queue->busy) {
        blk_persist_free(queue->persist);
        free(queue->scratch);
        blkdev_release(queue->setup.disk);
        free(queue);
    }
}

/* ------------------------------------------------------------------ answers */

static void answer(struct blk_queue *queue, const struct blk_command *command, int16_t status)
{
    struct blkif_response *response = RING_GET_RESPONSE(&queue->ring, queue->ring.rsp_prod_pvt);
    int notify;

    response->id = command->id;
    response->operation = command->operation;
    response->status = status;
    queue->ring.rsp_prod_pvt++;
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&queue->ring, notify);
    if (notify) {
        (void)cor_event_send(queue->port.port); /* a frontend that closed its end hears nothing */
    }
}

static void finish(struct slot *slot, int16_t status)
{
    struct blk_queue *queue = slot->queue;

    slot->next = queue->free;
    queue->free = slot;
    queue->busy--;
    if (!queue->port.port) {
        forget(queue);
        return;
    }
    answer(queue, &slot->command, status);
    if (queue->barrier == slot) {
        queue->barrier = NULL;
    }
    loop_post(&queue->port.task); /* requests may wait for the slot */
}

/* ------------------------------------------------------------------ data */

/* Copies all segments between the frontend's pages and the buffer. False: it did not grant them so. */
static bool copy_data(struct slot *slot, bool from_frontend)
{
    const struct blk_command *command = &slot->command;
    struct gnttab_copy copies[BLK_SEGMENTS];
    uint16_t domid = slot->queue->setup.domid;

    for (uint32_t i = 0; i < command->nr_segments; i++) {
        const struct blkif_request_segment *segment = &command->segments[i];
        uint16_t offset = (uint16_t)(segment->first_sect * BLKDEV_SECTOR);
        struct gnttab_copy *copy = &copies[i];
        uint64_t own = dma_address(slot->buffer + (size_t)i * PAGE) / PAGE;

        *copy = (struct gnttab_copy){.len = (uint16_t)slot->segments[i].length,
                                     .flags = from_frontend ? GNTCOPY_source_gref : GNTCOPY_dest_gref};
        copy->source.offset = copy->dest.offset = offset;
        copy->source.domid = from_frontend ? domid : DOMID_SELF;
        copy->dest.domid = from_frontend ? DOMID_SELF : domid;
        if (from_frontend) {
            copy->source.u.ref = segment->gref;
            copy->dest.u.gmfn = own;
        } else {
            copy->source.u.gmfn = own;
            copy->dest.u.ref = segment->gref;
        }
    }
    cor_grant_copy(copies, command->nr_segments);
    for (uint32_t i = 0; i < command->nr_segments; i++) {
        if (copies[i].status != GNTST_okay) {
            return false;
        }
    }
    return true;
}

/* The segments are pages that stay mapped. False: not all are, or the disk does not reach them. */
static bool lay_out_direct(struct slot *slot)
{
    const struct blk_command *command = &slot->command;
    unsigned bits = slot->queue->setup.disk->dma_bits;

    for (uint32_t i = 0; i < command->nr_segments; i++) {
        const struct blkif_request_segment *segment = &command->segments[i];
        uint64_t machine = blk_persist_page(slot->queue->persist, segment->gref);

        if (!machine || (bits < 64 && (machine + PAGE - 1) >> bits)) {
            return false;
        }
        slot->segments[i].address = machine + segment->first_sect * BLKDEV_SECTOR;
        slot->segments[i].length = (segment->last_sect - segment->first_sect + 1u) * BLKDEV_SECTOR;
    }
    return true;
}

/* Each segment has a page of the buffer, at the same place in it. */
static void lay_out(struct slot *slot)
{
    const struct blk_command *command = &slot->command;

    for (uint32_t i = 0; i < command->nr_segments; i++) {
        const struct blkif_request_segment *segment = &command->segments[i];
        size_t offset = (size_t)i * PAGE + segment->first_sect * BLKDEV_SECTOR;

        slot->segments[i].address = dma_address(slot->buffer + offset);
        slot->segments[i].length = (segment->last_sect - segment->first_sect + 1u) * BLKDEV_SECTOR;
    }
}

/* ------------------------------------------------------------------ steps of a request */

/* The next stage that has something to do; true: there is none. */
static bool next_stage(struct slot *slot)
{
    const struct blk_command *command = &slot->command;

    if (slot->stage == DATA && command->discard && slot->discarded < command->count) {
        return false;
    }
    slot->stage++;
    if (slot->stage == DATA && !command->count) {
        slot->stage++;
    }
    return slot->stage > AFTER || (slot->stage == AFTER && !command->flush_after);
}

static void done(struct blk_request *request, int error)
{
    struct slot *slot = (struct slot *)request;
    const struct blk_command *command = &slot->command;

    if (slot->stage == DATA && command->discard) {
        slot->discarded += request->count;
    }
    /* Without its frontend it goes on nevertheless, as far as it changes the disk. */
    if (!error && slot->stage == DATA && !command->write && !command->discard && slot->queue->port.port &&
        !slot->direct && !copy_data(slot, false)) {
        error = -EFAULT;
    }
    if (error) {
        finish(slot, BLKIF_RSP_ERROR);
    } else if (next_stage(slot)) {
        finish(slot, BLKIF_RSP_OKAY);
    } else {
        submit(slot);
    }
}

static void submit(struct slot *slot)
{
    const struct blk_command *command = &slot->command;
    struct blk_request *request = &slot->request;

    *request = (struct blk_request){.operation = BLK_FLUSH, .done = done};
    if (slot->stage == DATA && command->discard) {
        uint64_t left = command->count - slot->discarded;
        uint32_t most = slot->queue->setup.limits.max_discard;

        request->operation = BLK_DISCARD;
        request->sector = command->sector + slot->discarded;
        request->count = left < most ? left : most;
    } else if (slot->stage == DATA) {
        request->operation = command->write ? BLK_WRITE : BLK_READ;
        request->sector = command->sector;
        request->count = command->count;
        request->segments = slot->segments;
        request->nr_segments = command->nr_segments;
    }
    if (blkdev_submit(slot->queue->setup.disk, request)) {
        finish(slot, BLKIF_RSP_ERROR);
    }
}

/* The command is decoded and what it needs is there. */
static void start(struct slot *slot)
{
    const struct blk_command *command = &slot->command;

    slot->discarded = 0;
    slot->stage = command->flush_before ? BEFORE : DATA;
    slot->direct = !command->discard && slot->queue->persist && lay_out_direct(slot);
    if (!command->discard && !slot->direct) {
        lay_out(slot);
    }
    if (!command->flush_before && !command->count) {
        finish(slot, BLKIF_RSP_OKAY);
    } else if (command->write && command->nr_segments && !slot->direct && !copy_data(slot, true)) {
        finish(slot, BLKIF_RSP_ERROR);
    } else {
        submit(slot);
    }
}

/* ------------------------------------------------------------------ the ring */

/* Brings the segments of an indirect request here, once. */
static int16_t fetch_segments(struct blk_queue *queue, struct blk_command *command)
{
    uint32_t bytes = command->nr_segments * (uint32_t)sizeof(command->segments[0]);
    struct gnttab_copy copy = {.len = (uint16_t)bytes, .flags = GNTCOPY_source_gref};

    copy.source.u.ref = command->indirect[0];
    copy.source.domid = queue->setup.domid;
    copy.dest.u.gmfn = dma_address(queue->scratch) / PAGE;
    copy.dest.domid = DOMID_SELF;
    cor_grant_copy(&copy, 1);
    if (copy.status != GNTST_okay) {
        return BLKIF_RSP_ERROR;
    }
    memcpy(command->segments, queue->scratch, bytes);
    return blk_segments_check(&queue->setup.limits, command);
}

/* Takes the request at the ring's consumer. */
static void take_request(struct blk_queue *queue, struct slot *slot)
{
    struct blkif_request request;
    int16_t status;

    memcpy(&request, RING_GET_REQUEST(&queue->ring, queue->ring.req_cons), sizeof(request));
    __asm__ volatile("" ::: "memory"); /* from here on the copy alone counts */
    queue->ring.req_cons++;
    status = blk_request_decode(&request, &queue->setup.limits, &slot->command);
    if (status == BLKIF_RSP_OKAY && slot->command.nr_indirect) {
        status = fetch_segments(queue, &slot->command);
    }
    if (status != BLKIF_RSP_OKAY) {
        finish(slot, status);
    } else if (slot->command.drain && queue->busy > 1) {
        queue->barrier = slot;
    } else {
        if (slot->command.drain) {
            queue->barrier = slot;
        }
        start(slot);
    }
}

/* An end of the ring's that cannot be: more requests than it has places for. */
static void fall_out(struct blk_queue *queue)
{
    queue->is_broken = true;
    queue->setup.broken(queue->setup.context, "the ring's request index is out of range");
}

/* Takes up to BLK_TURN requests; with more there, another turn follows. */
static void serve(struct loop_task *task)
{
    struct blk_queue *queue = (struct blk_queue *)task;
    unsigned left = BLK_TURN;

    if (queue->is_broken) {
        return;
    }
    if (queue->barrier && queue->busy == 1 && queue->barrier->stage == AFTER + 1) {
        start(queue->barrier);
    }
    for (; !queue->barrier; left--) {
        RING_IDX end = __atomic_load_n(&queue->ring.sring->req_prod, __ATOMIC_ACQUIRE);
        struct slot *slot;
        int more;

        if (!left) {
            loop_post(task);
            return;
        }
        if (RING_REQUEST_PROD_OVERFLOW(&queue->ring, end)) {
            fall_out(queue);
            return;
        }
        if (end == queue->ring.req_cons) {
            RING_FINAL_CHECK_FOR_REQUESTS(&queue->ring, more);
            if (!more) {
                return;
            }
            continue;
        }
        slot = take_slot(queue);
        if (!slot) {
            return; /* the end of a request goes on here */
        }
        slot->stage = AFTER + 1;
        take_request(queue, slot);
    }
}

/* ------------------------------------------------------------------ open, close */

static int connect(struct blk_queue *queue)
{
    struct blkif_sring *shared;
    RING_IDX at;
    int error;

    queue->free = new_slot(queue);
    queue->scratch = aligned_alloc(PAGE, PAGE);
    if (!queue->free || !queue->scratch) {
        return -ENOMEM;
    }
    queue->persist = queue->setup.persistent ? blk_persist_new(queue->setup.domid) : NULL;
    error = cor_grant_map_ring(queue->setup.domid, queue->setup.ring_refs, queue->setup.nr_ring_pages,
                               &queue->pages);
    if (error) {
        return error;
    }
    shared = (struct blkif_sring *)queue->pages.address;
    at = __atomic_load_n(&shared->rsp_prod, __ATOMIC_RELAXED); /* once: the macro names it twice */
    BACK_RING_ATTACH(&queue->ring, shared, at, queue->setup.nr_ring_pages * PAGE);
    queue->port.task.run = serve;
    error = loop_port_bind(&queue->port, queue->setup.domid, queue->setup.port);
    if (error) {
        cor_grant_unmap_ring(&queue->pages);
    }
    return error;
}

int blk_queue_open(const struct blk_queue_setup *setup, struct blk_queue **opened)
{
    struct blk_queue *queue = calloc(1, sizeof(*queue));
    int error;

    if (!queue) {
        return -ENOMEM;
    }
    queue->setup = *setup;
    blkdev_hold(setup->disk);
    error = connect(queue);
    if (error) {
        forget(queue);
        return error;
    }
    loop_post(&queue->port.task); /* what came before */
    *opened = queue;
    return 0;
}

void blk_queue_close(struct blk_queue *queue)
{
    loop_port_close(&queue->port);
    cor_grant_unmap_ring(&queue->pages);
    if (queue->barrier && queue->barrier->stage == AFTER + 1) { /* it never began */
        queue->barrier->next = queue->free;
        queue->free = queue->barrier;
        queue->busy--;
    }
    queue->barrier = NULL;
    forget(queue);
}
