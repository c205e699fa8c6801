/* SPDX-License-Identifier: MIT */
/*
 * Lines of a configuration's vif=[ ... ], as xl-network-configuration(5) documents them: `key=value` pairs
 * separated by commas. Pure: no store, no bridge.
 */
#ifndef TOOLSTACK_BACKEND_VIF_CONFIG_H
#define TOOLSTACK_BACKEND_VIF_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "toolstack/backend/bridge.h"
#include "toolstack/control/domain.h"

#define VIF_NAME_MAX    15u /* of a bridge or an interface, as Linux has it */
#define VIF_IP_MAX      127u
#define VIF_DEVID_MAX   255u
#define VIF_MTU_MIN     68u
#define VIF_MTU_MAX     9000u
#define VIF_MTU_DEFAULT 1500u
#define VIF_BRIDGE      "br0" /* when the line names none */

struct vif_config {
    bool has_mac;
    uint8_t mac[6];
    char bridge[VIF_NAME_MAX + 1];
    char vifname[VIF_NAME_MAX + 1]; /* may be empty */
    char ip[VIF_IP_MAX + 1];        /* as written, for the store; may be empty */
    struct bridge_ip ips[BRIDGE_IPS_MAX];
    unsigned nr_ips;
    bool has_devid;
    unsigned devid; /* the interface's number in its domain */
    unsigned mtu;
    /* rate=: bytes in an interval of so many microseconds; rate_bytes 0: no limit */
    uint64_t rate_bytes;
    uint32_t rate_us;
    bool antispoof; /* an extension of ours: only with its own MAC and, where given, the addresses of ip= */
};

/*
 * Reads a line. 0, or -EINVAL with *error filled: what was expected, and what was found. number: which of
 * the domain's lines it is, for the message.
 */
int vif_config_parse(const char *text, unsigned number, struct vif_config *config,
                     struct domain_error *error);

/*
 * An address of Xen's block (00:16:3e) for the interface `devid` of a domain with this uuid: random as the
 * uuid is, and the same for each run of the domain.
 */
void vif_config_make_mac(const uint8_t uuid[16], unsigned devid, uint8_t mac[6]);

/* "00:16:3e:01:02:03", 18 bytes with the final zero. */
void vif_mac_text(const uint8_t mac[6], char text[18]);

#endif
