/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/forward.h"
#include "toolstack/lib/report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A port, 1 to 65535, that ends at `end`; *text is moved behind it. */
static bool read_port(const char **text, uint16_t *port)
{
    char *end;
    unsigned long value;

    if (**text < '0' || **text > '9')
        return false;
    value = strtoul(*text, &end, 10);
    *text = end;
    *port = (uint16_t)value;
    return value >= 1 && value <= UINT16_MAX;
}

bool forward_parse(const char *text, struct forward *forward)
{
    const char *colon = strchr(text, ':'), *second = colon != NULL ? strchr(colon + 1, ':') : NULL;
    struct in_addr address;
    size_t length;

    *forward = (struct forward){.address = "127.0.0.1"};
    if (second != NULL) {
        length = (size_t)(colon - text);
        if (length >= sizeof(forward->address))
            return false;
        memcpy(forward->address, text, length);
        forward->address[length] = '\0';
        if (inet_pton(AF_INET, forward->address, &address) != 1)
            return false;
        text = colon + 1;
    }
    if (!read_port(&text, &forward->host) || *text++ != ':' || !read_port(&text, &forward->guest))
        return false;
    forward->udp = strcmp(text, "/udp") == 0;
    return forward->udp || *text == '\0' || strcmp(text, "/tcp") == 0;
}

int forward_check(const struct forward *forward)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(forward->host)};
    int fd = socket(AF_INET, (forward->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0), one = 1, error = 0;

    inet_pton(AF_INET, forward->address, &place.sin_addr);
    /* As QEMU does: a port whose last connections are still closing is free. */
    if (fd < 0 || (!forward->udp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0) ||
        bind(fd, (const struct sockaddr *)&place, sizeof(place)) != 0 ||
        (!forward->udp && listen(fd, 1) != 0))
        error = errno;
    if (fd >= 0)
        close(fd);
    if (error == 0)
        return 0;
    if (error == EADDRINUSE && forward->to != NULL)
        report("port %u of %s (TCP) is in use by another program; end that, or give --listen another port",
               forward->host, forward->address);
    else if (error == EADDRINUSE)
        report("port %u of %s (%s) is in use by another program; end that, or give -p another port such as "
               "-p %u:%u",
               forward->host, forward->address, forward->udp ? "UDP" : "TCP",
               forward->host < UINT16_MAX ? forward->host + 1u : 8080u, forward->guest);
    else
        report("cannot listen at port %u of %s: %s%s", forward->host, forward->address, strerror(error),
               error == EACCES ? "; ports below 1024 are for root" : "");
    return -1;
}

void forward_add(struct qemu_args *arguments, const struct network_request *network)
{
    struct text netdev = {0}, device = {0};

    if (network->model == NULL)
        return;
    text_add(&netdev, "user,id=net");
    for (unsigned i = 0; i < network->nr_forwards; i++) {
        const struct forward *forward = &network->forwards[i];

        text_format(&netdev, ",hostfwd=%s:%s:%u-%s:%u", forward->udp ? "udp" : "tcp", forward->address,
                    forward->host, forward->to != NULL ? forward->to : "", forward->guest);
    }
    text_format(&device, "%s,netdev=net", network->model);
    qemu_add(arguments, "-netdev");
    qemu_add_text(arguments, netdev);
    qemu_add(arguments, "-device");
    qemu_add_text(arguments, device);
}
