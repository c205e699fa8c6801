/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/address.h"

#include <stddef.h>
#include <string.h>

#define FORMS "NAME of a local host, unix:/PATH or serial:/dev/DEVICE"

/* What stands behind the prefix; NULL when text does not begin with it. */
static const char *behind(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

const char *parse_address(const char *text, struct address *address)
{
    const char *value;

    *address = (struct address){.kind = ADDRESS_LOCAL, .value = text};
    if ((value = behind(text, "unix:")) != NULL)
        *address = (struct address){.kind = ADDRESS_UNIX, .value = value};
    else if ((value = behind(text, "serial:")) != NULL)
        *address = (struct address){.kind = ADDRESS_SERIAL, .value = value};
    else if (behind(text, "tcp:") != NULL)
        return "names a network; hosts are not reached over networks yet: expected " FORMS;
    else if (strchr(text, ':') != NULL || strchr(text, '/') != NULL)
        return "is no address: expected " FORMS;
    if (*address->value == '\0')
        return "is not complete: expected " FORMS;
    return NULL;
}
