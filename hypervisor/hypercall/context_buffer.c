/* SPDX-License-Identifier: MIT */
#include "hypervisor/hypercall/context_buffer.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"

int context_buffer_make(struct context_buffer *b)
{
    for (unsigned i = 0; i < CONTEXT_BUFFER_PAGES; i++) {
        b->frame[i] = frame_alloc(0, 0);
        if (mfn_eq(b->frame[i], MFN_INVALID)) {
            while (i > 0) {
                frame_free(b->frame[--i], 0);
            }
            return -ENOMEM;
        }
    }
    return 0;
}

void context_buffer_free(const struct context_buffer *b)
{
    for (unsigned i = 0; i < CONTEXT_BUFFER_PAGES; i++) {
        frame_free(b->frame[i], 0);
    }
}

struct vcpu_guest_context *context_buffer_open(const struct context_buffer *b)
{
    char *first = map_frame(b->frame[0]);

    for (unsigned i = 1; i < CONTEXT_BUFFER_PAGES; i++) {
        const char *next = map_frame(b->frame[i]);

        assert(next == first + i * PAGE_SIZE); /* windows are opened in order */
    }
    return (struct vcpu_guest_context *)first;
}

void context_buffer_close(const struct vcpu_guest_context *c)
{
    for (unsigned i = CONTEXT_BUFFER_PAGES; i-- > 0;) { /* the last window is closed first */
        unmap_frame((const char *)c + i * PAGE_SIZE);
    }
}
