/* SPDX-License-Identifier: MIT */
/* The boot archive; see archive.h. */
#include "toolstack/control/archive.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cjson/cJSON.h"
#include "coracle/init.h"
#include "libos/fs/tar.h"
#include "toolstack/control/config_json.h"
#include "toolstack/control/domain.h"
#include "toolstack/control/image.h"
#include "toolstack/control/loop.h"

#define IMAGES        "boot/images/"
#define AUTOSTART     "/boot/autostart"
#define CONFIG_LENGTH 65536 /* bytes of a configuration, at most */

/* ------------------------------------------------------------------ images */

/* The member's name as image, NULL: it is none. */
static const char *image_name(const struct tar_entry *entry)
{
    const char *name = entry->name;

    while (*name == '/' || (name[0] == '.' && name[1] == '/')) {
        name++;
    }
    if (entry->type != TAR_FILE || strncmp(name, IMAGES, sizeof(IMAGES) - 1) != 0) {
        return NULL;
    }
    return name + sizeof(IMAGES) - 1;
}

int archive_images(void)
{
    static struct tar_reader reader; /* large */
    struct tar_entry entry;
    size_t size;
    const void *archive = cor_initrd(&size);
    int result = 0;

    if (archive) {
        tar_begin(&reader, archive, size);
        result = tar_next(&reader, &entry);
    }
    for (; result > 0; result = tar_next(&reader, &entry)) {
        const char *name = image_name(&entry);
        int error = name ? image_add_static(name, entry.data, (size_t)entry.size) : 0;

        if (error) {
            printf("control: the image /%s%s cannot be used: %s\n", IMAGES, name, strerror(-error));
        }
    }
    return result < 0 ? -EINVAL : 0;
}

/* ------------------------------------------------------------------ domains that start by themselves */

static struct {
    struct loop_task task;
    struct dirent **files;
    int count, next;
} autostart;

static int is_configuration(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.' && end && !strcmp(end, ".json");
}

/* The file's content as malloc'd text, NULL: errno says why. */
static char *read_text(const char *name)
{
    char path[sizeof(AUTOSTART) + 256], *text = malloc(CONFIG_LENGTH + 1);
    ssize_t count = 0;
    size_t length = 0;
    int file;

    snprintf(path, sizeof(path), AUTOSTART "/%s", name);
    file = open(path, O_RDONLY);
    while (text && file >= 0 && length < CONFIG_LENGTH &&
           (count = read(file, text + length, CONFIG_LENGTH - length)) > 0) {
        length += (size_t)count;
    }
    if (!text || file < 0 || count < 0) {
        free(text);
        text = NULL;
    } else {
        text[length] = 0;
    }
    if (file >= 0) {
        close(file);
    }
    return text;
}

/* Starts the domain of one file, or says why it cannot be. */
static void start(const char *name)
{
    struct domain_error error;
    struct domain_config config;
    char *text = read_text(name);
    cJSON *json = text ? cJSON_Parse(text) : NULL;

    if (!text) {
        printf("control: " AUTOSTART "/%s cannot be read: %s\n", name, strerror(errno));
    } else if (!json) {
        printf("control: " AUTOSTART "/%s: expected JSON, found something else at byte %zu\n", name,
               (size_t)(cJSON_GetErrorPtr() - text));
    } else if (!config_from_json(json, &config, &error)) {
        printf("control: " AUTOSTART "/%s: %s\n", name, error.text);
    } else {
        if (!domain_create(&config, &error)) {
            printf("control: " AUTOSTART "/%s: %s is not started: %s\n", name, config.name, error.text);
        }
        domain_config_free(&config);
    }
    cJSON_Delete(json);
    free(text);
}

/* One domain in a turn. */
static void start_next(struct loop_task *task)
{
    if (autostart.next < autostart.count) {
        start(autostart.files[autostart.next]->d_name);
        free(autostart.files[autostart.next++]);
        loop_post(task);
    } else {
        free(autostart.files);
        autostart.files = NULL;
    }
}

int archive_autostart(void)
{
    int count = scandir(AUTOSTART, &autostart.files, is_configuration, alphasort);

    if (count < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    autostart.count = count;
    autostart.next = 0;
    autostart.task.run = start_next;
    loop_post(&autostart.task);
    return 0;
}
