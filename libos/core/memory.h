/* SPDX-License-Identifier: MIT */
/* The memory lock and the start of the memory system. Internal to the libOS; the public half is
 * coracle/mem.h. */
#ifndef LIBOS_CORE_MEMORY_H
#define LIBOS_CORE_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include "libos/core/cpu.h"

/* Guards frames, page tables, heap and regions. Innermost lock but for the console's. */
extern struct cor_spinlock cor_memory_lock;

/* What the start of the memory system found out. */
struct cor_boot_memory {
    void *shared_info; /* where the shared info page is mapped */
    void *stack;       /* block for the main thread: lowest usable address, unmapped page below */
    size_t stack_size; /* its size in bytes: stack, thread-local storage and struct cor_thread */
};

/*
 * Boot, events masked, on the boot stack: takes the builder's mapping over. Afterwards text is read-only,
 * everything else not executable (where the processor has NX), read-only data read-only, guard pages are
 * unmapped, and the allocator knows which frames are free. block_size: bytes wanted for the main thread's
 * block.
 */
struct cor_boot_memory cor_memory_init(const start_info_t *si, size_t block_size);

/* The heap begins here. */
void cor_heap_init(uint64_t start);

/* Maps a machine frame that is not from our frames (grant, device, shared page) and returns its address, or
 * NULL. */
void *cor_map_frame(uint64_t mfn, unsigned prot);

/* The machine frame that is mapped at address, 0 if none is. */
uint64_t cor_frame_at(const void *address);

#endif
