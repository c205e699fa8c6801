/* SPDX-License-Identifier: MIT */
/*
 * Volumes of libos/ext2 on a disk in memory, against a model of what must be in them: random operations,
 * small cache, crashes at any write. After a crash the disk has what was there at the last flush and any
 * part of what was written since; the journal is replayed by the host's e2fsck, the volume is mounted again
 * and left, e2fsck must find nothing, and all that was written before the last sync and not changed since
 * must be there.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "coracle/block.h"
#include "coracle/mem.h"
#include "coracle/shutdown.h"
#include "coracle/thread.h"
#include "libos/ext2/ext2.h"

#define SIZE   (20u << 20)
#define FILES  40u
#define MOST   (1u << 19) /* bytes of a file */
#define CLOSE  100u       /* a flush so few writes before the crash may be where it is */
#define ROUNDS 6u         /* crashes of each kind; the environment may have another number */

/* ------------------------------------------------------------------ the disk */

static uint8_t disk[SIZE], lasting[SIZE]; /* as written; as of the last flush */
static uint8_t dirty[SIZE / COR_SECTOR];  /* sectors written since */
static unsigned long writes_left;         /* before the crash; 0: there is none */
static bool crashed, read_only, broken;
static size_t pages_total = 512; /* of the domain */
static char image[] = "/dev/shm/coracle-ext2-XXXXXX";
static uint32_t seed = 1;

