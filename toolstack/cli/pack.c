/* SPDX-License-Identifier: MIT */
/* coracle pack: a medium that boots into the hypervisor and one image; pack_host.c has --autostart. */
#include "toolstack/cli/arguments.h"
#include "toolstack/cli/cli.h"
#include "toolstack/cli/medium.h"
#include "toolstack/lib/archive.h"
#include "toolstack/lib/blob.h"
#include "toolstack/lib/paths.h"
#include "toolstack/lib/process.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"
#include "toolstack/lib/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pack_request {
    struct guest_request guest;
    const char *output;
    const char *options; /* for the hypervisor */
};

struct pack_content {
    const struct pack_request *request;
    const struct image *image;
};

/* On a real machine the console is a terminal, which is what the libOS expects without a word. */
static const char *const no_settings[] = {NULL};

enum pack_key { KEY_APPEND = 256, KEY_AUTOSTART };

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "the medium to write, such as boot.iso or boot.img", 2},
    {"append", KEY_APPEND, "OPTIONS", 0, "more options for the hypervisor", 2},
    {"autostart", KEY_AUTOSTART, NULL, 0, "pack a host instead, see 'coracle pack --autostart --help'", 2},
    {0},
};

static error_t parse_pack(int key, char *argument, struct argp_state *state)
{
    struct pack_request *request = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->guest;
        return 0;
    case 'o':
        request->output = argument;
        return 0;
    case KEY_APPEND:
        request->options = argument;
        return 0;
    case ARGP_KEY_END:
        if (request->output == NULL)
            argp_error(state, "expected -o FILE, the medium to write");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{.argp = &guest_argp}, {0}};
static const struct argp pack_argp = {
    .options = options,
    .parser = parse_pack,
    .args_doc = "-o FILE IMAGE [-- ARGUMENT...]\n-o FILE --autostart [FILE...]",
    .doc = "Writes a medium that boots IMAGE on the Coracle hypervisor through GRUB, by BIOS and by UEFI.\v"
           "The console is the first serial line, 115200 baud. The file boots as a CD and, copied to a disk "
           "or USB "
           "stick as it is, from there.",
    .children = children,
};

/* The menu's only entry. 0, or -1 when an argument cannot pass through GRUB. */
static int make_menu(struct text *menu, const struct pack_request *request, const struct image *image)
{
    for (char **argument = request->guest.args; *argument != NULL; argument++) {
        const char *problem = why_not_through_grub(*argument);

        if (problem != NULL) {
            report("the argument '%s' %s", *argument, problem);
            return -1;
        }
    }
    text_add(menu, MEDIUM_MENU);
    text_format(menu, " dom0_mem=%" PRIu64 "K %s\n", request->guest.memory / KIB, request->options);
    text_add(menu, "  module2 /boot/guest.elf");
    add_guest_words(menu, grub_add_word, image, &request->guest, no_settings);
    text_add(menu, "\n");
    if (request->guest.root != NULL)
        text_add(menu, "  module2 /boot/root.tar\n");
    text_add(menu, "}\n");
    return 0;
}

/* Whether the domain gets its command line and fits its memory. 0 or -1. */
static int check_guest(const struct pack_request *request, const struct image *image, uint64_t root_size)
{
    struct text command = {0};
    int result;

    text_add(&command, "");
    add_guest_words(&command, command_add_word, image, &request->guest, no_settings);
    result = check_command(&command);
    free(command.text);
    return result == 0 ? image_check_memory(image, root_size, request->guest.memory) : -1;
}

static int stage_root(const struct stage *stage, const char *directory, uint64_t *size)
{
    int fd = stage_create(stage, "boot/root.tar");
    int result;

    if (fd < 0)
        return -1;
    result = write_root_archive(directory, fd);
    *size = file_size(fd);
    close(fd);
    return result;
}

/* Puts the files of the medium into the stage. 0 or -1 with a message. */
static int fill_stage(const struct stage *stage, void *context)
{
    const struct pack_content *content = context;
    const struct pack_request *request = content->request;
    const struct image *image = content->image;
    struct text menu = {0};
    uint64_t root_size = 0;
    int result = -1;

    if (make_menu(&menu, request, image) == 0 && stage_directory(stage, "boot") == 0 &&
        medium_fill(stage, menu.text) == 0 &&
        (request->guest.root == NULL || stage_root(stage, request->guest.root, &root_size) == 0) &&
        check_guest(request, image, root_size) == 0)
        result = stage_copy(stage, "boot/guest.elf", image->path);
    free(menu.text);
    return result;
}

static bool wants_autostart(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--autostart") == 0)
            return true;
    return false;
}

int verb_pack(int argc, char **argv)
{
    struct pack_request request = {.guest = {.memory = DEFAULT_MEMORY}, .options = ""};
    struct pack_content content = {.request = &request};
    struct image image;
    int count, status;

    if (wants_autostart(argc, argv))
        return pack_host(argc, argv);
    count = split_guest_args(argc, argv, &request.guest);
    argp_parse(&pack_argp, count, argv, 0, NULL, &request);
    if (medium_check_tools() != 0 || image_open(&image, request.guest.image) != 0)
        return EXIT_FAILED;
    content.image = &image;
    status = medium_write(request.output, fill_stage, &content);
    image_close(&image);
    free(request.guest.environment);
    return status;
}
