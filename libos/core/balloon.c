/* SPDX-License-Identifier: MIT */
/*
 * The balloon: frames without memory behind them. A target above what the domain was built with adds
 * frames, as far as the hypervisor allows (maxmem). While a frame is in it, its entry of the P2M has
 * BALLOONED set and, for the rest, the number of the next one; so the balloon needs no memory of its own,
 * whatever its size.
 */
#include "libos/core/balloon.h"
#include <stdbool.h>
#include "coracle/shutdown.h"
#include "coracle/thread.h"
#include "libos/core/frames.h"
#include "libos/core/memory.h"
#include "pvboot/abi.h"
#include "pvboot/hypercall.h"
#include <xen/memory.h>

#define BALLOONED (1ul << 63)
#define BATCH     64u /* frames in one call, and with events masked */
#define KEEP      64u /* frames that stay free */

/* Guarded by the memory lock. */
static struct {
    uint64_t target; /* pages that the domain shall have */
    uint64_t count;  /* frames in the balloon */
    uint64_t first;  /* if count is not 0 */
    bool working;    /* there is a thread */
} balloon;

/* For how many of the list's frames it was done. */
static unsigned reservation(unsigned command, xen_pfn_t *list, unsigned count)
{
    struct xen_memory_reservation reservation = {.nr_extents = count, .domid = DOMID_SELF};

    long done;

    set_xen_guest_handle(reservation.extent_start, list);
    done = count ? hypercall_memory_op(command, &reservation) : 0;
    return done < 0 ? 0 : done < count ? (unsigned)done : count;
}

/* Gives frames back; how many. */
static uint64_t inflate(uint64_t wanted)
{
    xen_pfn_t mfns[BATCH];
    uint64_t pfns[BATCH];
    unsigned count = 0;
    unsigned done;

    while (count < BATCH && count < wanted && cor_frames_free() > KEEP) {
        pfns[count] = cor_frame_alloc();
        if (pfns[count] == COR_NO_FRAME) {
            break;
        }
        mfns[count] = cor_pfn_to_mfn(pfns[count]);
        count++;
    }
    done = reservation(XENMEM_decrease_reservation, mfns, count);
    for (unsigned i = 0; i < count; i++) {
        if (i >= done) {
            cor_frame_free(pfns[i]);
            continue;
        }
        cor_frame_moved(pfns[i], BALLOONED | balloon.first);
        balloon.first = pfns[i];
        balloon.count++;
    }
    cor_frames_change_total(-(int64_t)done);
    return done;
}

/* Gets memory for frames again; for how many. */
static uint64_t deflate(uint64_t wanted)
{
    xen_pfn_t list[BATCH]; /* frame numbers, which become machine frames */
    uint64_t pfns[BATCH], next = balloon.first;
    unsigned count = 0, done;

    for (; count < BATCH && count < wanted && count < balloon.count; count++) {
        list[count] = pfns[count] = next;
        next = cor_pfn_to_mfn(next) & ~BALLOONED;
    }
    done = reservation(XENMEM_populate_physmap, list, count);
    for (unsigned i = 0; i < done; i++) {
        balloon.first = cor_pfn_to_mfn(pfns[i]) & ~BALLOONED;
        balloon.count--;
        cor_frame_moved(pfns[i], list[i]);
        cor_frame_free(pfns[i]);
    }
    cor_frames_change_total(done);
    return done;
}

/* Gets memory for frames that the domain was not built with; for how many. The balloon is empty. */
static uint64_t grow(uint64_t wanted)
{
    xen_pfn_t list[BATCH];
    uint64_t pfns[BATCH];
    unsigned count = 0, done;

    for (; count < BATCH && count < wanted; count++) {
        pfns[count] = cor_frame_add();
        if (pfns[count] == COR_NO_FRAME) {
            break;
        }
        list[count] = pfns[count];
    }
    done = reservation(XENMEM_populate_physmap, list, count);
    for (unsigned i = done; i < count; i++) {
        cor_frame_forget();
    }
    for (unsigned i = 0; i < done; i++) {
        cor_frame_moved(pfns[i], list[i]);
        cor_frame_free(pfns[i]);
    }
    cor_frames_change_total(done);
    return done;
}

/* One batch in the right direction. False: the target is reached, or nothing more can be done. */
static bool step(void)
{
    uint64_t now = cor_frames_total();

    if (now > balloon.target) {
        return inflate(now - balloon.target) > 0;
    }
    if (now == balloon.target) {
        return false;
    }
    return (balloon.count ? deflate(balloon.target - now) : grow(balloon.target - now)) > 0;
}

static void *work(void *unused)
{
    bool more;

    do {
        bool enabled = cor_spin_lock(&cor_memory_lock);
        more = step();
        balloon.working = more;
        cor_spin_unlock(&cor_memory_lock, enabled);
    } while (more);
    return unused;
}

void cor_balloon_set_target(uint64_t pages)
{
    static const struct cor_thread_attr attr = {
        .name = "balloon", .stack_size = COR_STACK_MIN, .detached = true};
    bool enabled = cor_spin_lock(&cor_memory_lock), needed;
    struct cor_thread *thread;

    balloon.target = pages;
    needed = !balloon.working && pages != cor_frames_total();
    balloon.working = balloon.working || needed;
    cor_spin_unlock(&cor_memory_lock, enabled);
    if (needed && cor_thread_create(&thread, &attr, work, NULL) != 0) {
        enabled = cor_spin_lock(&cor_memory_lock);
        balloon.working = false;
        cor_spin_unlock(&cor_memory_lock, enabled);
        cor_log("no memory for the thread that changes the domain's memory");
    }
}
