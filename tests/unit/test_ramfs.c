/* SPDX-License-Identifier: MIT */
/* The in-memory file system: errno for errno what POSIX says, and nothing lost at the end. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "libos/fs/fs.h"

static struct inode *root;
static time_t clock_now;

static void now(struct timespec *ts)
{
    *ts = (struct timespec){.tv_sec = ++clock_now};
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(fs_init(now), 0);
    root = fs_root();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    inode_put(root);
    assert_int_equal(fs_init(now), 0); /* frees the tree */
    assert_int_equal(fs_usage().inodes, 1);
    assert_int_equal(fs_usage().blocks, 0);
    inode_put(fs_root());
    return 0;
}

static struct inode *make(const char *path)
{
    struct inode *inode = NULL;

    assert_int_equal(fs_open(root, path, O_CREAT | O_EXCL | O_RDWR, 0644, &inode), 0);
    return inode;
}

static void touch(const char *path)
{
    inode_put(make(path));
}

static int open_error(const char *path, int flags)
{
    struct inode *inode = NULL;
    int err = fs_open(root, path, flags, 0644, &inode);

    inode_put(inode);
    return err;
}

static struct stat stat_of(const char *path)
{
    struct inode *inode = NULL;
    struct stat st;

    assert_int_equal(fs_lookup(root, path, FS_NOFOLLOW, &inode), 0);
    fs_stat(inode, &st);
    inode_put(inode);
    return st;
}

static int lookup_error(const char *path)
{
    struct inode *inode = NULL;
    int err = fs_lookup(root, path, 0, &inode);

    inode_put(inode);
    return err;
}

