/* SPDX-License-Identifier: MIT */
/* The control domain's start: an ordered list, then the event loop. */
#include <stdio.h>
#include <string.h>
#include "toolstack/backend/blk.h"
#include "toolstack/backend/net.h"
#include "toolstack/control/api.h"
#include "toolstack/control/archive.h"
#include "toolstack/control/domain.h"
#include "toolstack/control/link.h"
#include "toolstack/control/loop.h"
#include "toolstack/device/device.h"

/* A step that must not fail: without it there is no host. */
static bool step(const char *what, int error)
{
    if (error) {
        printf("control: %s cannot start: %s\n", what, strerror(-error));
    }
    return !error;
}

int main(void)
{
    if (!step("the life cycle of domains", domains_init()) || !step("the boot archive", archive_images())) {
        return 1;
    }
    if (device_init() < 0) {
        printf("control: no devices: the hypervisor gives them to another domain\n");
    }
    netback_init();
    blk_backend_init();
    /*
     * Without a token nobody may ask, and without a line nobody can: the domains of the archive run all the
     * same.
     */
    if (step("the API: boot/token", api_read_token("/boot/token"))) {
        step("the API's link", link_start(api_accept));
    }
    step("the domains of the boot archive", archive_autostart());
    loop_run();
}
