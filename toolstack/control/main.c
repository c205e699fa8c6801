/* SPDX-License-Identifier: MIT */
/* The control domain's start: an ordered list, then the event loop. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/init.h"
#include "toolstack/backend/blk.h"
#include "toolstack/backend/host_port.h"
#include "toolstack/backend/net.h"
#include "toolstack/control/api.h"
#include "toolstack/control/archive.h"
#include "toolstack/control/domain.h"
#include "toolstack/control/link.h"
#include "toolstack/control/loop.h"
#include "toolstack/control/tcp.h"
#include "toolstack/device/device.h"

/* A step that must not fail: without it there is no host. */
static bool step(const char *what, int error)
{
    if (error) {
        printf("control: %s cannot start: %s\n", what, strerror(-error));
    }
    return !error;
}

static unsigned long api_port;

static void addressed(const char *address)
{
    printf("control: the API is at tcp:%s:%lu\n", address, api_port);
}

/* The API over TCP, if the setting api= names a port; nobody waits for an address. 0 or a negative errno. */
static int start_network(void)
{
    const char *setting = cor_setting("api");
    char *end;
    int error;

    if (!setting) {
        return 0;
    }
    api_port = strtoul(setting, &end, 10);
    if (*end || api_port < 1 || api_port > UINT16_MAX) {
        printf("control: api=%s: expected a port\n", setting);
        return -EINVAL;
    }
    error = host_port_open("br0", addressed);
    return error ? error : tcp_start((uint16_t)api_port, api_accept);
}

int main(void)
{
    bool has_token;

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
    has_token = step("the API: boot/token", api_read_token("/boot/token"));
    if (has_token) {
        step("the API's link", link_start(api_accept));
    }
    step("the domains of the boot archive", archive_autostart());
    if (has_token) {
        step("the API on the network (the setting api=, on bridge br0)", start_network());
    }
    loop_run();
}