static void opens_and_creates(void **state)
{
    (void)state;
    assert_int_equal(open_error("a", O_RDONLY), -ENOENT);
    assert_int_equal(open_error("", O_RDONLY | O_CREAT), -ENOENT);
    assert_int_equal(open_error("no/a", O_RDWR | O_CREAT), -ENOENT);
    touch("a");
    assert_int_equal(open_error("a", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    assert_int_equal(open_error("a", O_RDWR | O_CREAT), 0);
    assert_int_equal(open_error("a/b", O_RDWR | O_CREAT), -ENOTDIR);
    assert_int_equal(open_error("a/", O_RDONLY), -ENOTDIR);
    assert_int_equal(open_error("new/", O_RDWR | O_CREAT), -EISDIR);
    assert_int_equal(open_error("/", O_RDWR), -EISDIR);
    assert_int_equal(open_error("/", O_RDONLY | O_DIRECTORY), 0);
    assert_int_equal(open_error("a", O_RDONLY | O_DIRECTORY), -ENOTDIR);
    assert_int_equal(open_error("..", O_RDONLY), 0);
    assert_int_equal(open_error("//.//../a", O_RDONLY), 0);
}

static void names_and_paths_have_limits(void **state)
{
    char name[300], path[5000];

    (void)state;
    memset(name, 'n', sizeof(name));
    name[256] = '\0';
    assert_int_equal(open_error(name, O_RDWR | O_CREAT), -ENAMETOOLONG);
    name[255] = '\0';
    assert_int_equal(open_error(name, O_RDWR | O_CREAT), 0);
    memset(path, '/', sizeof(path));
    path[4096] = '\0';
    assert_int_equal(lookup_error(path), -ENAMETOOLONG);
    path[4095] = '\0';
    assert_int_equal(lookup_error(path), 0);
}

static void directories(void **state)
{
    struct inode *dir;

    (void)state;
    assert_int_equal(fs_mkdir(root, "d/", 0750), 0);
    assert_int_equal(fs_mkdir(root, "d", 0750), -EEXIST);
    assert_int_equal(fs_mkdir(root, "/", 0750), -EEXIST);
    assert_int_equal(fs_mkdir(root, "d/e/f", 0750), -ENOENT);
    assert_int_equal(fs_mkdir(root, "d/e", 0750), 0);
    assert_int_equal(stat_of("d").st_nlink, 3);
    assert_int_equal(stat_of("d/e").st_nlink, 2);
    assert_int_equal(stat_of("d").st_mode, S_IFDIR | 0750);
    assert_int_equal(fs_rmdir(root, "d"), -ENOTEMPTY);
    assert_int_equal(fs_rmdir(root, "d/."), -EINVAL);
    assert_int_equal(fs_rmdir(root, "d/e/.."), -ENOTEMPTY);
    assert_int_equal(fs_rmdir(root, "/"), -EBUSY);
    assert_int_equal(fs_unlink(root, "d"), -EPERM);
    assert_int_equal(fs_rmdir(root, "none"), -ENOENT);
    assert_int_equal(fs_lookup(root, "d/e", 0, &dir), 0);
    assert_int_equal(fs_rmdir(root, "d/e"), 0);
    /* A removed directory that is still held: nothing can be found or made in it. */
    assert_int_equal(fs_mkdir(dir, "x", 0755), -ENOENT);
    assert_int_equal(fs_mkdir(dir, "../x", 0755), -ENOENT);
    char path[64];
    assert_int_equal(fs_path_of(dir, path, sizeof(path)), -ENOENT);
    inode_put(dir);
    assert_int_equal(fs_rmdir(root, "d"), 0);
    assert_int_equal(stat_of("/").st_nlink, 2);
}

static void symbolic_links(void **state)
{
    char path[32];

    (void)state;
    assert_int_equal(fs_mkdir(root, "dir", 0755), 0);
    touch("dir/file");
    assert_int_equal(fs_symlink("dir/file", root, "to-file"), 0);
    assert_int_equal(fs_symlink("/dir", root, "dir/up"), 0);
    assert_int_equal(fs_symlink("", root, "empty"), -ENOENT);
    assert_int_equal(fs_symlink("x", root, "to-file"), -EEXIST);
    assert_int_equal(lookup_error("to-file"), 0);
    assert_int_equal(lookup_error("to-file/"), -ENOTDIR);
    assert_int_equal(lookup_error("dir/up/up/up/file"), 0);
    assert_int_equal(stat_of("to-file").st_size, 8);
    assert_true(S_ISLNK(stat_of("to-file").st_mode));
    assert_true(S_ISDIR(stat_of("dir/up/").st_mode));
    assert_int_equal(open_error("to-file", O_RDONLY | O_NOFOLLOW), -ELOOP);
    assert_int_equal(open_error("to-file", O_RDONLY | O_CREAT | O_EXCL), -EEXIST);
    assert_int_equal(fs_symlink("made-through-link", root, "dangling"), 0);
    assert_int_equal(lookup_error("dangling"), -ENOENT);
    assert_int_equal(open_error("dangling", O_RDWR | O_CREAT), 0);
    assert_int_equal(lookup_error("made-through-link"), 0);
    assert_int_equal(fs_symlink("loop", root, "loop"), 0);
    assert_int_equal(lookup_error("loop"), -ELOOP);
    /* Forty links are followed, forty-one are not. */
    assert_int_equal(fs_symlink("dir/file", root, "l0"), 0);
    for (int i = 1; i <= 40; i++) {
        char to[32];

        snprintf(to, sizeof(to), "l%d", i - 1);
        snprintf(path, sizeof(path), "l%d", i);
        assert_int_equal(fs_symlink(to, root, path), 0);
    }
    assert_int_equal(lookup_error("l39"), 0);
    assert_int_equal(lookup_error("l40"), -ELOOP);
    assert_int_equal(fs_unlink(root, "to-file"), 0);
    assert_int_equal(lookup_error("dir/file"), 0);
}

static void hard_links(void **state)
{
    struct inode *file = make("a");

    (void)state;
    assert_int_equal(fs_write(file, 0, "text", 4), 4);
    assert_int_equal(fs_link(file, root, "b"), 0);
    assert_int_equal(fs_link(file, root, "b"), -EEXIST);
    assert_int_equal(fs_link(root, root, "c"), -EPERM);
    assert_int_equal(stat_of("b").st_nlink, 2);
    assert_int_equal(stat_of("b").st_ino, stat_of("a").st_ino);
    assert_int_equal(fs_unlink(root, "a"), 0);
    assert_int_equal(fs_unlink(root, "b"), 0);
    assert_int_equal(fs_unlink(root, "b"), -ENOENT);
    char text[8];
    assert_int_equal(fs_read(file, 0, text, sizeof(text)), 4); /* open files outlive their names */
    assert_int_equal(fs_link(file, root, "again"), -ENOENT);
    inode_put(file);
}

static void renames(void **state)
{
    (void)state;
    touch("a");
    touch("b");
    assert_int_equal(fs_mkdir(root, "d", 0755), 0);
    assert_int_equal(fs_mkdir(root, "e", 0755), 0);
    ino_t a = stat_of("a").st_ino;
    assert_int_equal(fs_rename(root, "none", root, "x"), -ENOENT);
    assert_int_equal(fs_rename(root, "a", root, "d"), -EISDIR);
    assert_int_equal(fs_rename(root, "d", root, "a"), -ENOTDIR);
    assert_int_equal(fs_rename(root, "a", root, "new/"), -ENOTDIR);
    assert_int_equal(fs_rename(root, "d", root, "d/below"), -EINVAL);
    assert_int_equal(fs_rename(root, "d/.", root, "f"), -EINVAL);
    assert_int_equal(fs_rename(root, "a", root, "a"), 0);
    assert_int_equal(fs_rename(root, "a", root, "b"), 0);
    assert_int_equal(lookup_error("a"), -ENOENT);
    assert_int_equal(stat_of("b").st_ino, a);
    assert_int_equal(stat_of("b").st_nlink, 1);
    assert_int_equal(fs_rename(root, "b", root, "d/c"), 0);
    assert_int_equal(stat_of("d/c").st_ino, a);
    assert_int_equal(fs_rename(root, "e", root, "d"), -ENOTEMPTY);
    assert_int_equal(fs_rename(root, "d", root, "e"), 0); /* over an empty directory */
    assert_int_equal(stat_of("e/c").st_ino, a);
    assert_int_equal(stat_of("/").st_nlink, 3);
    assert_int_equal(fs_mkdir(root, "f", 0755), 0);
    assert_int_equal(fs_rename(root, "e", root, "f/g"), 0);
    assert_int_equal(stat_of("f").st_nlink, 3);
    assert_int_equal(stat_of("/").st_nlink, 3);
    assert_int_equal(stat_of("f/g/..").st_ino, stat_of("f").st_ino);
    assert_int_equal(fs_rename(root, "f/g", root, "f/h"), 0);
    assert_int_equal(stat_of("f").st_nlink, 3);
}

static void file_content(void **state)
{
    struct inode *file = make("f");
    char buf[16384];

    (void)state;
    assert_int_equal(fs_read(file, 0, buf, sizeof(buf)), 0);
    assert_int_equal(fs_write(file, 4090, "0123456789", 10), 10); /* across a block border, after a hole */
    assert_int_equal(file->size, 4100);
    assert_int_equal(fs_read(file, 4088, buf, 100), 12);
    assert_memory_equal(buf, "\0\0000123456789", 12);
    assert_int_equal(fs_write(file, (off_t)1 << 30, "x", 1), 1); /* sparse */
    assert_true(stat_of("f").st_blocks <= 3 * 8);
    assert_int_equal(fs_truncate(file, 4095), 0);
    assert_int_equal(fs_truncate(file, 5000), 0);
    assert_int_equal(fs_read(file, 4094, buf, 8), 8);
    assert_memory_equal(buf, "4\0\0\0\0\0\0\0", 8); /* what was cut off does not come back */
    assert_int_equal(fs_truncate(file, -1), -EINVAL);
    assert_int_equal(fs_truncate(root, 0), -EISDIR);
    assert_int_equal(fs_write(file, FS_SIZE_MAX, "x", 1), -EFBIG);
    assert_int_equal(fs_truncate(file, FS_SIZE_MAX + 1), -EFBIG);
    assert_int_equal(fs_write(file, -1, "x", 1), -EINVAL);
    assert_int_equal(open_error("f", O_WRONLY | O_TRUNC), 0);
    assert_int_equal(file->size, 0);
    inode_put(file);
}

static void content_shared_with_an_image(void **state)
{
    static char image[10000];
    struct inode *file = make("f");
    char buf[10100];

    (void)state;
    memset(image, 'i', sizeof(image));
    fs_set_image(file, image, sizeof(image));
    assert_int_equal(fs_read(file, 9990, buf, 100), 10);
    assert_int_equal(fs_write(file, 5000, "own", 3), 3);
    assert_int_equal(image[5000], 'i');
    assert_int_equal(fs_usage().blocks, 1);
    assert_int_equal(fs_read(file, 4999, buf, 5), 5);
    assert_memory_equal(buf, "iowni", 5);
    assert_int_equal(fs_truncate(file, 9000), 0);
    assert_int_equal(fs_truncate(file, 10000), 0);
    assert_int_equal(fs_read(file, 8999, buf, 3), 3);
    assert_memory_equal(buf, "i\0\0", 3);
    assert_int_equal(fs_write(file, 9999, "end", 3), 3);
    assert_int_equal(fs_read(file, 8999, buf, 10000), 1003);
    assert_memory_equal(buf, "i\0", 2);
    assert_memory_equal(buf + 1000, "end", 3);
    inode_put(file);
}

/* Random reads, writes and truncations against a plain array. */
static void content_against_a_model(void **state)
{
    enum { MAX = 40000 };
    static uint8_t model[MAX], buf[MAX], image[20000];
    struct inode *file = make("f");
    size_t size = sizeof(image);

    (void)state;
    srand(1);
    for (size_t i = 0; i < sizeof(image); i++)
        image[i] = model[i] = (uint8_t)rand();
    fs_set_image(file, image, sizeof(image));
    for (int round = 0; round < 5000; round++) {
        size_t off = (size_t)rand() % MAX, len = (size_t)rand() % (MAX - off) / (rand() % 50 + 1);

        switch (rand() % 8) {
        case 0:
            assert_int_equal(fs_truncate(file, (off_t)off), 0);
            if (off < size)
                memset(model + off, 0, size - off);
            size = off;
            break;
        case 1:
        case 2:
        case 3:
            for (size_t i = 0; i < len; i++)
                model[off + i] = buf[i] = (uint8_t)rand();
            assert_int_equal(fs_write(file, (off_t)off, buf, len), len);
            if (len && off + len > size)
                size = off + len;
            break;
        default: {
            size_t want = off >= size ? 0 : len < size - off ? len : size - off;

            assert_int_equal(fs_read(file, (off_t)off, buf, len), want);
            assert_memory_equal(buf, model + off, want);
        }
        }
        assert_int_equal(file->size, size);
    }
    inode_put(file);
}

static void listings(void **state)
{
    struct fs_dirent entry;
    uint64_t cookie = 0;
    char name[16], seen[2000] = {0};
    int count = 0;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "%d", i);
        touch(name);
    }
    assert_int_equal(fs_readdir(root, &cookie, &entry), 1);
    assert_string_equal(entry.name, ".");
    assert_int_equal(fs_readdir(root, &cookie, &entry), 1);
    assert_string_equal(entry.name, "..");
    /* Every entry shows once although each is removed, and others come, while the listing goes on. */
    while (fs_readdir(root, &cookie, &entry)) {
        int i = atoi(entry.name);

        if (i >= 2000)
            continue;
        assert_int_equal(seen[i]++, 0);
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(fs_unlink(root, name), 0);
        snprintf(name, sizeof(name), "%d", 5000 + i);
        if (i % 3 == 0)
            touch(name);
        count++;
    }
    assert_int_equal(count, 2000);
    assert_int_equal(lookup_error("5000"), 0);
}

