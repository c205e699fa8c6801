# SPDX-License-Identifier: MIT
UNIT_TESTS += net_queue
UNIT_SRC_net_queue := libos/front/net_queue.c
UNIT_FLAGS_net_queue = -idirafter libos/include -isystem $(BUILD)/libos/abi $(LWIP_CFLAGS) -pthread

UNIT_TESTS += netfront
UNIT_SRC_netfront := libos/front/net.c libos/xen/xenbus.c
UNIT_FLAGS_netfront = -idirafter libos/include -isystem $(BUILD)/libos/abi $(LWIP_CFLAGS) -pthread
