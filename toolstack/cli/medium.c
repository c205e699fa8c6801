/* SPDX-License-Identifier: MIT */
#include "toolstack/cli/medium.h"
#include "toolstack/lib/blob.h"
#include "toolstack/lib/paths.h"
#include "toolstack/lib/process.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int medium_check_tools(void)
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

int medium_fill(const struct stage *stage, const char *menu)
{
    char *hypervisor = NULL;
    int result = -1;

    if (stage_directory(stage, "boot/grub") == 0 && stage_write(stage, "boot/grub/grub.cfg", menu) == 0)
        hypervisor = find_hypervisor();
    if (hypervisor != NULL)
        result = stage_copy(stage, "boot/coracle.elf", hypervisor);
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
static int write_staged(const struct stage *stage, const char *output,
                        int (*fill)(const struct stage *stage, void *context), void *context)
{
    char *medium;
    int result = -1;

    if (create_beside(output, &medium) != 0)
        return -1;
    if (fill(stage, context) == 0)
        result = make_medium(stage, medium);
    if (result == 0 && rename(medium, output) != 0) {
        report("cannot write %s: %s", output, strerror(errno));
        result = -1;
    }
    if (result != 0)
        unlink(medium);
    free(medium);
    return result;
}

int medium_write(const char *output, int (*fill)(const struct stage *stage, void *context), void *context)
{
    struct stage stage = {0};
    int result;

    if (stage_open(&stage) != 0)
        return EXIT_FAILED;
    result = write_staged(&stage, output, fill, context);
    stage_close(&stage);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}
