/* SPDX-License-Identifier: MIT */
/*
 * A program with disks, for tests/system/test_disk.py. Each argument is a step:
 *
 *   size:NAME            prints size in bytes, sector and whether it is read-only
 *   fill:NAME:FROM:COUNT writes COUNT sectors from FROM on, each with a pattern made of its number
 *   check:NAME:FROM:COUNT reads them and compares
 *   put:NAME:BYTE:TEXT   writes text at any byte;  get:NAME:BYTE:COUNT prints it
 *   threads:NAME         eight threads read and write at once
 *   flush:NAME   discard:NAME:FROM:COUNT   limits:NAME   wait
 *   gone:NAME            holds the disk, reading, until it is taken away;  until:NAME waits for one to come
 *   ring:NAME            how many pages xvda's ring has, while it is open
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <coracle/block.h>
#include <coracle/store.h>

#define SECTOR  512
#define PIECE   600 /* sectors of one write: more than a request carries, and no multiple of it */
#define THREADS 8
#define REGION  320 /* sectors of a thread */

static char name[32], path[48], text[64];
static unsigned long from, count;

static void fill_sector(uint8_t *sector, uint64_t number)
{
    for (unsigned i = 0; i < SECTOR; i += 8) {
        uint64_t word = number * 0x9e3779b97f4a7c15ull + i;

        memcpy(sector + i, &word, 8);
    }
}

static void say(const char *what, int error)
{
    printf("%s %s %s\n", error ? "not ok" : "ok", what, error ? strerror(error < 0 ? -error : error) : name);
}

static int open_disk(int flags)
{
    int fd;

    snprintf(path, sizeof(path), "/dev/%s", name);
    fd = open(path, flags);
    if (fd < 0)
        printf("cannot open %s: %s\n", path, strerror(errno));
    return fd;
}

static void show_size(void)
{
    int fd = open_disk(O_RDONLY), sector, read_only;
    uint64_t size;
    struct stat status;

    if (fd < 0)
        return;
    if (ioctl(fd, BLKGETSIZE64, &size) || ioctl(fd, BLKSSZGET, &sector) || ioctl(fd, BLKROGET, &read_only) ||
        fstat(fd, &status))
        printf("not ok size\n");
    else
        printf("%s has %llu bytes, sectors of %d, %s; fstat %llu, end %lld, block device %d\n", name,
               (unsigned long long)size, sector, read_only ? "read-only" : "writable",
               (unsigned long long)status.st_size, (long long)lseek(fd, 0, SEEK_END),
               S_ISBLK(status.st_mode) != 0);
    close(fd);
}

/* Through the device file. */
static void fill(void)
{
    uint8_t *data = malloc((size_t)PIECE * SECTOR);
    int fd = open_disk(O_RDWR), error = fd < 0 ? errno : 0;

    for (unsigned long done = 0; done < count && !error;) {
        unsigned long step = count - done < PIECE ? count - done : PIECE;

        for (unsigned long i = 0; i < step; i++)
            fill_sector(data + i * SECTOR, from + done + i);
        if (pwrite(fd, data, step * SECTOR, (off_t)((from + done) * SECTOR)) != (ssize_t)(step * SECTOR))
            error = errno ? errno : EIO;
        done += step;
    }
    say("fill", error);
    close(fd);
    free(data);
}

/* Through the library, into memory that is aligned to nothing. */
static void check(void)
{
    struct cor_block *disk;
    uint8_t *data = malloc((size_t)PIECE * SECTOR + 3), expected[SECTOR];
    int error = cor_block_open(name, &disk);

    for (unsigned long done = 0; done < count && !error;) {
        unsigned long step = count - done < PIECE ? count - done : PIECE;

        error = cor_block_read(disk, from + done, data + 3, step);
        for (unsigned long i = 0; i < step && !error; i++) {
            fill_sector(expected, from + done + i);
            if (memcmp(expected, data + 3 + i * SECTOR, SECTOR) != 0)
                error = EILSEQ;
        }
        done += step;
    }
    say("check", error);
    if (error != -ENOENT)
        cor_block_close(disk);
    free(data);
}

static void put(void)
{
    int fd = open_disk(O_RDWR);

    say("put", fd < 0 || pwrite(fd, text, strlen(text), (off_t)from) != (ssize_t)strlen(text) ? EIO : 0);
    close(fd);
}

static void get(void)
{
    int fd = open_disk(O_RDONLY);
    char data[64];

    if (fd >= 0 && count < sizeof(data) && pread(fd, data, count, (off_t)from) == (ssize_t)count)
        printf("got '%.*s'\n", (int)count, data);
    else
        say("get", EIO);
    close(fd);
}

