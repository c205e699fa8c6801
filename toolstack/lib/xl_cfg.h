/* SPDX-License-Identifier: MIT */
/*
 * Domain configurations in xl's format (xl.cfg), parsed by Xen's own libxlutil and translated to what the API
 * calls a Config (toolstack/control/openapi.json).
 */
#ifndef TOOLSTACK_LIB_XL_CFG_H
#define TOOLSTACK_LIB_XL_CFG_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/*
 * Reads the file. Returns a new Config, whose `kernel` and `ramdisk` are still paths on this machine
 * (relative ones begin at the current directory, as with xl), or NULL after saying on stderr what is wrong,
 * with file and line. What has no effect here gets a line on stderr, too: unknown keys, and actions that are
 * mapped to the nearest.
 */
cJSON *xl_cfg_read(const char *path);

/* Whether a file is an xl.cfg rather than an image: it is no ELF file. False when it cannot be read. */
bool is_xl_cfg(const char *path);

/*
 * Finds the settings of a text that libxlutil's parser accepts: calls found with each key and its line, in
 * their order. The parser itself does not tell which keys a file has.
 */
void xl_cfg_keys(const char *text, void (*found)(void *context, const char *key, unsigned line),
                 void *context);

#endif
