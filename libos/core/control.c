/* SPDX-License-Identifier: MIT */
/*
 * Requests of the control domain, which it leaves in the store (Xen's docs/misc/xenstore-paths.pandoc):
 *
 *   control/shutdown   poweroff, halt, reboot: the program gets SIGTERM, whose default is exit(0); the node
 *                      is emptied as the answer. suspend is refused: the node stays as it is.
 *   memory/target      KiB that the domain shall have: balloon.c
 *
 * All of it happens in the store's event handler, so no thread exists for it.
 */
#include "libos/core/control.h"
#include <stdbool.h>
#include <string.h>
#include "pvboot/abi.h"
#include <xen/io/xs_wire.h>
#include <xen/sched.h>
#include "coracle/init.h"
#include "coracle/mem.h"
#include "coracle/shutdown.h"
#include "coracle/store.h"
#include "libos/core/balloon.h"

/* A node that is read each time it changes. */
struct node {
    struct cor_store_watch watch; /* first */
    struct cor_store_request set_up, read;
    void (*act)(const char *value);
    bool reading, again; /* a read is on its way; the node has changed since it was sent */
    char value[24];
};

static void act_shutdown(const char *value);
static void act_target(const char *value);
static void changed(struct cor_store_watch *watch, const char *path);

static struct node shutdown_node = {.watch = {.path = "control/shutdown", .changed = changed},
                                    .act = act_shutdown};
static struct node target_node = {.watch = {.path = "memory/target", .changed = changed}, .act = act_target};

__attribute__((weak)) void cor_posix_terminate(void)
{
}

/* ------------------------------------------------------------------ reading */

static void read_node(struct node *node);

static void read_done(struct cor_store_request *request)
{
    struct node *node = request->context;

    node->reading = false;
    if (node->again) {
        read_node(node);
    } else if (request->result >= 0 && request->result < (long)sizeof(node->value)) {
        node->act(node->value);
    }
}

static void read_node(struct node *node)
{
    node->again = node->reading;
    if (node->reading) {
        return;
    }
    node->reading = true;
    node->read =
        (struct cor_store_request){.type = XS_READ,
                                   .part = {{node->watch.path, (uint32_t)strlen(node->watch.path) + 1}},
                                   .reply = node->value,
                                   .reply_size = sizeof(node->value),
                                   .done = read_done,
                                   .context = node};
    cor_store_submit(&node->read);
}

static void changed(struct cor_store_watch *watch, const char *path)
{
    (void)path;
    read_node((struct node *)watch);
}

/* ------------------------------------------------------------------ acting */

/* The answer is written; where the domain may not, the control domain does not wait for one. */
static void answered(struct cor_store_request *request)
{
    (void)request;
}

static void act_shutdown(const char *value)
{
    static struct cor_store_request answer;
    static bool asked;
    bool reboot = !strcmp(value, "reboot");

    if (!reboot && strcmp(value, "poweroff") != 0 && strcmp(value, "halt") != 0) {
        if (*value) {
            cor_log("asked for \"%s\", which this program cannot do", value);
        }
        return;
    }
    cor_set_exit_reason(reboot ? SHUTDOWN_reboot : SHUTDOWN_poweroff);
    if (!asked) {
        asked = true;
        answer = (struct cor_store_request){
            .type = XS_WRITE, .part = {{"control/shutdown", sizeof("control/shutdown")}}, .done = answered};
        cor_store_submit(&answer);
    }
    cor_posix_terminate();
}

static void act_target(const char *value)
{
    uint64_t kib = 0;

    for (; *value >= '0' && *value <= '9' && kib < 1ul << 50; value++) {
        kib = kib * 10 + (uint64_t)(*value - '0');
    }
    if (kib && !*value) {
        cor_balloon_set_target(kib / (COR_PAGE_SIZE / 1024));
    }
}

void cor_control_start(void)
{
    if (cor_store_present()) {
        cor_store_watch_submit(&shutdown_node.watch, &shutdown_node.set_up, NULL);
        cor_store_watch_submit(&target_node.watch, &target_node.set_up, NULL);
    }
}