static void flush(void)
{
    int fd = open_disk(O_RDWR);

    say("flush", fd < 0 || fsync(fd) ? errno : 0);
    close(fd);
}

static void discard(void)
{
    uint64_t range[2] = {from * SECTOR, count * SECTOR};
    int fd = open_disk(O_RDWR);

    say("discard", fd < 0 || ioctl(fd, BLKDISCARD, range) ? errno : 0);
    close(fd);
}

static struct cor_block *shared;

static void *work(void *argument)
{
    uint64_t start = (uint64_t)(uintptr_t)argument * REGION;
    uint8_t *data = malloc((size_t)REGION * SECTOR), *back = malloc((size_t)REGION * SECTOR);
    int error = 0;

    for (unsigned round = 0; round < 4 && !error; round++) {
        for (unsigned i = 0; i < REGION; i++)
            fill_sector(data + (size_t)i * SECTOR, start + i + round);
        error = cor_block_write(shared, start, data, REGION);
        error = error ? error : cor_block_read(shared, start, back, REGION);
        if (!error && memcmp(data, back, (size_t)REGION * SECTOR) != 0)
            error = -EILSEQ;
    }
    free(data);
    free(back);
    return (void *)(intptr_t)error;
}

static void threads(void)
{
    pthread_t list[THREADS];
    int error = cor_block_open(name, &shared);

    for (uintptr_t i = 0; i < THREADS && !error; i++)
        error = pthread_create(&list[i], NULL, work, (void *)i);
    for (unsigned i = 0; i < THREADS && !error; i++) {
        void *result;

        pthread_join(list[i], &result);
        error = error ? error : (int)(intptr_t)result;
    }
    say("threads", error);
    cor_block_close(shared);
}

/* What must be refused. */
static void limits(void)
{
    struct cor_block *disk;
    struct cor_block_info info;
    uint8_t sector[SECTOR];
    int fd, error = cor_block_open(name, &disk);

    if (error) {
        say("limits", error);
        return;
    }
    cor_block_describe(disk, &info);
    printf("beyond the end: %s\n", strerror(-cor_block_read(disk, info.sectors, sector, 1)));
    printf("far beyond: %s\n", strerror(-cor_block_read(disk, UINT64_MAX, sector, 2)));
    printf("write: %s\n", strerror(-cor_block_write(disk, info.sectors - 1, sector, 1)));
    printf("no such disk: %s\n", strerror(-cor_block_open("xvdq", &shared)));
    cor_block_close(disk);
    fd = open_disk(O_RDONLY);
    printf("read at the end: %d\n", (int)pread(fd, sector, SECTOR, (off_t)(info.sectors * SECTOR)));
    close(fd);
    fd = open_disk(O_RDWR);
    printf("open for writing: %s\n", fd < 0 ? strerror(errno) : "yes");
    close(fd);
}

static void gone(void)
{
    struct cor_block *disk;
    uint8_t sector[SECTOR];
    int error = cor_block_open(name, &disk);

    if (error) {
        say("gone", error);
        return;
    }
    error = cor_block_read(disk, 0, sector, 1);
    printf("holding\n");
    while (!error) {
        usleep(10000);
        error = cor_block_read(disk, 0, sector, 1);
    }
    say("gone", error == -ENODEV ? 0 : error);
    cor_block_close(disk);
}

static void until(void)
{
    struct cor_block *disk;
    int error;

    while ((error = cor_block_open(name, &disk)) == -ENOENT)
        usleep(10000);
    say("until", error);
    if (!error)
        cor_block_close(disk);
}

static void ring(void)
{
    struct cor_block *disk;
    int error = cor_block_open(name, &disk);

    if (error) {
        say("ring", error);
        return;
    }
    printf("ring-page-order %ld\n", cor_store_read_number(0, "device/vbd/51712/ring-page-order", 0));
    cor_block_close(disk);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } steps[] = {{"size", show_size}, {"fill", fill},   {"check", check},     {"put", put},
                 {"get", get},        {"flush", flush}, {"discard", discard}, {"threads", threads},
                 {"limits", limits},  {"ring", ring},   {"gone", gone},       {"until", until}};

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        char step[16] = "", third[64] = "";

        from = count = 0;
        sscanf(argv[i], "%15[^:]:%31[^:]:%lu:%63[^\n]", step, name, &from, third);
        count = strtoul(third, NULL, 10);
        strcpy(text, third);
        if (strcmp(step, "wait") == 0) {
            printf("waiting\n");
            while (getchar() != EOF) {
            }
            sleep(1000);
        }
        for (size_t n = 0; n < sizeof(steps) / sizeof(steps[0]); n++) {
            if (strcmp(step, steps[n].name) == 0)
                steps[n].run();
        }
    }
    printf("done\n");
    return 0;
}
