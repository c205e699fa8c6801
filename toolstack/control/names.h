/* SPDX-License-Identifier: MIT */
/* Which names and values a user may give: pure checks, the same for the API and the boot archive. */
#ifndef TOOLSTACK_CONTROL_NAMES_H
#define TOOLSTACK_CONTROL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "toolstack/control/domain.h"

#define IMAGE_NAME_MAX 127
#define CONFIG_VCPUS   128u /* the most that a domain can have */
#define CPUS_MAX       256u /* processors that a list may name */

/*
 * A domain's name: 1 to DOMAIN_NAME_MAX letters, digits, _ - . :, neither digits alone, which would be a
 * domid, nor a first character that a shell or a path would take for something else (- .).
 */
bool domain_name_valid(const char *name);

/* An image's name: 1 to IMAGE_NAME_MAX letters, digits, _ - . + :, not beginning with a point. */
bool image_name_valid(const char *name);

/*
 * Reads a list of processors as xl.cfg's cpus= writes it: numbers and ranges ("2", "0-3"), each with an
 * optional ^ in front that takes them out again, separated by commas; "all". Those at nr_cpus and above do
 * not exist. map: one bit a processor, (nr_cpus + 7) / 8 bytes are written. 0; -EINVAL: malformed; -ERANGE:
 * names one that does not exist, or none is left.
 */
int cpus_parse(const char *text, unsigned nr_cpus, uint8_t *map);

/* Checks everything that can be known without the host's state. 0, or -EINVAL with *error filled. */
int domain_config_check(const struct domain_config *config, struct domain_error *error);

#endif