static void working_directories(void **state)
{
    struct inode *dir;
    char path[64];

    (void)state;
    assert_int_equal(fs_mkdir(root, "a", 0755), 0);
    assert_int_equal(fs_mkdir(root, "a/bc", 0755), 0);
    assert_int_equal(fs_lookup(root, "a/bc", 0, &dir), 0);
    assert_int_equal(fs_path_of(dir, path, sizeof(path)), 0);
    assert_string_equal(path, "/a/bc");
    assert_int_equal(fs_path_of(dir, path, 5), -ERANGE);
    assert_int_equal(fs_path_of(dir, path, 6), 0);
    assert_int_equal(fs_rename(root, "a", root, "z"), 0);
    assert_int_equal(fs_path_of(dir, path, sizeof(path)), 0);
    assert_string_equal(path, "/z/bc");
    assert_int_equal(fs_mkdir(dir, "../sibling", 0755), 0);
    assert_int_equal(lookup_error("z/sibling"), 0);
    inode_put(dir);
    assert_int_equal(fs_path_of(root, path, 2), 0);
    assert_string_equal(path, "/");
}

static void times_and_attributes(void **state)
{
    struct inode *file = make("f");
    struct timespec when = {.tv_sec = 5, .tv_nsec = 6};
    struct stat st;

    (void)state;
    st = stat_of("f");
    assert_int_equal(fs_write(file, 0, "x", 1), 1);
    assert_true(stat_of("f").st_mtime > st.st_mtime);
    assert_true(stat_of("f").st_atime == st.st_atime);
    fs_utimes(file, &when, NULL);
    assert_int_equal(stat_of("f").st_atime, 5);
    fs_chmod(file, 04711);
    assert_int_equal(stat_of("f").st_mode, S_IFREG | 04711);
    fs_chown(file, 7, (gid_t)-1);
    assert_int_equal(stat_of("f").st_uid, 7);
    assert_int_equal(stat_of("f").st_gid, 0);
    st = stat_of("/");
    touch("g");
    assert_true(stat_of("/").st_mtime > st.st_mtime);
    inode_put(file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(opens_and_creates),
        TEST(names_and_paths_have_limits),
        TEST(directories),
        TEST(symbolic_links),
        TEST(hard_links),
        TEST(renames),
        TEST(file_content),
        TEST(content_shared_with_an_image),
        TEST(content_against_a_model),
        TEST(listings),
        TEST(working_directories),
        TEST(times_and_attributes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