static uint32_t random_number(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

int cor_block_open(const char *name, struct cor_block **opened)
{
    *opened = (struct cor_block *)disk;
    return strcmp(name, "xvda") ? -ENOENT : 0;
}

void cor_block_close(struct cor_block *block)
{
    (void)block;
}

void cor_block_describe(const struct cor_block *block, struct cor_block_info *info)
{
    (void)block;
    *info = (struct cor_block_info){
        .sectors = SIZE / COR_SECTOR, .sector_size = COR_SECTOR, .read_only = read_only};
}

int cor_block_transfer(struct cor_block *block, bool write, const struct cor_block_piece *pieces,
                       size_t count)
{
    (void)block;
    if (broken)
        return -EIO;
    for (size_t i = 0; i < count; i++) {
        for (size_t sector = 0; sector < pieces[i].count; sector++) {
            uint64_t at = pieces[i].sector + sector;
            uint8_t *data = (uint8_t *)pieces[i].data + sector * COR_SECTOR;

            assert_true(at < SIZE / COR_SECTOR);
            if (!write) {
                memcpy(data, disk + at * COR_SECTOR, COR_SECTOR);
                continue;
            }
            assert_false(read_only);
            crashed = crashed || (writes_left && !--writes_left);
            if (crashed)
                return -EIO;
            memcpy(disk + at * COR_SECTOR, data, COR_SECTOR);
            dirty[at] = 1;
        }
    }
    return 0;
}

int cor_block_read(struct cor_block *block, uint64_t sector, void *data, size_t count)
{
    return cor_block_transfer(block, false, &(struct cor_block_piece){sector, data, count}, 1);
}

int cor_block_write(struct cor_block *block, uint64_t sector, const void *data, size_t count)
{
    return cor_block_transfer(block, true, &(struct cor_block_piece){sector, (void *)(uintptr_t)data, count},
                              1);
}

int cor_block_flush(struct cor_block *block)
{
    (void)block;
    crashed = crashed || (writes_left && writes_left < CLOSE && random_number(2));
    if (crashed || broken)
        return -EIO;
    for (size_t i = 0; i < sizeof(dirty); i++) {
        if (dirty[i])
            memcpy(lasting + i * COR_SECTOR, disk + i * COR_SECTOR, COR_SECTOR);
        dirty[i] = 0;
    }
    return 0;
}

/* Of what was not flushed any part has come to the medium. */
static void lose_power(void)
{
    for (size_t i = 0; i < sizeof(dirty); i++) {
        if (dirty[i] && random_number(2))
            memcpy(disk + i * COR_SECTOR, lasting + i * COR_SECTOR, COR_SECTOR);
        dirty[i] = 0;
    }
    memcpy(lasting, disk, SIZE);
    crashed = false;
    writes_left = 0;
}

/* ------------------------------------------------------------------ the rest of the libOS */

size_t cor_pages_total(void)
{
    return pages_total;
}

void cor_log(const char *format, ...)
{
    (void)format;
}

int cor_thread_create(struct cor_thread **started, const struct cor_thread_attr *attr, void *(*entry)(void *),
                      void *argument)
{
    (void)started, (void)attr, (void)entry, (void)argument;
    return 0;
}

errcode_t ext2fs_run_ext3_journal(ext2_filsys *fs);
errcode_t ext2fs_run_ext3_journal(ext2_filsys *fs)
{
    (void)fs;
    return EXT2_ET_UNIMPLEMENTED; /* e2fsck has done it */
}

/* ------------------------------------------------------------------ tools of the host */

/* Runs a command of e2fsprogs on the image; its exit status. */
static int tool(const char *before)
{
    char command[256];
    int status;

    snprintf(command, sizeof(command), "PATH=$PATH:/sbin:/usr/sbin; %s %s >%s.log 2>&1", before, image,
             image);
    status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void save(void)
{
    int fd = open(image, O_WRONLY);

    assert_true(fd >= 0 && write(fd, disk, SIZE) == SIZE);
    close(fd);
}

static void load(void)
{
    int fd = open(image, O_RDONLY);

    assert_true(fd >= 0 && read(fd, disk, SIZE) == SIZE);
    close(fd);
    memcpy(lasting, disk, SIZE);
    memset(dirty, 0, sizeof(dirty));
}

static void check_clean(void)
{
    save();
    if (tool("e2fsck -fn")) {
        char command[64];

        snprintf(command, sizeof(command), "cat %s.log", image);
        fail_msg("e2fsck finds errors%s", system(command) ? "" : ", see above");
    }
}

/* ------------------------------------------------------------------ the model */

struct model {
    bool exists, touched; /* touched: since the last sync */
    bool existed;         /* at the last sync */
    uint32_t number, size;
    uint8_t *bytes;
};

static struct model models[FILES];
static struct fs_volume *volume;
static uint8_t buffer[MOST], back[MOST];

static int take_volume(struct fs_volume *mounted, const char *path)
{
    (void)path;
    volume = mounted;
    return 0;
}

static int mount(void)
{
    volume = NULL;
    return cor_ext2_mount_all("/data:xvda", take_volume, NULL);
}

static const char *name_of(unsigned index)
{
    static char name[32];

    snprintf(name, sizeof(name), "file number %u", index);
    return name;
}

static void forget_models(void)
{
    for (unsigned i = 0; i < FILES; i++)
        free(models[i].bytes);
    memset(models, 0, sizeof(models));
}

/* All that is in a file, against the model. */
static void check_file(const struct model *model)
{
    struct fs_node node;

    assert_int_equal(volume->ops->get(volume, model->number, &node), 0);
    assert_int_equal(node.size, model->size);
    memset(back, 0xee, MOST);
    if (model->size)
        assert_int_equal(volume->ops->read(volume, model->number, 0, back, MOST), model->size);
    if (memcmp(back, model->bytes, model->size) != 0)
        fail_msg("a file has other bytes than were written");
}

static int write_some(struct model *model)
{
    uint32_t length = 1 + random_number(random_number(4) ? 6000 : MOST / 2);
    uint32_t at = random_number(2) ? model->size : random_number(model->size + random_number(20000) + 1);
    ssize_t n;

    at = at < MOST - 1 ? at : MOST - 1;
    length = length < MOST - at ? length : MOST - at;
    for (uint32_t i = 0; i < length; i++)
        buffer[i] = (uint8_t)(random_number(256) + i);
    n = volume->ops->write(volume, model->number, at, buffer, length);
    if (n <= 0)
        return (int)n;
    if (at > model->size)
        memset(model->bytes + model->size, 0, at - model->size);
    memcpy(model->bytes + at, buffer, (size_t)n);
    model->size = model->size > at + (uint32_t)n ? model->size : at + (uint32_t)n;
    return 0;
}

static int resize(struct model *model)
{
    uint32_t size = random_number(2) ? random_number(model->size + 1) : random_number(MOST);
    int err = volume->ops->truncate(volume, model->number, size);

    if (err)
        return err;
    if (size > model->size)
        memset(model->bytes + model->size, 0, size - model->size);
    model->size = size;
    return 0;
}

static int create(struct model *model, unsigned index)
{
    int err = volume->ops->make(volume, EXT2_ROOT_INO, name_of(index), S_IFREG | 0644, NULL, &model->number);

    if (err)
        return err;
    free(model->bytes);
    model->bytes = calloc(MOST, 1);
    model->size = 0;
    model->exists = true;
    return 0;
}

static int remove_file(struct model *model, unsigned index)
{
    int err = volume->ops->unlink(volume, EXT2_ROOT_INO, name_of(index), model->number);

    err = err ? err : volume->ops->drop(volume, model->number);
    model->exists = err && model->exists;
    return err;
}

/* Moves a file over another, which goes. */
static int replace(struct model *model, unsigned index)
{
    unsigned other = random_number(FILES);
    char name[32];
    int err;

    if (other == index || !models[other].exists)
        return 0;
    models[other].touched = true;
    strcpy(name, name_of(index));
    err = volume->ops->move(volume, EXT2_ROOT_INO, name, EXT2_ROOT_INO, name_of(other), model->number,
                            models[other].number);
    err = err ? err : volume->ops->drop(volume, models[other].number);
    if (err)
        return err;
    free(models[other].bytes);
    models[other].bytes = model->bytes;
    models[other].size = model->size;
    models[other].number = model->number;
    model->bytes = NULL;
    model->exists = false;
    return 0;
}

static int sync_volume(void)
{
    int err = volume->ops->sync(volume);

    for (unsigned i = 0; !err && i < FILES; i++) {
        models[i].touched = false;
        models[i].existed = models[i].exists;
    }
    return err;
}

/* One operation; 0, -ENOSPC or the disk's error. */
static int step(void)
{
    unsigned index = random_number(FILES), what = random_number(20);
    struct model *model = &models[index];
    uint32_t number;
    char name[16];

    if (what == 19)
        return sync_volume();
    if (what == 18) { /* a directory that comes and goes */
        snprintf(name, sizeof(name), "dir %u", index);
        if (volume->ops->make(volume, EXT2_ROOT_INO, name, S_IFDIR | 0755, NULL, &number))
            return 0;
        return volume->ops->unlink(volume, EXT2_ROOT_INO, name, number) || volume->ops->drop(volume, number)
                   ? -EIO
                   : 0;
    }
    model->touched = true;
    if (!model->exists)
        return create(model, index);
    if (what < 10)
        return write_some(model);
    if (what < 13)
        return resize(model);
    if (what < 15)
        return remove_file(model, index);
    if (what < 17)
        return replace(model, index);
    check_file(model);
    return 0;
}

/* ------------------------------------------------------------------ tests */

static void format(const char *options)
{
    char command[200];

    forget_models();
    assert_int_equal(truncate(image, 0), 0);
    assert_int_equal(truncate(image, SIZE), 0);
    snprintf(command, sizeof(command), "mke2fs -q -F %s", options);
    assert_int_equal(tool(command), 0);
    load();
}

static const char *const kinds[] = {"-t ext4",
                                    "-t ext4 -b 4096",
                                    "-t ext3 -b 1024",
                                    "-t ext4 -O ^metadata_csum,^64bit -b 2048",
                                    "-t ext2 -b 1024",
                                    "-t ext2 -b 4096",
                                    "-t ext4 -O ^has_journal"};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* Without crashes all is as the model says, in memory and after the volume was left and mounted again. */
static void work(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        format(kinds[kind]);
        for (unsigned round = 0; round < 3; round++) {
            assert_int_equal(mount(), 0);
            for (unsigned i = 0; i < FILES; i++) {
                if (models[i].exists)
                    check_file(&models[i]);
            }
            for (unsigned i = 0; i < 400; i++) {
                int err = step();

                if (err && err != -ENOSPC)
                    fail_msg("%s: an operation fails: %d", kinds[kind], err);
            }
            volume->ops->unmount(volume);
            check_clean();
        }
    }
}

/* After a crash, mounted again. */
static void check_after_crash(void)
{
    for (unsigned i = 0; i < FILES; i++) {
        if (!models[i].touched && models[i].existed)
            check_file(&models[i]);
    }
    volume->ops->unmount(volume);
    check_clean();
}

static void crashes(void **state)
{
    unsigned rounds = getenv("ROUNDS") ? (unsigned)atoi(getenv("ROUNDS")) : ROUNDS;

    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        bool journal = strstr(kinds[kind], "ext2") == NULL && strstr(kinds[kind], "^has_journal") == NULL;

        for (unsigned round = 0; round < rounds; round++) {
            seed = kind * 1000 + round + 1;
            format(kinds[kind]);
            assert_int_equal(mount(), 0);
            for (unsigned i = 0; i < 100; i++)
                (void)step();
            assert_int_equal(sync_volume(), 0);
            writes_left = 1 + random_number(8000);
            for (unsigned i = 0; i < 3000 && !crashed; i++) {
                int err = step();

                if (err && err != -ENOSPC && !crashed)
                    fail_msg("%s: an operation fails: %d", kinds[kind], err);
            }
            volume->ops->unmount(volume); /* which writes nothing any more */
            lose_power();
            save();
            if (!journal)
                assert_true(tool("e2fsck -fy") <= 1);
            else
                (void)tool("e2fsck -y -E journal_only");
            load();
            if (mount() != 0)
                fail_msg("%s, round %u: it cannot be mounted", kinds[kind], round);
            check_after_crash();
        }
    }
}

