# SPDX-License-Identifier: MIT
# lwIP 2.1 from Debian's source package, with Debian's patches and otherwise unchanged. LWIP_SRC=TARBALL builds another
# copy. libos/net/lwip holds its configuration. Its objects are part of libcoracle (libos/build.mk), with all their
# names hidden; the linker takes them into a program that uses sockets and into no other.
#
# Its timers (core/timeouts) are replaced by timers.c.
#
#   $(LWIP_CFLAGS)  for every file that includes lwIP's headers
#   $(LWIP_STAMP)   order-only prerequisite of such objects
#   $(LWIP_OBJ)     the objects
LWIP_SRC ?=
LWIP_TREE := $(BUILD)/lwip/source
LWIP_STAMP := $(LWIP_TREE)/.stamp
LWIP_CFLAGS = -isystem libos/net/lwip -isystem $(LWIP_TREE)/src/include
LWIP_FILES := api/err api/tcpip netif/ethernet $(addprefix core/,init def dns inet_chksum ip mem memp netif pbuf raw sys \
	tcp tcp_in tcp_out udp $(addprefix ipv4/,autoip dhcp etharp icmp igmp ip4 ip4_addr ip4_frag) \
	$(addprefix ipv6/,dhcp6 ethip6 icmp6 inet6 ip6 ip6_addr ip6_frag mld6 nd6))
LWIP_OBJ := $(LWIP_FILES:%=$(BUILD)/lwip/object/%.o)

$(LWIP_STAMP): $(LWIP_SRC)
	$(call say,FETCH,the sources of lwIP 2.1)
	@rm -rf $(@D)
	$(Q)$(call fetch_source,lwip,$(@D),$(LWIP_SRC))
	@touch $@

# What lwIP is configured by: headers of a system folder, which the compiler's lists of dependencies leave out.
LWIP_CONFIG := $(wildcard libos/net/lwip/*.h libos/net/lwip/arch/*.h) libos/net/hooks.h libos/net/connections.h
$(LWIP_OBJ): $(LWIP_CONFIG)

# Warnings are lwIP's own affair; its debugging information would be in every image.
$(LWIP_OBJ): $(BUILD)/lwip/object/%.o: $(LWIP_STAMP) | $(SYSROOT_HEADERS) $(BUILD)/libos/abi/xen
	$(call say,CC,lwip/src/$*.c)
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(LIBOS_CFLAGS) $(LWIP_CFLAGS) -w -g0 -fvisibility=hidden -c -o $@ $(LWIP_TREE)/src/$*.c

-include $(LWIP_OBJ:.o=.d)

# Interfaces on the host, with lwIP itself behind them.
$(LWIP_FILES:%=$(LWIP_TREE)/src/%.c): $(LWIP_STAMP) ;
UNIT_TESTS += net_device net_timers net_connections
UNIT_SRC_net_device := libos/net/device.c libos/net/timers.c libos/net/connections.c $(patsubst %,$(LWIP_TREE)/src/%.c,$(filter-out api/tcpip core/sys,$(LWIP_FILES)))
UNIT_SRC_net_timers := $(UNIT_SRC_net_device)
UNIT_FLAGS_net_device = -idirafter libos/include $(LWIP_CFLAGS) -w -fno-sanitize=alignment,shift
UNIT_FLAGS_net_timers = $(UNIT_FLAGS_net_device)
UNIT_SRC_net_connections := $(UNIT_SRC_net_device)
UNIT_FLAGS_net_connections = $(UNIT_FLAGS_net_device)
