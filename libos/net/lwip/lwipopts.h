/* SPDX-License-Identifier: MIT */
/*
 * lwIP's configuration. The stack runs in one thread and under one lock (the core lock); sockets call its
 * raw interface with that lock held, so lwIP's own socket and netconn layers are not compiled. Nothing
 * comes out of a pool of fixed size: memory is malloc's, and what bounds a number is said here.
 */
#ifndef LIBOS_NET_LWIPOPTS_H
#define LIBOS_NET_LWIPOPTS_H

/* The way it runs. */
#define NO_SYS                             0
#define SYS_LIGHTWEIGHT_PROT               1
#define LWIP_TCPIP_CORE_LOCKING            1
#define LWIP_TCPIP_CORE_LOCKING_INPUT      1
#define LWIP_NETCONN                       0
#define LWIP_SOCKET                        0
#define LWIP_STATS                         0
#define LWIP_NOASSERT                      0
#define LWIP_NETIF_LOOPBACK_MULTITHREADING 1
#define LWIP_TIMERS_CUSTOM                 1 /* libos/net/timers.c */
#define TCPIP_THREAD_NAME                  "network"

/* Memory. */
#define MEM_LIBC_MALLOC                1
#define MEMP_MEM_MALLOC                1
#define MEM_ALIGNMENT                  8
#define LWIP_SUPPORT_CUSTOM_PBUF       1
#define PBUF_POOL_BUFSIZE              1600
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1 /* they compare with the sizes of pools that are not used */

/* Interfaces. */
#define LWIP_ETHERNET                  1
#define LWIP_HAVE_LOOPIF               1
#define LWIP_NETIF_LOOPBACK            1
#define LWIP_LOOPBACK_MAX_PBUFS        0 /* windows bound it */
#define LWIP_LOOPIF_MULTICAST          1
#define LWIP_SINGLE_NETIF              0
#define LWIP_NETIF_HOSTNAME            1
#define LWIP_NETIF_STATUS_CALLBACK     1
#define LWIP_NETIF_LINK_CALLBACK       1
#define LWIP_NETIF_REMOVE_CALLBACK     1
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1
#define LWIP_CHECKSUM_CTRL_PER_NETIF   1
#define LWIP_NETIF_TX_SINGLE_PBUF      0

/* IPv4. */
#define LWIP_IPV4                 1
#define IP_FORWARD                0
#define IP_FRAG                   1
#define IP_REASSEMBLY             1
#define IP_REASS_MAX_PBUFS        512
#define MEMP_NUM_REASSDATA        64
#define LWIP_ARP                  1
#define ARP_TABLE_SIZE            127
#define ARP_QUEUEING              1
#define ARP_QUEUE_LEN             32
#define LWIP_ICMP                 1
#define LWIP_RAW                  1
#define LWIP_DHCP                 1
#define LWIP_DHCP_GET_NTP_SRV     0
#define LWIP_IGMP                 1
#define LWIP_MULTICAST_TX_OPTIONS 1
#define IP_SOF_BROADCAST          1
#define IP_SOF_BROADCAST_RECV     0 /* a datagram that was sent to all is received without asking */

/* IPv6. */
#define LWIP_IPV6                      1
#define LWIP_IPV6_FRAG                 1
#define LWIP_IPV6_REASS                1
#define LWIP_IPV6_MLD                  1
#define LWIP_IPV6_AUTOCONFIG           1
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS  1
#define LWIP_IPV6_NUM_ADDRESSES        6
#define LWIP_ND6_NUM_NEIGHBORS         64
#define LWIP_ND6_NUM_DESTINATIONS      64
#define LWIP_ND6_NUM_PREFIXES          8
#define LWIP_ND6_NUM_ROUTERS           4
#define LWIP_ND6_QUEUEING              1
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 2
#define LWIP_ND6_MAX_MULTICAST_SOLICIT 3
#define MEMP_NUM_MLD6_GROUP            16

/* DNS. */
#define LWIP_DNS            1
#define DNS_MAX_SERVERS     3
#define DNS_TABLE_SIZE      32
#define DNS_MAX_REQUESTS    32
#define DNS_MAX_NAME_LENGTH 256
#define DNS_MAX_RETRIES     4
#define LWIP_DNS_SECURE     (LWIP_DNS_SECURE_RAND_XID | LWIP_DNS_SECURE_RAND_SRC_PORT)

/* UDP. */
#define LWIP_UDP             1
#define LWIP_NETBUF_RECVINFO 0

/* TCP: windows of a quarter of a MiB, an MSS that lets jumbo frames and the loopback be used. */
#define LWIP_TCP                   1
#define TCP_MSS                    8960
#define LWIP_WND_SCALE             1
#define TCP_RCV_SCALE              2
#define TCP_WND                    (65535u << TCP_RCV_SCALE)
#define TCP_SND_BUF                (256u << 10)
#define TCP_SND_QUEUELEN           4096 /* pbufs, for many small writes */
#define TCP_SNDLOWAT               (TCP_SND_BUF / 3)
#define TCP_OVERSIZE               512
#define TCP_QUEUE_OOSEQ            1
#define TCP_OOSEQ_MAX_BYTES        TCP_WND
#define TCP_OOSEQ_MAX_PBUFS        256 /* a full window has 180 */
#define LWIP_TCP_SACK_OUT          1
#define LWIP_TCP_TIMESTAMPS        1
#define LWIP_TCP_KEEPALIVE         1
#define LWIP_TCP_PCB_NUM_EXT_ARGS  1    /* libos/net/connections.c */
#define LWIP_TCP_RTO_TIME          1000 /* RFC 6298 */
#define TCP_LISTEN_BACKLOG         1
#define TCP_DEFAULT_LISTEN_BACKLOG 255
#define TCP_MSL                    15000 /* TIME_WAIT lasts half a minute; the oldest goes earlier: tcp.c */
#define TCP_CALCULATE_EFF_SEND_MSS 1
#define SO_REUSE                   1

/* Checksums are the NIC's where it can (netif->chksum_flags). */
#define LWIP_CHKSUM_ALGORITHM 3

/* Hooks: libos/net/hooks.h declares the functions. */
#define LWIP_HOOK_FILENAME                                             "libos/net/hooks.h"
#define LWIP_HOOK_IP4_INPUT(p, netif)                                  net_hook_ip4(p)
#define LWIP_HOOK_IP6_INPUT(p, netif)                                  net_hook_ip6(p)
#define LWIP_HOOK_TCP_ISN                                              net_hook_isn
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, hdr, optlen, opt1len, opt2, p) net_hook_tcp_packet(pcb, hdr)

#endif
