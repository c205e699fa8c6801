/* SPDX-License-Identifier: MIT */
/*
 * The start of the libOS: guest_start on the boot stack, then start_main as the first thread. What the
 * machine is like at each step stands beside it. Every step costs boot time, so whatever can wait is set up
 * on first use elsewhere: the timer interrupt (core/timer.c), console input (front/console.c), regions
 * (core/regions.c).
 */
#include <stdlib.h>
#include <unistd.h>
#include "coracle/init.h"
#include "coracle/mem.h"
#include "coracle/shutdown.h"
#include "coracle/thread.h"
#include "libos/core/control.h"
#include "libos/core/memory.h"
#include "libos/core/sched.h"
#include "libos/front/console.h"
#include "libos/init/cmdline.h"
#include "libos/xen/events.h"
#include "libos/xen/store.h"
#include "libos/xen/traps.h"
#include "pvboot/hypercall.h"

int main(int argc, char **argv, char **envp);
void guest_start(start_info_t *si);

extern void (*__preinit_array_start[])(void), (*__preinit_array_end[])(void);
extern void (*__init_array_start[])(void), (*__init_array_end[])(void);
extern char **environ;

static const start_info_t *start_info;
static struct cmdline cmdline;

const char *cor_setting(const char *name)
{
    return cor_cmdline_setting(&cmdline, name);
}

void *cor_initrd(size_t *length)
{
    *length = start_info->mod_len;
    return start_info->mod_len ? (void *)start_info->mod_start : NULL;
}

int cor_is_initial_domain(void)
{
    return (start_info->flags & SIF_INITDOMAIN) != 0;
}

__attribute__((weak)) void cor_posix_init(void)
{
}

/* The setting `stack=SIZE`; the default when it is missing or makes no sense. */
static size_t main_stack_size(void)
{
    const char *text = cor_setting("stack");
    size_t size = text ? cor_parse_size(text) : 0;

    return size < COR_STACK_MIN ? COR_STACK_DEFAULT : size;
}

static void run_all(void (**from)(void), void (**to)(void))
{
    while (from < to) {
        (*from++)();
    }
}

/* The main thread: everything works but the C library's constructors and the POSIX room. */
static void *start_main(void *unused)
{
    (void)unused;
    environ = cmdline.envp;                              /* malloc and stdio may be used from here on */
    cor_posix_init();                                    /* files, descriptors, signals */
    run_all(__preinit_array_start, __preinit_array_end); /* constructors */
    run_all(__init_array_start, __init_array_end);
    hypercall_coracle_op(CORACLE_OP_MARK, CORACLE_MARK_MAIN);
    cor_control_start(); /* requests of the control domain will be heard; nothing waits for it */
    exit(main(cmdline.argc, cmdline.argv, cmdline.envp));
}

/*
 * The main thread's block: of the usual size it comes out of the initial mapping and costs no hypercall; a
 * larger one (`stack=`) is mapped like any other thread's.
 */
static noreturn void start_threads(struct cor_boot_memory *memory, size_t stack_size)
{
    if (stack_size > COR_STACK_DEFAULT) {
        memory->stack_size = cor_thread_block_size(stack_size);
        memory->stack = cor_map(memory->stack_size, COR_PROT_READ | COR_PROT_WRITE);
        if (!memory->stack) {
            cor_panic("no memory for the stack: wanted are %ld KiB, free are %ld KiB", stack_size / 1024,
                      cor_pages_free() * COR_PAGE_SIZE / 1024);
        }
    }
    cor_threads_start(memory->stack, memory->stack_size, start_main);
}

/* From pvboot/start.S, on the boot stack, events masked, nothing set up. */
void guest_start(start_info_t *si)
{
    struct cor_boot_memory memory;
    struct shared_info *shared;
    size_t stack;

    hypercall_coracle_op(CORACLE_OP_MARK, CORACLE_MARK_ENTRY);
    start_info = si;
    cor_store_init(si);   /* where it is; nothing is sent before main() */
    cor_console_init(si); /* messages work; a trap would still be the end */
    cor_cmdline_parse(&cmdline, (const char *)si->cmd_line); /* settings and arguments are known */
    stack = main_stack_size();
    memory = cor_memory_init(si, stack > COR_STACK_DEFAULT ? 0 : cor_thread_block_size(stack));
    shared = memory.shared_info;                          /* the image is protected, free frames are known */
    cor_cpu_init(&cor_cpus[0], 0, &shared->vcpu_info[0]); /* gs: this vCPU, event mask */
    cor_traps_init();                                     /* faults are reported */
    cor_events_init(shared);                              /* upcalls arrive once events are unmasked */
    start_threads(&memory, stack);                        /* this context becomes the idle thread */
}
