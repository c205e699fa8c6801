/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's target for requests of blkif as a frontend puts them into the ring. The input: what the disk
 * allows, a request, and the segments that an indirect request's page has.
 */
#include <string.h>
#include "toolstack/backend/blk_request.h"
#include "tests/fuzz/host/fuzz_host.h"

static void fill(struct input *input, void *to, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        ((uint8_t *)to)[i] = next(input);
    }
}

static struct blk_limits take_limits(struct input *input)
{
    uint8_t kind = next(input), sectors[8];
    struct blk_limits limits = {.sector_size = kind & 1 ? 4096 : 512,
                                .read_only = kind & 2,
                                .max_discard = kind & 4 ? 1u + next(input) : 0,
                                .max_segments =
                                    BLKIF_MAX_SEGMENTS_PER_REQUEST +
                                    next(input) % (BLK_SEGMENTS - BLKIF_MAX_SEGMENTS_PER_REQUEST + 1)};

    /* Any capacity: small ones, that ends of requests are near to, and the largest. */
    fill(input, sectors, sizeof(sectors));
    memcpy(&limits.sectors, sectors, sizeof(sectors));
    limits.sectors >>= kind >> 3 << 1;
    limits.sectors -= limits.sectors % (limits.sector_size / 512);
    return limits;
}

/* What is promised of a command that stands: it stays on the disk, and does what is allowed. */
static void check_command(const struct blk_limits *limits, const struct blk_command *command)
{
    uint64_t count = 0;

    expect(command->count <= limits->sectors && command->sector <= limits->sectors - command->count,
           "its sectors are on the disk");
    expect(command->sector % (limits->sector_size / 512) == 0 &&
               command->count % (limits->sector_size / 512) == 0,
           "whole sectors of the disk");
    expect(!(limits->read_only && (command->write || command->discard) && command->count),
           "nothing is written");
    expect(!command->discard || (limits->max_discard && !command->nr_segments), "a discard has no data");
    expect(command->nr_segments <= limits->max_segments && command->nr_segments <= BLK_SEGMENTS,
           "no more segments than were offered");
    for (uint32_t i = 0; i < command->nr_segments; i++) {
        const struct blkif_request_segment *segment = &command->segments[i];

        expect(segment->first_sect <= segment->last_sect && segment->last_sect < 8,
               "a segment is in its page");
        count += segment->last_sect - segment->first_sect + 1u;
    }
    expect(command->discard || count == command->count, "the sectors of the segments");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    struct blk_limits limits = take_limits(&input);
    struct blkif_request request, before;
    struct blk_command command;
    int16_t status;

    memset(&request, 0, sizeof(request));
    fill(&input, &request, sizeof(request));
    before = request;
    memset(&command, 0xee, sizeof(command));
    status = blk_request_decode(&request, &limits, &command);
    expect(!memcmp(&before, &request, sizeof(request)), "the request is only read");
    expect(status == BLKIF_RSP_OKAY || status == BLKIF_RSP_ERROR || status == BLKIF_RSP_EOPNOTSUPP,
           "a status");
    expect(command.operation == request.operation, "the operation of the answer");
    if (status != BLKIF_RSP_OKAY) {
        return 0;
    }
    expect(command.nr_indirect <= 1, "one page has all segments");
    if (command.nr_indirect) {
        expect(command.nr_segments >= 1 && command.nr_segments <= limits.max_segments, "segments to fetch");
        fill(&input, command.segments, command.nr_segments * sizeof(command.segments[0]));
        if (blk_segments_check(&limits, &command) != BLKIF_RSP_OKAY) {
            return 0;
        }
    }
    check_command(&limits, &command);
    return 0;
}
