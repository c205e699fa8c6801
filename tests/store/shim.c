/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into xenstored, so that it runs on a host without Xen: stands in for the hypervisor's libraries.
 * The rings of domains are pages of a shared file, events are port numbers on a socket; both are inherited as
 * descriptors, which compare.h names. Time runs a hundred times faster, as xenstored slows down domains that
 * write much.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include "tests/store/compare.h"

static int handle; /* its address is every handle */

static void *map_page(unsigned domid)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, COMPARE_PAGES_FD, (off_t)domid * 4096);
    return page == MAP_FAILED ? NULL : page;
}

int open(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    if (strstr(path, "/xsd_port")) {
        int fd = memfd_create("port", 0);
        if (write(fd, "1", 1) != 1 || lseek(fd, 0, SEEK_SET) != 0) {
            return -1;
        }
        return fd;
    }
    if (strstr(path, "/xsd_kva") || strstr(path, "/xen/xenbus")) {
        return dup(COMPARE_PAGES_FD);
    }
    return real(path, flags, mode);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int (*real)(clockid_t, struct timespec *) =
        (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    uint64_t ns;

    if (real(clock, now) != 0) {
        return -1;
    }
    ns = ((uint64_t)now->tv_sec * 1000000000u + (uint64_t)now->tv_nsec) * 100;
    now->tv_sec = (time_t)(ns / 1000000000u);
    now->tv_nsec = (long)(ns % 1000000000u);
    return 0;
}

/* ------------------------------------------------------------------ events */

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned int flags)
{
    (void)logger;
    (void)flags;
    return (xenevtchn_handle *)&handle;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
    (void)xce;
    return COMPARE_EVENTS_FD;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *xce, unsigned int virq)
{
    (void)xce;
    (void)virq;
    return COMPARE_VIRQ_PORT;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce, uint32_t domid,
                                                     evtchn_port_t remote)
{
    (void)xce;
    (void)remote;
    return (int)(domid + 1);
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
    uint32_t domid = port - 1;

    (void)xce;
    return write(COMPARE_EVENTS_FD, &domid, sizeof(domid)) == sizeof(domid) ? 0 : -1;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
    uint32_t port;

    (void)xce;
    return read(COMPARE_EVENTS_FD, &port, sizeof(port)) == sizeof(port) ? (int)port : -1;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    (void)port;
    return 0;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    (void)port;
    return 0;
}

/* ------------------------------------------------------------------ grants and domains */

xengnttab_handle *xengnttab_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    return (xengnttab_handle *)&handle;
}

int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t count)
{
    (void)xgt;
    (void)count;
    return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid, uint32_t ref, int prot)
{
    (void)xgt;
    (void)ref;
    (void)prot;
    return map_page(domid);
}

int xengnttab_unmap(xengnttab_handle *xgt, void *address, uint32_t count)
{
    (void)xgt;
    return munmap(address, count * 4096ul);
}

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild, unsigned flags)
{
    (void)logger;
    (void)dombuild;
    (void)flags;
    return (xc_interface *)&handle;
}

int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned int count, xc_dominfo_t *info)
{
    (void)xch;
    if (count == 0 || first >= COMPARE_DOMAINS) {
        return 0;
    }
    memset(info, 0, sizeof(*info));
    info->domid = first;
    info->running = 1;
    return 1;
}
