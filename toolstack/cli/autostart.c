/* SPDX-License-Identifier: MIT */
#include "toolstack/cli/autostart.h"
#include "toolstack/backend/vif_config.h"
#include "toolstack/lib/boot_archive.h"
#include "toolstack/lib/digest.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <stdio.h>
#include <string.h>

#define PLACE_MAX 40 /* "BRIDGE MAC" */

/* What must be each domain's own: names, and addresses on a bridge, with the file that has them. */
struct taken {
    cJSON *names, *addresses;
};

/* The interfaces as the host will read them: better now than on its console. 0, or -1 with a message. */
static int check_vifs(const cJSON *config, const char *file, cJSON *addresses)
{
    const cJSON *vif;
    unsigned number = 0;

    cJSON_ArrayForEach(vif, cJSON_GetObjectItemCaseSensitive(config, "vif"))
    {
        struct vif_config parsed;
        struct domain_error error;
        char mac[18], place[PLACE_MAX];
        const char *other;

        if (vif_config_parse(vif->valuestring, number++, &parsed, &error) != 0) {
            report("%s: %s", file, error.text);
            return -1;
        }
        if (!parsed.has_mac)
            continue;
        vif_mac_text(parsed.mac, mac);
        snprintf(place, sizeof(place), "%s %s", parsed.bridge, mac);
        other = json_text(addresses, place, NULL);
        if (other != NULL) {
            report("%s: vif %u: expected an address of its own on bridge %s, found %s, which %s has already",
                   file, number - 1, parsed.bridge, mac, other);
            return -1;
        }
        json_set_text(addresses, place, file);
    }
    return 0;
}

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

/* Adds the domain of one file, whose name and addresses no other may have. 0, or -1 with a message. */
static int add_file(struct boot_archive *archive, char *file, struct taken *taken, struct disk_images *disks)
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
    other = json_text(taken->names, name, NULL);
    if (other != NULL) {
        report("%s: the name '%s' is that of the domain of %s already", file, name, other);
    } else if (check_vifs(config, file, taken->addresses) == 0) {
        json_set_text(taken->names, name, file);
        result = disks != NULL ? disk_images_add_config(disks, config, file)
                               : disk_images_refuse(config, file, "that is packed");
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
    struct taken taken;
    int result = 0;

    if (archive == NULL)
        return -1;
    taken = (struct taken){json_object(), json_object()};
    for (unsigned i = 0; i < count && result == 0; i++)
        result = add_file(archive, files[i], &taken, disks);
    cJSON_Delete(taken.names);
    cJSON_Delete(taken.addresses);
    if (boot_archive_end(archive) != 0)
        result = -1;
    return result;
}