/* A full volume: no more than ENOSPC, and what is removed can be used at once. */
static void full(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        uint32_t number;
        off_t size = 0, second = 0;
        ssize_t n;

        format(kinds[kind]);
        assert_int_equal(mount(), 0);
        assert_int_equal(volume->ops->make(volume, EXT2_ROOT_INO, "big", S_IFREG | 0644, NULL, &number), 0);
        while ((n = volume->ops->write(volume, number, size, buffer, MOST)) > 0)
            size += n;
        assert_int_equal(n, -ENOSPC);
        assert_true(size > (off_t)SIZE / 2);
        assert_int_equal(volume->ops->truncate(volume, number, 0), 0);
        while ((n = volume->ops->write(volume, number, second, buffer, MOST)) > 0)
            second += n;
        assert_int_equal(n, -ENOSPC);
        assert_int_equal(second, size);
        volume->ops->unmount(volume);
        check_clean();
    }
}

/* A disk that fails: an error for whoever asks, and nothing is written over what is there. */
static void fails(void **state)
{
    uint32_t number;
    struct fs_node node;

    (void)state;
    format(kinds[0]);
    assert_int_equal(mount(), 0);
    assert_int_equal(volume->ops->make(volume, EXT2_ROOT_INO, "file", S_IFREG | 0644, NULL, &number), 0);
    assert_int_equal(volume->ops->sync(volume), 0);
    broken = true;
    assert_int_equal(volume->ops->write(volume, number, 0, "text", 4), 4); /* it is in memory */
    assert_int_equal(volume->ops->sync(volume), -EIO);
    broken = false;
    assert_int_equal(volume->ops->write(volume, number, 0, "text", 4), -EIO);
    assert_int_equal(volume->ops->make(volume, EXT2_ROOT_INO, "other", S_IFREG | 0644, NULL, &number), -EIO);
    assert_int_equal(volume->ops->get(volume, EXT2_ROOT_INO, &node), 0);
    volume->ops->unmount(volume);
    memcpy(disk, lasting, SIZE);
    save();
    (void)tool("e2fsck -y -E journal_only");
    load();
    check_clean();
}

static int make_image(void **state)
{
    (void)state;
    if (access("/dev/shm", W_OK)) /* where e2fsck need not wait for a disk */
        strcpy(image, "/tmp/coracle-ext2-XXXXXX");
    return close(mkstemp(image));
}

static int remove_image(void **state)
{
    char log[64];

    (void)state;
    forget_models();
    snprintf(log, sizeof(log), "%s.log", image);
    unlink(log);
    return unlink(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(work), cmocka_unit_test(crashes),
                                       cmocka_unit_test(full), cmocka_unit_test(fails)};

    return cmocka_run_group_tests(tests, make_image, remove_image);
}
