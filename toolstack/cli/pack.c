/* SPDX-License-Identifier: MIT */
/*
 * coracle pack: a medium that boots through GRUB into the hypervisor and one image, by BIOS and by UEFI.
 *
 * grub-mkrescue makes it from a directory: boot/coracle.elf, boot/guest.elf, boot/root.tar and
 * boot/grub/grub.cfg. The result is a hybrid: it boots as a CD and, written byte by byte, as a disk or USB
 * stick. It is made beside the output under another name and moved there when it is whole.
 */
#include "toolstack/cli/arguments.h"
#include "toolstack/cli/cli.h"
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

/* On a real machine the console is a terminal, which is what the libOS expects without a word. */
static const char *const no_settings[] = {NULL};

enum pack_key { KEY_APPEND = 256 };

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "the medium to write, such as boot.iso or boot.img", 2},
    {"append", KEY_APPEND, "OPTIONS", 0, "more options for the hypervisor", 2},
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
    .args_doc = "-o FILE IMAGE [-- ARGUMENT...]",
    .doc = "Writes a medium that boots IMAGE on the Coracle hypervisor through GRUB, by BIOS and by UEFI.\v"
           "The console is the first serial line, 115200 baud. The file boots as a CD and, copied to a disk "
           "or USB "
           "stick as it is, from there.",
    .children = children,
};

/* Everything that grub-mkrescue needs; each missing one is named with its package. 0 or -1. */
static int check_tools(void)
{
    static const struct {
        const char *path, *package;
    } needed[] = {
        {"grub-mkrescue", "grub-common"},
        {"xorriso", "xorriso"},
        {"mformat", "mtools"},
        {"/usr/lib/grub/i386-pc", "grub-pc-bin"},
        {"/usr/lib/grub/x86_64-efi", "grub-efi-amd64-bin"},
    };
    int result = 0;

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (have_program(needed[i].path))
            continue;
        report("pack needs %s; install the package %s", needed[i].path, needed[i].package);
        result = -1;
    }
    return result;
}

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
    text_add(menu, "set timeout=0\n"
                   "set default=0\n"
                   "serial --unit=0 --speed=115200\n"
                   "terminal_input console serial\n"
                   "terminal_output console serial\n"
                   "menuentry Coracle {\n"
                   "  multiboot2 /boot/coracle.elf com1=115200,8n1 console=com1");
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
static int fill_stage(const struct stage *stage, const struct pack_request *request,
                      const struct image *image)
{
    struct text menu = {0};
    uint64_t root_size = 0;
    char *hypervisor = NULL;
    int result = -1;

    if (make_menu(&menu, request, image) == 0 && stage_directory(stage, "boot") == 0 &&
        stage_directory(stage, "boot/grub") == 0 &&
        stage_write(stage, "boot/grub/grub.cfg", menu.text) == 0 &&
        (request->guest.root == NULL || stage_root(stage, request->guest.root, &root_size) == 0) &&
        check_guest(request, image, root_size) == 0)
        hypervisor = find_hypervisor();
    if (hypervisor != NULL && stage_copy(stage, "boot/coracle.elf", hypervisor) == 0)
        result = stage_copy(stage, "boot/guest.elf", image->path);
    free(menu.text);
    free(hypervisor);
    return result;
}

/* Prints what grub-mkrescue said. */
static void show_output(int fd)
{
    char buffer[4096];
    ssize_t count;

    lseek(fd, 0, SEEK_SET);
    while ((count = read(fd, buffer, sizeof(buffer))) > 0)
        fwrite(buffer, 1, (size_t)count, stderr);
}

/* Makes the medium from the stage as the file `medium`. 0 or -1 with a message. */
static int make_medium(const struct stage *stage, const char *medium)
{
    const char *argv[] = {"grub-mkrescue",
                          "--fonts=",
                          "--locales=",
                          "--themes=",
                          "--install-modules=normal multiboot2 iso9660 serial terminal part_msdos part_gpt",
                          "-o",
                          medium,
                          stage->path,
                          NULL};
    int output = blob_create("output of grub-mkrescue");
    int status;

    if (output < 0)
        return -1;
    status = process_run(argv, output);
    if (status > 0) {
        show_output(output);
        report("grub-mkrescue failed with status %d; what it said is above", status);
    }
    close(output);
    return status == 0 ? 0 : -1;
}

/* Creates the file under another name in the output's directory; *name is for free(). 0 or -1 with a message.
 */
static int create_beside(const char *output, char **name)
{
    mode_t mask = umask(0);
    int fd;

    umask(mask);
    if (asprintf(name, "%s.XXXXXX", output) < 0) {
        report("out of memory");
        return -1;
    }
    fd = mkstemp(*name);
    if (fd < 0) {
        report("cannot write %s: %s", output, strerror(errno));
        free(*name);
        return -1;
    }
    fchmod(fd, 0666 & ~mask);
    close(fd);
    return 0;
}

/* Makes the medium beside the output and moves it there. 0 or -1 with a message. */
static int pack_into(const struct stage *stage, const struct pack_request *request, const struct image *image)
{
    char *medium;
    int result = -1;

    if (create_beside(request->output, &medium) != 0)
        return -1;
    if (fill_stage(stage, request, image) == 0)
        result = make_medium(stage, medium);
    if (result == 0 && rename(medium, request->output) != 0) {
        report("cannot write %s: %s", request->output, strerror(errno));
        result = -1;
    }
    if (result != 0)
        unlink(medium);
    free(medium);
    return result;
}

static int pack_image(const struct pack_request *request, const struct image *image)
{
    struct stage stage = {0};
    int result;

    if (stage_open(&stage) != 0)
        return EXIT_FAILED;
    result = pack_into(&stage, request, image);
    stage_close(&stage);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}

int verb_pack(int argc, char **argv)
{
    struct pack_request request = {.guest = {.memory = DEFAULT_MEMORY}, .options = ""};
    struct image image;
    int count = split_guest_args(argc, argv, &request.guest);
    int status;

    argp_parse(&pack_argp, count, argv, 0, NULL, &request);
    if (check_tools() != 0 || image_open(&image, request.guest.image) != 0)
        return EXIT_FAILED;
    status = pack_image(&request, &image);
    image_close(&image);
    free(request.guest.environment);
    return status;
}
