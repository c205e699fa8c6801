/* SPDX-License-Identifier: MIT */
/* See blk_request.h. */
#include "toolstack/backend/blk_request.h"

#include <stddef.h>
#include <string.h>

#define SECTOR           512u
#define SECTORS_OF_PAGE  8u
#define SEGMENTS_OF_PAGE (4096u / sizeof(struct blkif_request_segment))

_Static_assert(BLK_SEGMENTS <= SEGMENTS_OF_PAGE, "the segments of a request fit into one indirect page");
_Static_assert(BLK_SEGMENTS >= BLKIF_MAX_SEGMENTS_PER_REQUEST, "direct requests fit");

static bool is_on_disk(const struct blk_limits *limits, uint64_t sector, uint64_t count)
{
    uint32_t unit = limits->sector_size / SECTOR;

    return count <= limits->sectors && sector <= limits->sectors - count && sector % unit == 0 &&
           count % unit == 0;
}

int16_t blk_segments_check(const struct blk_limits *limits, struct blk_command *command)
{
    command->count = 0;
    for (uint32_t i = 0; i < command->nr_segments; i++) {
        const struct blkif_request_segment *segment = &command->segments[i];

        if (segment->first_sect > segment->last_sect || segment->last_sect >= SECTORS_OF_PAGE) {
            return BLKIF_RSP_ERROR;
        }
        command->count += segment->last_sect - segment->first_sect + 1u;
    }
    return is_on_disk(limits, command->sector, command->count) ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR;
}

static int16_t decode_discard(const struct blkif_request *request, const struct blk_limits *limits,
                              struct blk_command *command)
{
    struct blkif_request_discard discard;

    memcpy(&discard, request, sizeof(discard));
    command->id = discard.id;
    if (!limits->max_discard || (discard.flag & BLKIF_DISCARD_SECURE)) {
        return BLKIF_RSP_EOPNOTSUPP;
    }
    if (limits->read_only || !discard.nr_sectors ||
        !is_on_disk(limits, discard.sector_number, discard.nr_sectors)) {
        return BLKIF_RSP_ERROR;
    }
    command->discard = true;
    command->sector = discard.sector_number;
    command->count = discard.nr_sectors;
    return BLKIF_RSP_OKAY;
}

static int16_t decode_indirect(const struct blkif_request *request, const struct blk_limits *limits,
                               struct blk_command *command)
{
    struct blkif_request_indirect indirect;

    memcpy(&indirect, request, sizeof(indirect));
    command->id = indirect.id;
    command->operation =
        indirect.indirect_op; /* this is what the response says, to the frontends that look */
    if ((indirect.indirect_op != BLKIF_OP_READ && indirect.indirect_op != BLKIF_OP_WRITE) ||
        !indirect.nr_segments || indirect.nr_segments > limits->max_segments) {
        return BLKIF_RSP_ERROR;
    }
    command->write = indirect.indirect_op == BLKIF_OP_WRITE;
    if (command->write && limits->read_only) {
        return BLKIF_RSP_ERROR;
    }
    command->sector = indirect.sector_number;
    command->nr_segments = indirect.nr_segments;
    command->nr_indirect = 1;
    memcpy(command->indirect, indirect.indirect_grefs, sizeof(command->indirect));
    return BLKIF_RSP_OKAY;
}

int16_t blk_request_decode(const struct blkif_request *request, const struct blk_limits *limits,
                           struct blk_command *command)
{
    bool is_flush = request->operation == BLKIF_OP_FLUSH_DISKCACHE;

    memset(command, 0, offsetof(struct blk_command, segments));
    command->id = request->id;
    command->operation = request->operation;
    switch (request->operation) {
    case BLKIF_OP_DISCARD:
        return decode_discard(request, limits, command);
    case BLKIF_OP_INDIRECT:
        return decode_indirect(request, limits, command);
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
    case BLKIF_OP_WRITE_BARRIER:
    case BLKIF_OP_FLUSH_DISKCACHE:
        break;
    default:
        return BLKIF_RSP_EOPNOTSUPP;
    }
    if (request->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST ||
        (!request->nr_segments && !is_flush && request->operation != BLKIF_OP_WRITE_BARRIER)) {
        return BLKIF_RSP_ERROR;
    }
    command->write = request->operation != BLKIF_OP_READ;
    command->drain = command->flush_after = request->operation == BLKIF_OP_WRITE_BARRIER;
    command->flush_before = command->drain || is_flush;
    if (request->nr_segments && command->write && limits->read_only) {
        return BLKIF_RSP_ERROR;
    }
    command->sector = request->nr_segments ? request->sector_number : 0;
    command->nr_segments = request->nr_segments;
    memcpy(command->segments, request->seg, request->nr_segments * sizeof(request->seg[0]));
    return blk_segments_check(limits, command);
}
