/* SPDX-License-Identifier: MIT */
/* Archives into the tree: every format that archivers write, and every kind of damage. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "libos/fs/fs.h"
#include "libos/fs/populate.h"
#include "libos/fs/tar.h"

static uint8_t archive[256 * 1024];
static size_t archive_size;
static struct inode *root;
static char message[512];

static void now(struct timespec *ts)
{
    *ts = (struct timespec){.tv_sec = 1};
}

static int setup(void **state)
{
    (void)state;
    archive_size = 0;
    memset(archive, 0, sizeof(archive));
    assert_int_equal(fs_init(now), 0);
    root = fs_root();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    inode_put(root);
    assert_int_equal(fs_init(now), 0);
    assert_int_equal(fs_usage().inodes, 1);
    return 0;
}

static void restart(void **state)
{
    teardown(state);
    setup(state);
}

static void set_checksum(uint8_t *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

static uint8_t *add(char flag, const char *name, const char *link, const void *data, size_t size)
{
    uint8_t *h = archive + archive_size;

    strncpy((char *)h, name, 100);
    strcpy((char *)h + 100, "0000640");
    strcpy((char *)h + 108, "0000007");
    strcpy((char *)h + 116, "0000010");
    snprintf((char *)h + 124, 12, "%011zo", size);
    strcpy((char *)h + 136, "00000001750"); /* 1000 */
    h[156] = (uint8_t)flag;
    strncpy((char *)h + 157, link, 100);
    memcpy(h + 257,
           "ustar\0"
           "00",
           8);
    set_checksum(h);
    archive_size += 512;
    if (size)
        memcpy(archive + archive_size, data, size);
    archive_size += (size + 511) & ~511ul;
    assert_true(archive_size + 1024 <= sizeof(archive));
    return h;
}

static void add_file(const char *name, const char *text)
{
    add('0', name, "", text, strlen(text));
}

static void add_pax(const char *records)
{
    add('x', "pax", "", records, strlen(records));
}

/* Reads a copy of exactly the right size, so that one byte too far is seen. */
static int populate(size_t size)
{
    void *copy = malloc(size ? size : 1);
    int err;

    memcpy(copy, archive, size);
    message[0] = '\0';
    err = fs_populate(copy, size, message, sizeof(message));
    if (err)
        assert_true(strlen(message) > 10);
    free(copy); /* no test reads a file's content after this */
    return err;
}

static int populate_all(void)
{
    message[0] = '\0';
    return fs_populate(archive, archive_size + 1024, message, sizeof(message));
}

static struct stat stat_of(const char *path)
{
    struct inode *inode;
    struct stat st;

    assert_int_equal(fs_lookup(root, path, FS_NOFOLLOW, &inode), 0);
    fs_stat(inode, &st);
    inode_put(inode);
    return st;
}

static void expect_text(const char *path, const char *text)
{
    struct inode *inode;
    char buf[1024] = "";

    assert_int_equal(fs_lookup(root, path, 0, &inode), 0);
    assert_int_equal(fs_read(inode, 0, buf, sizeof(buf) - 1), strlen(text));
    assert_string_equal(buf, text);
    inode_put(inode);
}

static void plain_entries(void **state)
{
    (void)state;
    add('5', "./", "", NULL, 0);
    add('5', "./d/", "", NULL, 0);
    add_file("./d/f", "content");
    add_file("implied/parent/g", "more");
    add('2', "s", "d/f", NULL, 0);
    add('1', "h", "./d/f", NULL, 0);
    add('3', "device", "", NULL, 0);
    add('\0', "old-dir/", "", NULL, 0);
    add_file("/absolute", "abs");
    assert_int_equal(populate_all(), 0);
    expect_text("d/f", "content");
    expect_text("implied/parent/g", "more");
    expect_text("s", "content");
    expect_text("absolute", "abs");
    assert_true(S_ISLNK(stat_of("s").st_mode));
    assert_true(S_ISDIR(stat_of("old-dir").st_mode));
    assert_int_equal(stat_of("h").st_ino, stat_of("d/f").st_ino);
    assert_int_equal(stat_of("d/f").st_nlink, 2);
    assert_int_equal(stat_of("d/f").st_mode, S_IFREG | 0640);
    assert_int_equal(stat_of("d/f").st_mtime, 1000);
    assert_int_equal(stat_of("d/f").st_uid, 7);
    assert_int_equal(stat_of("d/f").st_gid, 8);
    assert_int_equal(fs_usage().blocks, 0); /* nothing was copied */
    struct inode *inode;
    assert_int_equal(fs_lookup(root, "device", 0, &inode), -ENOENT);
}

static void later_entries_win(void **state)
{
    (void)state;
    add_file("f", "first");
    add_file("f", "second");
    add('2', "x", "f", NULL, 0);
    add_file("x", "file now");
    add('5', "d", "", NULL, 0);
    add('5', "d", "", NULL, 0);
    assert_int_equal(populate_all(), 0);
    expect_text("f", "second");
    expect_text("x", "file now");
    assert_true(S_ISREG(stat_of("x").st_mode));
}

