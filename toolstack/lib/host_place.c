/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/host_place.h"
#include "toolstack/lib/report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

/* The directory that holds the hosts' directories. */
static void base_directory(char base[PATH_MAX])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (runtime != NULL && runtime[0] == '/')
        snprintf(base, PATH_MAX, "%s/coracle", runtime);
    else
        snprintf(base, PATH_MAX, "/tmp/coracle-%u", (unsigned)getuid());
}

int host_place(struct host_place *place, const char *name)
{
    char base[PATH_MAX];
    size_t length = strlen(name);

    if (length == 0 || length > HOST_LABEL_MAX || name[0] == '.' || name[0] == '-' ||
        strspn(name, NAME_CHARACTERS) != length) {
        report(
            "expected the name of a host: 1 to %d letters, digits, '_', '.' or '-', the first no '.' or '-'; "
            "found '%s'",
            HOST_LABEL_MAX, name);
        return -1;
    }
    base_directory(base);
    snprintf(place->name, sizeof(place->name), "%s", name);
    if (snprintf(place->directory, PATH_MAX, "%s/%s", base, name) < PATH_MAX)
        return 0;
    report("XDG_RUNTIME_DIR is too long a path");
    return -1;
}

/* Makes one directory that nobody else may enter, or takes the one that is there if it is such. */
static int make_private(const char *path)
{
    struct stat status;

    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        report("cannot make the directory %s: %s", path, strerror(errno));
        return -1;
    }
    if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == getuid() &&
        (status.st_mode & 077) == 0)
        return 0;
    report("%s: expected a directory of this user that nobody else may enter (mode 0700); remove it, or set "
           "XDG_RUNTIME_DIR to another place",
           path);
    return -1;
}

int host_place_make(const struct host_place *place)
{
    char base[PATH_MAX];
    char *images;
    int result;

    base_directory(base);
    if (make_private(base) != 0 || make_private(place->directory) != 0)
        return -1;
    images = host_file(place, "images");
    result = make_private(images);
    free(images);
    return result;
}

char *host_file(const struct host_place *place, const char *file)
{
    char *path;

    if (asprintf(&path, "%s/%s", place->directory, file) < 0) {
        report("out of memory");
        exit(EXIT_FAILED);
    }
    return path;
}

char *host_read(const struct host_place *place, const char *file)
{
    char *path = host_file(place, file), *text = NULL;
    FILE *stream = fopen(path, "re");
    size_t length = 0;

    free(path);
    if (stream == NULL)
        return NULL;
    text = malloc(LINE_MAX_BYTES);
    if (text != NULL) {
        length = fread(text, 1, LINE_MAX_BYTES - 1, stream);
        text[length] = '\0';
        text[strcspn(text, "\r\n")] = '\0';
    }
    fclose(stream);
    return text;
}

int host_write(const struct host_place *place, const char *file, const char *content)
{
    char *path = host_file(place, file);
    size_t length = strlen(content);
    int fd, result = -1;

    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && write(fd, content, length) == (ssize_t)length)
        result = 0;
    if (result != 0)
        report("cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    return result;
}

/* A lock of the open file, which processes that inherit the descriptor share. */
static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

int host_lock(const struct host_place *place)
{
    char *path = host_file(place, "lock");
    struct flock lock = whole_file();
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), result = fd;

    if (fd < 0) {
        report("cannot open %s: %s", path, strerror(errno));
        result = -2;
    } else if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        result = errno == EAGAIN || errno == EACCES ? -1 : -2;
        if (result == -2)
            report("cannot lock %s: %s", path, strerror(errno));
        close(fd);
    }
    free(path);
    return result;
}

bool host_is_running(const struct host_place *place)
{
    char *path = host_file(place, "lock");
    struct flock lock = whole_file();
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool running = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;

    if (fd >= 0)
        close(fd);
    free(path);
    return running;
}

void host_clean(const struct host_place *place)
{
    static const char *const files[] = {"api.sock", "agent.sock", "token", "host.json"};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char *path = host_file(place, files[i]);

        unlink(path);
        free(path);
    }
}

void host_names(void (*each)(void *context, const char *name), void *context)
{
    char base[PATH_MAX];
    struct dirent **entries;
    int count;

    base_directory(base);
    count = scandir(base, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.')
            each(context, entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}
