/* SPDX-License-Identifier: MIT */
/*
 * Files on a mounted volume, for tests/system/test_disk.py: all calls on /data, with what they must give.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BIG (3 * 1024 * 1024 + 777)

static void say(const char *what, bool good)
{
    printf("%s %s\n", good ? "ok" : "not ok", what);
    if (!good)
        printf("errno: %s\n", strerror(errno));
}

static bool has(const char *path, const char *content)
{
    char text[100] = "";
    FILE *file = fopen(path, "r");
    bool good = file && fgets(text, sizeof(text), file) && !strcmp(text, content);

    if (file)
        fclose(file);
    return good;
}

static bool put(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");

    return file && fputs(content, file) >= 0 && fclose(file) == 0;
}

static unsigned entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

static void big_file(void)
{
    unsigned char *data = malloc(BIG), *back = malloc(BIG);
    struct stat st;
    int fd = open("/data/big", O_RDWR | O_CREAT | O_TRUNC, 0640);

    for (size_t i = 0; i < BIG; i++)
        data[i] = (unsigned char)(i * 31 + i / 4096);
    say("a big file", write(fd, data, BIG) == BIG && fsync(fd) == 0);
    say("comes back", pread(fd, back, BIG, 0) == BIG && !memcmp(data, back, BIG));
    say("shrinks", ftruncate(fd, 1000) == 0 && fstat(fd, &st) == 0 && st.st_size == 1000);
    say("grows with zeros", ftruncate(fd, 10000) == 0 && pread(fd, back, BIG, 0) == 10000 &&
                                !memcmp(data, back, 1000) && !back[1000] && !back[9999]);
    say("its permissions", st.st_mode == (S_IFREG | 0640) && fchmod(fd, 0600) == 0);
    close(fd);
    free(data);
    free(back);
}

static void names(void)
{
    struct stat st;
    char text[64] = "", name[64];
    bool all = true;

    say("mkdir", mkdir("/data/dir", 0755) == 0 && mkdir("/data/dir/sub", 0755) == 0);
    say("mkdir again", mkdir("/data/dir", 0755) < 0 && errno == EEXIST);
    say("write", put("/data/dir/a", "first\n") && has("/data/dir/a", "first\n"));
    say("link", link("/data/dir/a", "/data/b") == 0 && has("/data/b", "first\n") &&
                    stat("/data/b", &st) == 0 && st.st_nlink == 2);
    say("symlink", symlink("dir/a", "/data/s") == 0 && has("/data/s", "first\n") &&
                       readlink("/data/s", text, sizeof(text)) == 5 && !strcmp(text, "dir/a"));
    say("rename over another", put("/data/dir/c", "second\n") && rename("/data/dir/c", "/data/dir/a") == 0 &&
                                   has("/data/dir/a", "second\n") && has("/data/b", "first\n"));
    say("rename of a directory", rename("/data/dir/sub", "/data/moved") == 0 && entries("/data/moved") == 2);
    say("rmdir of a full one", rmdir("/data/dir") < 0 && errno == ENOTEMPTY);
    say("rmdir", rmdir("/data/moved") == 0);
    say("to another file system", rename("/data/b", "/tmp/b") < 0 && errno == EXDEV);
    say("rmdir of the volume", rmdir("/data") < 0 && errno == EBUSY);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "/data/dir/a file with a long name, number %d", i);
        all = all && put(name, "x");
    }
    say("many files", all && entries("/data/dir") == 303);
    for (int i = 0; i < 300; i += 2) {
        snprintf(name, sizeof(name), "/data/dir/a file with a long name, number %d", i);
        all = all && unlink(name) == 0;
    }
    say("unlink", all && entries("/data/dir") == 153 && unlink("/data/dir/nothing") < 0 && errno == ENOENT);
}

static void mapping(void)
{
    int fd = open("/data/mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char text[4] = "";
    char *memory, *copy;

    say("a file to map", ftruncate(fd, 3 << 20) == 0 && pwrite(fd, "here", 4, 1 << 20) == 4);
    copy = mmap(NULL, 3 << 20, PROT_READ, MAP_PRIVATE, fd, 0);
    memory = mmap(NULL, 3 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    say("mmap", copy != MAP_FAILED && memory != MAP_FAILED && !memcmp(copy + (1 << 20), "here", 4) &&
                    !memcmp(memory + (1 << 20), "here", 4) && !memory[2 << 20]);
    for (int i = 0; i < 3; i++)
        memcpy(memory + ((size_t)i << 20) + 4094, "page", 4);
    say("a private one is a copy", !copy[4094]);
    say("what was mapped is in the file", pread(fd, text, 4, 4094) == 4 && !memcmp(text, "page", 4));
    memcpy(memory + 100, "sync", 4);
    say("msync", msync(memory, 4096, MS_SYNC) == 0);
    memcpy(memory + 200, "exit", 4); /* nobody asks for it: it comes with the program's end */
    munmap(copy, 3 << 20);
    close(fd);
}

/* Holes, and what is far behind 4 GiB. */
static void sparse(void)
{
    off_t far = 5ll << 30;
    char text[8];
    struct stat st;
    struct statvfs before, after;
    int fd = open("/data/sparse", O_RDWR | O_CREAT | O_TRUNC, 0600);

    statvfs("/data", &before);
    say("far away", pwrite(fd, "far", 3, far) == 3 && fstat(fd, &st) == 0 && st.st_size == far + 3);
    say("comes back", pread(fd, text, 8, far - 1) == 4 && !text[0] && !memcmp(text + 1, "far", 3));
    say("a hole", pread(fd, text, 8, 1ll << 32) == 8 && !text[0] && !text[7]);
    say("takes no room",
        fsync(fd) == 0 && statvfs("/data", &after) == 0 && before.f_bfree - after.f_bfree < 20);
    say("into the hole", pwrite(fd, "near", 4, (1ll << 32) + 1) == 4 && pread(fd, text, 8, 1ll << 32) == 8 &&
                             !text[0] && !memcmp(text + 1, "near", 4) && !text[5]);
    say("shrinks", ftruncate(fd, 10) == 0 && lseek(fd, 0, SEEK_END) == 10);
    say("all its blocks are back", unlink("/data/sparse") == 0 && close(fd) == 0 &&
                                       statvfs("/data", &after) == 0 && after.f_bfree == before.f_bfree);
    say("a size that no file has", truncate("/data/hello", 1ll << 60) < 0 && errno == EFBIG);
}

