/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FORMS "NAME of a local host, unix:/PATH, serial:/dev/DEVICE or tcp:ADDRESS[:PORT]"

/* What stands behind the prefix; NULL when text does not begin with it. */
static const char *behind(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

uint16_t parse_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* ADDRESS[:PORT]; false: it is none. */
static bool parse_tcp(const char *text, struct address *address)
{
    const char *from = text + (text[0] == '['), *rest = from + strcspn(from, text[0] == '[' ? "]" : ":");
    size_t length = (size_t)(rest - from);

    if (length == 0 || length >= sizeof(address->host) || (text[0] == '[' && *rest != ']'))
        return false;
    memcpy(address->host, from, length);
    address->host[length] = '\0';
    rest += text[0] == '[';
    address->port = *rest == ':' ? parse_port(rest + 1) : *rest == '\0' ? API_PORT : 0;
    return address->port != 0 && strpbrk(address->host, "/@?# ") == NULL;
}

const char *parse_address(const char *text, struct address *address)
{
    const char *value;

    *address = (struct address){.kind = ADDRESS_LOCAL, .value = text};
    if ((value = behind(text, "unix:")) != NULL)
        *address = (struct address){.kind = ADDRESS_UNIX, .value = value};
    else if ((value = behind(text, "serial:")) != NULL)
        *address = (struct address){.kind = ADDRESS_SERIAL, .value = value};
    else if ((value = behind(text, "tcp:")) != NULL)
        *address = (struct address){.kind = ADDRESS_TCP, .value = value};
    else if (strchr(text, ':') != NULL || strchr(text, '/') != NULL)
        return "is no address: expected " FORMS;
    if (*address->value == '\0')
        return "is not complete: expected " FORMS;
    if (address->kind == ADDRESS_TCP && !parse_tcp(address->value, address))
        return "is no address on a network: expected tcp:ADDRESS[:PORT], such as tcp:192.0.2.7, "
               "tcp:host.lan:7420 or "
               "tcp:[2001:db8::7]";
    return NULL;
}
