/* SPDX-License-Identifier: MIT */
/* From what the user says of a domain (an image or an xl.cfg, and options) to the API's Config and its files.
 */
#ifndef TOOLSTACK_CLI_DOMAIN_CONFIG_H
#define TOOLSTACK_CLI_DOMAIN_CONFIG_H

#include "toolstack/cli/arguments.h"
#include "toolstack/lib/image.h"

#include <argp.h>
#include <cjson/cJSON.h>

/* guest.image is the image or configuration; guest.memory 0: not given. */
struct domain_request {
    struct guest_request guest;
    const char *name; /* NULL: not given */
    unsigned vcpus;   /* 0: not given */
};

/* The files of a configuration, open. */
struct domain_files {
    struct image image;
    char *image_path; /* what image.path points to */
    int boot_fd;      /* image_boot_part of the image */
    int ramdisk_fd;   /* -1: none */
};

/* argp's child for --name, --vcpus and those of guest_argp; the input is a struct domain_request. */
extern const struct argp domain_argp;

/*
 * Makes the Config without `kernel` and `ramdisk` (which are given by files), and opens the files; checks
 * that the image is one, that its memory holds it and that its command line fits. NULL with a message.
 */
cJSON *domain_config(const struct domain_request *request, struct domain_files *files);

void domain_files_close(struct domain_files *files);

#endif
