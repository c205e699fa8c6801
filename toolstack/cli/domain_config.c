/* SPDX-License-Identifier: MIT */
#include "toolstack/cli/domain_config.h"
#include "toolstack/lib/archive.h"
#include "toolstack/lib/blob.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"
#include "toolstack/lib/xl_cfg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VCPUS_MAX 8192

enum domain_key { KEY_NAME = 384, KEY_VCPUS };

static const struct argp_option options[] = {
    {"name", KEY_NAME, "NAME", 0, "the domain's name (default: the image's)", 1},
    {"vcpus", KEY_VCPUS, "N", 0, "its virtual processors (default: 1)", 1},
    {0},
};

static error_t parse_domain(int key, char *argument, struct argp_state *state)
{
    struct domain_request *request = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->guest;
        return 0;
    case KEY_NAME:
        request->name = argument;
        return 0;
    case KEY_VCPUS:
        request->vcpus = argument_number(state, "vcpus", argument, 1, VCPUS_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{.argp = &guest_argp}, {0}};
const struct argp domain_argp = {.options = options, .parser = parse_domain, .children = children};

/* A Config from the options alone. */
static cJSON *from_image(const struct domain_request *request)
{
    cJSON *config = json_object();
    char *name = program_name(request->guest.image);

    json_set_text(config, "kernel", request->guest.image);
    json_set_text(config, "name", request->name != NULL ? request->name : name);
    free(name);
    return config;
}

/* A Config from an xl.cfg; NULL with a message. */
static cJSON *from_cfg(const struct domain_request *request)
{
    if (request->guest.args[0] != NULL || request->guest.nr_environment != 0) {
        report("arguments and --env go with an image; the configuration %s has extra= and cmdline= for them",
               request->guest.image);
        return NULL;
    }
    return xl_cfg_read(request->guest.image);
}

/* What options say wins; who says nothing of memory gets what an image gets. */
static void apply_options(const struct domain_request *request, cJSON *config)
{
    if (request->name != NULL)
        json_set_text(config, "name", request->name);
    if (request->vcpus != 0)
        json_set_number(config, "vcpus", request->vcpus);
    if (request->guest.memory != 0)
        json_set_number(config, "memory_kib", (request->guest.memory + KIB - 1) / KIB);
    else if (!cJSON_HasObjectItem(config, "memory_kib"))
        json_set_number(config, "memory_kib", DEFAULT_MEMORY / KIB);
}

/* Opens the ramdisk: --root as an archive, or a file. -1: failed with a message; *fd is -1 when there is
 * none. */
static int open_ramdisk(const struct domain_request *request, const cJSON *config, int *fd)
{
    const char *path = json_text(config, "ramdisk", NULL);

    *fd = -1;
    if (request->guest.root != NULL) {
        *fd = blob_create("root archive");
        return *fd >= 0 && write_root_archive(request->guest.root, *fd) == 0 ? 0 : -1;
    }
    if (path == NULL)
        return 0;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        report("cannot open the ramdisk %s: %s", path, strerror(errno));
    return *fd >= 0 ? 0 : -1;
}

/* The command line of an image with its arguments. 0, or -1 with a message. */
static int add_command(const struct domain_request *request, const struct image *image, cJSON *config)
{
    static const char *const no_settings[] = {NULL};
    struct text command = {0};
    int result;

    text_add(&command, "");
    add_guest_words(&command, command_add_word, image, &request->guest, no_settings);
    result = check_command(&command);
    if (result == 0 && command.length != 0)
        json_set_text(config, "cmdline", command.text);
    free(command.text);
    return result;
}

/* Opens and checks what the Config names. 0, or -1 with a message. */
static int open_files(const struct domain_request *request, cJSON *config, bool is_cfg,
                      struct domain_files *files)
{
    uint64_t memory = json_number(config, "memory_kib") * KIB;

    files->image_path = strdup(json_text(config, "kernel", ""));
    if (files->image_path == NULL || image_open(&files->image, files->image_path) != 0)
        return -1;
    files->boot_fd = image_boot_part(&files->image);
    if (files->boot_fd < 0 || open_ramdisk(request, config, &files->ramdisk_fd) != 0)
        return -1;
    if (!is_cfg && add_command(request, &files->image, config) != 0)
        return -1;
    cJSON_DeleteItemFromObjectCaseSensitive(config, "kernel");
    cJSON_DeleteItemFromObjectCaseSensitive(config, "ramdisk");
    return image_check_memory(&files->image, files->ramdisk_fd >= 0 ? file_size(files->ramdisk_fd) : 0,
                              memory);
}

cJSON *domain_config(const struct domain_request *request, struct domain_files *files)
{
    bool is_cfg = is_xl_cfg(request->guest.image);
    cJSON *config = is_cfg ? from_cfg(request) : from_image(request);

    *files = (struct domain_files){.image = {.fd = -1}, .boot_fd = -1, .ramdisk_fd = -1};
    if (config == NULL)
        return NULL;
    apply_options(request, config);
    if (open_files(request, config, is_cfg, files) == 0)
        return config;
    domain_files_close(files);
    cJSON_Delete(config);
    return NULL;
}

void domain_files_close(struct domain_files *files)
{
    if (files->image.fd >= 0)
        image_close(&files->image);
    if (files->boot_fd >= 0)
        close(files->boot_fd);
    if (files->ramdisk_fd >= 0)
        close(files->ramdisk_fd);
    free(files->image_path);
}
