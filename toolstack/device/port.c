/* SPDX-License-Identifier: MIT */
#include "toolstack/device/port.h"
#include "pvboot/hypercall.h"
#include <xen/physdev.h>

int port_init(void)
{
    struct physdev_set_iopl op = {.iopl = 1};

    return (int)hypercall_physdev_op(PHYSDEVOP_set_iopl, &op);
}
