/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's registers on their way from or to guest memory: never on a stack, which every address space shows,
 * but in frames of their own that windows show to the caller's domain, or in a private section to nobody.
 */
#ifndef HYPERVISOR_HYPERCALL_CONTEXT_BUFFER_H
#define HYPERVISOR_HYPERCALL_CONTEXT_BUFFER_H

#include "pvboot/abi.h"
#include "hypervisor/include/layout.h"
#include "hypervisor/include/types.h"

#define CONTEXT_BUFFER_PAGES 2
_Static_assert(sizeof(struct vcpu_guest_context) <= CONTEXT_BUFFER_PAGES * PAGE_SIZE,
               "room for the registers");

struct context_buffer {
    mfn_t frame[CONTEXT_BUFFER_PAGES];
};

/* 0 or -ENOMEM. No window is open. */
int context_buffer_make(struct context_buffer *b);
/* Gives the frames back; they are scrubbed before anybody gets them. */
void context_buffer_free(const struct context_buffer *b);
/* In reach until context_buffer_close(), in the address space that is active now. No window is open. */
struct vcpu_guest_context *context_buffer_open(const struct context_buffer *b);
void context_buffer_close(const struct vcpu_guest_context *c);

#endif