/* The disk is full: ENOSPC, and all goes on when there is room. */
static void full(void)
{
    int fd = open("/data/full", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char *data = calloc(1, 1 << 20);
    struct statvfs vfs;
    ssize_t n = 1;

    while (n > 0)
        n = write(fd, data, 1 << 20);
    say("a full disk", n < 0 && errno == ENOSPC && statvfs("/data", &vfs) == 0 && vfs.f_bavail == 0);
    say("what fits is there", fsync(fd) == 0 && lseek(fd, 0, SEEK_END) > 1 << 20);
    say("no directory", mkdir("/data/none", 0700) < 0 && errno == ENOSPC && access("/data/none", F_OK) < 0);
    say("room again", ftruncate(fd, 0) == 0 && write(fd, data, 1 << 20) == 1 << 20);
    say("and none left over", close(fd) == 0 && unlink("/data/full") == 0 && mkdir("/data/none", 0700) == 0 &&
                                  rmdir("/data/none") == 0);
    free(data);
}

static void space(void)
{
    struct statvfs before, after;
    int fd;

    say("statvfs",
        statvfs("/data", &before) == 0 && before.f_blocks > 1000 && before.f_bfree < before.f_blocks);
    fd = open("/data/gone", O_RDWR | O_CREAT, 0600);
    say("unlink of an open file", unlink("/data/gone") == 0 && write(fd, "still here", 10) == 10);
    close(fd);
    say("its blocks are back", statvfs("/data", &after) == 0 && after.f_bfree == before.f_bfree);
}

/* A record that says which it is. */
static void record_text(unsigned number, char text[64])
{
    snprintf(text, 64, "record %u, which is followed by others or by a crash\n", number);
}

/* Appends records, each acknowledged after fsync, until the machine or the domain is ended. */
static void records(void)
{
    int fd = open("/data/log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    char text[64], name[32];

    for (unsigned i = 0;; i++) {
        record_text(i, text);
        snprintf(name, sizeof(name), "/data/new %u", i);
        if (write(fd, text, 64) != 64 || !put(name, text) || (i % 2 && unlink(name)) ||
            (!(i % 2) && rename(name, "/data/last")) || fsync(fd)) {
            say("a record", false);
            return;
        }
        printf("acknowledged %u\n", i);
    }
}

static void verify(unsigned last)
{
    int fd = open("/data/log", O_RDONLY);
    char text[64] = "", read_text[64];
    bool good = fd >= 0;

    for (unsigned i = 0; i <= last && good; i++) {
        memset(text, 0, sizeof(text));
        record_text(i, text);
        good = read(fd, read_text, 64) == 64 && !strcmp(text, read_text);
    }
    say("all acknowledged records", good);
    say("the file that was renamed", access("/data/last", F_OK) == 0);
}

/* The first block of /data/there can be neither read nor written. */
static void bad_block(void)
{
    char text[4096] = "";
    int fd = open("/data/there", O_RDWR);

    say("reading it", read(fd, text, sizeof(text)) < 0 && errno == EIO);
    say("another file", has("/data/hello", "from outside\n"));
    say("writing", put("/data/new", "new\n") && (sync(), has("/data/new", "new\n")));
    say("fsync of what cannot be written",
        pwrite(fd, text, sizeof(text), 0) == sizeof(text) && fsync(fd) < 0 && errno == EIO);
    say("changes afterwards", mkdir("/data/d", 0700) < 0 && errno == EIO);
    say("reading afterwards", has("/data/hello", "from outside\n"));
    close(fd);
}

int main(int argc, char **argv)
{
    bool wait = argc > 1 && !strcmp(argv[1], "wait");

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && !strcmp(argv[1], "read")) {
        say("what was there", has("/data/hello", "from outside\n") && has("/data/deep/er/file", "deep\n"));
        say("read-only", open("/data/hello", O_WRONLY) < 0 && errno == EROFS &&
                             truncate("/data/hello", 1) < 0 && errno == EROFS &&
                             rename("/data/hello", "/data/b2") < 0 && errno == EROFS);
        say("nothing new", open("/data/new", O_RDWR | O_CREAT, 0600) < 0 && errno == EROFS &&
                               unlink("/data/hello") < 0 && errno == EROFS && mkdir("/data/d", 0700) < 0 &&
                               errno == EROFS);
        printf("done\n");
        return 0;
    }
    if (argc > 1 && (!strcmp(argv[1], "records") || !strcmp(argv[1], "verify") || !strcmp(argv[1], "bad"))) {
        if (*argv[1] == 'r')
            records();
        else if (*argv[1] == 'v')
            verify(argc > 2 ? (unsigned)atoi(argv[2]) : 0);
        else
            bad_block();
        printf("done\n");
        return 0;
    }
    say("what was there", has("/data/hello", "from outside\n") && has("/data/deep/er/file", "deep\n"));
    big_file();
    names();
    mapping();
    sparse();
    full();
    space();
    printf("done\n");
    if (wait)
        sleep(1000);
    return 0;
}
