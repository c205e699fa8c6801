/* SPDX-License-Identifier: MIT */
/*
 * What operations on a mounted volume cost: requests on the ring, and instructions of the program's thread,
 * if the machine counts these (QEMU's -icount shift=0). For tests/system/test_disk.py, which has bounds for
 * the requests.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libos/front/blk_ring.h"

#define BIG   (4u << 20)
#define PIECE 4096u

static struct cor_block *disk;
static unsigned char data[BIG];
static uint64_t begun;
static unsigned sent;
static bool failed;

static uint64_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void begin(void)
{
    sent = disk->ring.req_prod_pvt;
    begun = now();
}

/* One line: name, operations, requests, instructions of each. */
static void end(const char *name, unsigned operations, bool good)
{
    uint64_t spent = now() - begun;

    printf("%s %s: %u operations, %u requests, %llu instructions each\n", good ? "ok" : "not ok", name,
           operations, disk->ring.req_prod_pvt - sent, (unsigned long long)(spent / operations));
    failed = failed || !good;
}

static void transfers(void)
{
    int fd = open("/data/big", O_RDWR | O_CREAT | O_TRUNC, 0644);
    bool good = fd >= 0;

    for (unsigned i = 0; i < BIG; i++)
        data[i] = (unsigned char)(i * 7 + i / PIECE);
    begin();
    for (unsigned at = 0; at < BIG; at += PIECE)
        good = good && write(fd, data + at, PIECE) == PIECE;
    end("write 4 KiB", BIG / PIECE, good);
    begin();
    end("fsync of 4 MiB", 1, fsync(fd) == 0);
    begin();
    for (unsigned at = 0; at < BIG; at += PIECE)
        good = good && pwrite(fd, data + at, PIECE, at) == PIECE;
    end("overwrite 4 KiB", BIG / PIECE, good && fsync(fd) == 0);
    close(fd);
}

/* A file that the cache does not hold. */
static void cold(const char *name, unsigned piece)
{
    int fd = open("/data/there", O_RDONLY);
    bool good = fd >= 0;
    unsigned count = 0;

    begin();
    for (ssize_t n = 1; n > 0; count++)
        n = read(fd, data + (size_t)count * piece % BIG, piece);
    end(name, count - 1, good && count > 1);
    close(fd);
}

static void warm(void)
{
    int fd = open("/data/big", O_RDONLY);
    bool good = fd >= 0;

    for (unsigned pass = 0; pass < 2; pass++) {
        begin();
        for (unsigned at = 0; at < BIG / 8; at += PIECE)
            good = good && pread(fd, data, PIECE, at) == PIECE;
    }
    end("read 4 KiB again", BIG / 8 / PIECE, good);
    close(fd);
}

static void small_files(void)
{
    char name[64];
    struct stat st;
    bool good = mkdir("/data/small", 0755) == 0;

    begin();
    for (unsigned i = 0; i < 100; i++) {
        int fd;

        snprintf(name, sizeof(name), "/data/small/%u", i);
        fd = open(name, O_WRONLY | O_CREAT, 0644);
        good = good && fd >= 0 && write(fd, "text", 4) == 4 && close(fd) == 0;
    }
    end("create and write", 100, good);
    begin();
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "/data/small/%u", i);
        good = good && stat(name, &st) == 0 && st.st_size == 4;
    }
    end("stat", 100, good);
    begin();
    for (unsigned i = 0; i < 20; i++) {
        int fd;

        snprintf(name, sizeof(name), "/data/small/%u", i);
        fd = open(name, O_WRONLY | O_APPEND);
        good = good && write(fd, "more", 4) == 4 && fsync(fd) == 0 && close(fd) == 0;
    }
    end("append and fsync", 20, good);
    begin();
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "/data/small/%u", i);
        good = good && unlink(name) == 0;
    }
    end("unlink", 100, good);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (access("/data", F_OK) || cor_block_open("xvda", &disk)) {
        printf("not ok: expected a volume of xvda at /data\n");
        return 1;
    }
    cold("read 4 KiB in order", PIECE);
    transfers();
    warm();
    small_files();
    begin();
    sync();
    end("sync", 1, true);
    return failed;
}
