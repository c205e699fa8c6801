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
#include "toolstack/control/image.h"

#define IMAGES "/boot/images"

/* A whole file in malloc'd memory; NULL: errno says why. */
static void *read_file(int file, size_t size)
{
    char *data = malloc(size ? size : 1);
    size_t done = 0;

    while (data && done < size) {
        ssize_t count = read(file, data + done, size - done);

        if (count <= 0) {
            free(data);
            return NULL;
        }
        done += (size_t)count;
    }
    return data;
}

static int add_image(const char *name)
{
    char path[sizeof(IMAGES) + 256];
    struct stat status;
    void *data = NULL;
    int file, error;

    snprintf(path, sizeof(path), IMAGES "/%s", name);
    file = open(path, O_RDONLY);
    if (file < 0) {
        return -errno;
    }
    if (fstat(file, &status) == 0) {
        data = read_file(file, (size_t)status.st_size);
    }
    error = data ? image_add(name, data, (size_t)status.st_size) : -errno;
    if (error) {
        free(data);
    }
    close(file);
    return error;
}

int archive_images(void)
{
    DIR *folder = opendir(IMAGES);
    struct dirent *entry;

    if (!folder) {
        return errno == ENOENT ? 0 : -errno;
    }
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] != '.') {
            int error = add_image(entry->d_name);

            if (error) {
                printf("control: the image %s/%s cannot be used: %s\n", IMAGES, entry->d_name,
                       strerror(-error));
            }
        }
    }
    closedir(folder);
    return 0;
}
