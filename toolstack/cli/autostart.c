/* SPDX-License-Identifier: MIT */
#include "toolstack/cli/autostart.h"
#include "toolstack/lib/boot_archive.h"
#include "toolstack/lib/digest.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <string.h>

/* Puts the domain and its files into the archive. 0, or -1 with a message. */
static int autostart_add(struct boot_archive *archive, struct domain_files *files, cJSON *config)
{
    char digest[DIGEST_TEXT];

    if (boot_archive_add_image(archive, files->boot_fd, files->image.path, digest) != 0)
        return -1;
    json_set_text(config, "kernel", digest);
    if (files->ramdisk_fd >= 0) {
        if (boot_archive_add_image(archive, files->ramdisk_fd, "the ramdisk", digest) != 0)
            return -1;
        json_set_text(config, "ramdisk", digest);
    }
    return boot_archive_add_domain(archive, config);
}

/* Adds the domain of one file, whose name no other may have. names: the names so far. 0, or -1 with a
 * message. */
static int add_file(struct boot_archive *archive, char *file, cJSON *names, struct disk_images *disks)
{
    static char *no_args[] = {NULL};
    const struct domain_request request = {.guest = {.image = file, .args = no_args}};
    struct domain_files files;
    cJSON *config = domain_config(&request, &files);
    const char *name, *other;
    int result = -1;

    if (config == NULL)
        return -1;
    name = json_text(config, "name", "");
    other = json_text(names, name, NULL);
    if (other != NULL) {
        report("%s: the name '%s' is that of the domain of %s already", file, name, other);
    } else {
        json_set_text(names, name, file);
        result = disks != NULL ? disk_images_add_config(disks, config, file) : 0;
        if (result == 0)
            result = autostart_add(archive, &files, config);
    }
    domain_files_close(&files);
    cJSON_Delete(config);
    return result;
}

int autostart_write(int fd, const char *token, char *const *files, unsigned count, struct disk_images *disks)
{
    struct boot_archive *archive = boot_archive_begin(fd, token);
    cJSON *names;
    int result = 0;

    if (archive == NULL)
        return -1;
    names = json_object();
    for (unsigned i = 0; i < count && result == 0; i++)
        result = add_file(archive, files[i], names, disks);
    cJSON_Delete(names);
    if (boot_archive_end(archive) != 0)
        result = -1;
    return result;
}