static void long_names(void **state)
{
    char name[1400] = "", record[1500], gnu[300];

    (void)state;
    for (int i = 0; i < 6; i++) {
        memset(name + strlen(name), 'a' + i, 200);
        strcat(name, "/");
    }
    strcat(name, "end");
    snprintf(record, sizeof(record), "%zu path=%s\n19 mtime=77.123456\n", strlen(name) + 11, name);
    add_pax(record);
    add_file("short", "pax");
    memset(gnu, 'g', 250);
    gnu[250] = '\0';
    add('L', "././@LongLink", "", gnu, 251);
    add_file("cut", "gnu");
    add('K', "././@LongLink", "", gnu, 251);
    add('2', "link", "cut", NULL, 0);
    uint8_t *h = add('0', "tail", "", "ustar", 5);
    strcpy((char *)h + 345, "some/prefix");
    set_checksum(h);
    assert_int_equal(populate_all(), 0);
    expect_text(name, "pax");
    assert_int_equal(stat_of(name).st_mtime, 77);
    expect_text(gnu, "gnu");
    expect_text("link", "gnu");
    expect_text("some/prefix/tail", "ustar");
}

static void base_256_size(void **state)
{
    uint8_t *h = add('0', "f", "", "12345", 5);

    (void)state;
    memset(h + 124, 0, 12);
    h[124] = 0x80;
    h[135] = 5;
    set_checksum(h);
    assert_int_equal(populate_all(), 0);
    expect_text("f", "12345");
}

static void empty_archives(void **state)
{
    (void)state;
    assert_int_equal(populate(0), 0);
    assert_int_equal(populate(1024), 0);
    assert_int_equal(populate(512), 0);
}

static void what_is_no_archive(void **state)
{
    (void)state;
    strcpy((char *)archive, "\x1f\x8b not a tar file");
    assert_int_equal(populate(4096), -EINVAL);
    assert_non_null(strstr(message, "checksum"));
    assert_int_equal(populate(10), -EINVAL);
    assert_non_null(strstr(message, "ends inside a header"));
}

static void contradictions(void **state)
{
    add_file("f", "file");
    add_file("f/below", "x");
    assert_int_equal(populate_all(), -ENOTDIR);
    assert_non_null(strstr(message, "f/below"));
    restart(state);
    add_file("a/../../b", "x");
    assert_int_equal(populate_all(), -EINVAL);
    restart(state);
    add('1', "h", "missing", NULL, 0);
    assert_int_equal(populate_all(), -ENOENT);
    restart(state);
    add_file("d/f", "x");
    add_file("d", "x");
    assert_int_equal(populate_all(), -ENOTEMPTY);
    restart(state);
    add('2', "s", "", NULL, 0);
    assert_int_equal(populate_all(), -ENOENT);
}

static void sizes_beyond_the_archive(void **state)
{
    uint8_t *h = add('0', "f", "", "12345", 5);

    (void)state;
    strcpy((char *)h + 124, "77777777777");
    set_checksum(h);
    assert_int_equal(populate(1024), -EINVAL);
    memset(h + 124, 0xff, 12);
    h[124] = 0xbf;
    set_checksum(h);
    assert_int_equal(populate(1024), -EINVAL);
    h[124] = 0x80; /* 2^64 - 1: rounding up must not wrap */
    memset(h + 125, 0, 3);
    set_checksum(h);
    assert_int_equal(populate(1024), -EINVAL);
    memcpy(h + 124, "12x4", 5);
    set_checksum(h);
    assert_int_equal(populate(1024), -EINVAL);
}

static void broken_pax_records(void **state)
{
    static const char *const bad[] = {
        "5",
        "x path=a\n",
        "999 path=a\n",
        "11 path=a\n",
        "0 path=a\n",
        "1 path=a\n",
        "9 pathab\n",
        "2 \n",
        "18446744073709551616 path=a\n",
        "18446744073709551615 path=a\n",
        "12 size=-x1\n",
        "-11 path=a\n",
        "            10 path=ab\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        restart(state);
        add_pax(bad[i]);
        add_file("f", "x");
        assert_int_equal(populate(archive_size), -EINVAL);
    }
}

static void build_sample(void)
{
    add('5', "d", "", NULL, 0);
    add_pax("27 path=d/a-longer-name-x\n");
    add_file("f", "content of the file");
    add('L', "././@LongLink", "", "d/gnu-long", 11);
    add_file("g", "more");
    add('1', "h", "d/gnu-long", NULL, 0);
    add('2', "s", "d", NULL, 0);
}

/* Every length: an error or a tree, never a read beyond the end. */
static void truncated_anywhere(void **state)
{
    build_sample();
    size_t size = archive_size;
    for (size_t n = 0; n <= size; n += n % 512 == 0 || n % 512 == 511 ? 1 : 85) {
        populate(n);
        inode_put(root);
        assert_int_equal(fs_init(now), 0);
        root = fs_root();
    }
    (void)state;
}

/* Random damage, half of the time with checksums put right again. The seed is fixed. */
static void damaged_anywhere(void **state)
{
    static uint8_t good[sizeof(archive)];

    (void)state;
    build_sample();
    memcpy(good, archive, archive_size);
    srand(2);
    for (int round = 0; round < 20000; round++) {
        memcpy(archive, good, archive_size);
        for (int flips = rand() % 8 + 1; flips; flips--)
            archive[(size_t)rand() % archive_size] = (uint8_t)rand();
        for (size_t at = 0; round % 2 && at < archive_size; at += 512) {
            if (!memcmp(archive + at + 257, "ustar", 5))
                set_checksum(archive + at);
        }
        populate(archive_size);
        inode_put(root);
        assert_int_equal(fs_init(now), 0);
        root = fs_root();
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(plain_entries),      TEST(later_entries_win),        TEST(long_names),
        TEST(base_256_size),      TEST(empty_archives),           TEST(what_is_no_archive),
        TEST(contradictions),     TEST(sizes_beyond_the_archive), TEST(broken_pax_records),
        TEST(truncated_anywhere), TEST(damaged_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
