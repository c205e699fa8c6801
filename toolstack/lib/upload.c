/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/upload.h"
#include "toolstack/lib/image.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Makes the symbolic link images/NAME of the local host point to target. It is a convenience: failures are
 * silent. */
static void note(const struct client *client, const char *prefix, const char *name, const char *target)
{
    const struct host_place *place = client_place(client);
    struct text link = {0};
    char *path;

    if (place == NULL || strchr(name, '/') != NULL)
        return;
    text_format(&link, "images/%s%s", prefix, name);
    path = host_file(place, link.text);
    unlink(path);
    if (symlink(target, path) != 0)
        unlink(path);
    free(path);
    free(link.text);
}

/* What the link points to; for free(), NULL if there is none. */
static char *look_up(const struct client *client, const char *prefix, const char *name)
{
    const struct host_place *place = client_place(client);
    char target[PATH_MAX];
    struct text link = {0};
    ssize_t length;
    char *path;

    if (place == NULL || strchr(name, '/') != NULL)
        return NULL;
    text_format(&link, "images/%s%s", prefix, name);
    path = host_file(place, link.text);
    length = readlink(path, target, sizeof(target) - 1);
    free(path);
    free(link.text);
    return length > 0 ? strndup(target, (size_t)length) : NULL;
}

#define IMAGE_PREFIX  ""
#define DOMAIN_PREFIX "domain:"

/* 1: the host has it, 0: it has not, -1 with a message. */
static int has_image(struct client *client, const char *digest)
{
    cJSON *answer = NULL;
    const cJSON *image;
    int found = 0;

    if (client_call(client, "GET", "/v1/images", NULL, &answer) != 0)
        return -1;
    cJSON_ArrayForEach(image, cJSON_GetObjectItemCaseSensitive(answer, "images"))
    {
        if (strcmp(json_text(image, "name", ""), digest) == 0)
            found = 1;
    }
    cJSON_Delete(answer);
    return found;
}

int upload_image(struct client *client, int fd, const char *path, char digest[DIGEST_TEXT])
{
    char *place, *whole;
    int result;

    if (digest_file(fd, digest) != 0) {
        report("cannot read %s: %s", path != NULL ? path : "an image", strerror(errno));
        return -1;
    }
    result = has_image(client, digest);
    if (result == 0) {
        place = client_path(client, "/v1/images/%s", digest);
        result = client_put(client, place, fd);
        free(place);
    }
    if (result < 0)
        return -1;
    whole = path != NULL ? realpath(path, NULL) : NULL;
    if (whole != NULL)
        note(client, IMAGE_PREFIX, digest, whole);
    free(whole);
    return 0;
}

/* Whether what the builder reads of the image at path is still that. */
static bool is_still(const char *path, const char *digest)
{
    char found[DIGEST_TEXT];
    struct image image;
    bool same = false;
    int fd;

    if (access(path, R_OK) != 0 || image_open(&image, path) != 0)
        return false;
    fd = image_boot_part(&image);
    if (fd >= 0) {
        same = digest_file(fd, found) == 0 && strcmp(found, digest) == 0;
        close(fd);
    }
    image_close(&image);
    return same;
}

char *image_source(const struct client *client, const char *digest)
{
    char *path = look_up(client, IMAGE_PREFIX, digest);

    if (path != NULL && is_still(path, digest))
        return path;
    free(path);
    return NULL;
}

void remember_domain(const struct client *client, const char *domain, const char *digest)
{
    note(client, DOMAIN_PREFIX, domain, digest);
}

char *recall_domain(const struct client *client, const char *domain)
{
    return look_up(client, DOMAIN_PREFIX, domain);
}
