/* SPDX-License-Identifier: MIT */
/* The root archive: everything of a directory comes back out of it. */
#include "toolstack/lib/archive.h"
#include "toolstack/lib/blob.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define LONG_NAME                                                                                            \
    "a-name-of-more-than-one-hundred-characters-that-does-not-fit-the-old-header-and-therefore-needs-a-pax-" \
    "record-"                                                                                                \
    "before-it.txt"

struct fixture {
    char root[32];
    int archive;
};

static void write_file(const char *name, const char *content)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static int make_tree(void **state)
{
    static struct fixture fixture;
    char back[4096];

    strcpy(fixture.root, "/tmp/root-XXXXXX");
    assert_non_null(mkdtemp(fixture.root));
    assert_non_null(getcwd(back, sizeof(back)));
    assert_int_equal(chdir(fixture.root), 0);
    assert_int_equal(mkdir("etc", 0755), 0);
    assert_int_equal(mkdir("empty", 0700), 0);
    write_file("etc/motd", "welcome\n");
    write_file("script.lua", "print(1)\n");
    assert_int_equal(chmod("script.lua", 0750), 0);
    write_file(LONG_NAME, "long");
    write_file("zero", "");
    assert_int_equal(symlink("etc/motd", "link"), 0);
    assert_int_equal(symlink("nowhere", "dangling"), 0);
    assert_int_equal(link("etc/motd", "zhard"), 0);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(chdir(back), 0);
    fixture.archive = blob_create("test");
    assert_true(fixture.archive >= 0);
    *state = &fixture;
    return 0;
}

static int remove_tree(void **state)
{
    struct fixture *fixture = *state;
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", fixture->root);
    close(fixture->archive);
    return system(command);
}

/* What the archive says about one name. */
struct found {
    bool exists;
    mode_t mode, type;
    char content[64], link[64];
    int64_t uid;
};

static struct found look(int fd, const char *name)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    struct found found = {0};
    const char *link;

    archive_read_support_format_tar(archive);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(archive_read_open_fd(archive, fd, 10240), ARCHIVE_OK);
    while (archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
        if (strcmp(archive_entry_pathname(entry), name) != 0)
            continue;
        found.exists = true;
        found.mode = archive_entry_perm(entry);
        found.type = archive_entry_filetype(entry);
        found.uid = archive_entry_uid(entry);
        link = archive_entry_hardlink(entry) != NULL ? archive_entry_hardlink(entry)
                                                     : archive_entry_symlink(entry);
        if (link != NULL)
            strncpy(found.link, link, sizeof(found.link) - 1);
        assert_true(archive_read_data(archive, found.content, sizeof(found.content) - 1) >= 0);
    }
    archive_read_free(archive);
    return found;
}

static void test_round_trip(void **state)
{
    struct fixture *fixture = *state;
    struct found found;

    assert_int_equal(write_root_archive(fixture->root, fixture->archive), 0);
    found = look(fixture->archive, "./script.lua");
    assert_true(found.exists);
    assert_int_equal(found.mode, 0750);
    assert_int_equal(found.uid, 0);
    assert_string_equal(found.content, "print(1)\n");
    assert_string_equal(look(fixture->archive, "./" LONG_NAME).content, "long");
    assert_true(look(fixture->archive, "./zero").exists);
    assert_int_equal(look(fixture->archive, "./empty/").type, AE_IFDIR);
    assert_string_equal(look(fixture->archive, "./link").link, "etc/motd");
    assert_string_equal(look(fixture->archive, "./dangling").link, "nowhere");
    assert_false(look(fixture->archive, "./fifo").exists);
}

static void test_hard_link(void **state)
{
    struct fixture *fixture = *state;
    struct found first, second;

    assert_int_equal(write_root_archive(fixture->root, fixture->archive), 0);
    first = look(fixture->archive, "./etc/motd");
    second = look(fixture->archive, "./zhard");
    assert_true(first.exists && second.exists);
    /* One holds the bytes, the other names it; which one depends on the order of the walk. */
    assert_true(first.link[0] != '\0' || second.link[0] != '\0');
    assert_string_equal(first.link[0] != '\0' ? second.content : first.content, "welcome\n");
}

static void test_relative_and_slash(void **state)
{
    struct fixture *fixture = *state;
    char path[64];

    snprintf(path, sizeof(path), "%s/etc/../", fixture->root);
    assert_int_equal(write_root_archive(path, fixture->archive), 0);
    assert_true(look(fixture->archive, "./etc/motd").exists);
}

static void test_not_a_directory(void **state)
{
    struct fixture *fixture = *state;
    char path[64];

    snprintf(path, sizeof(path), "%s/zero", fixture->root);
    assert_int_equal(write_root_archive(path, fixture->archive), -1);
    assert_int_equal(write_root_archive("/nonexistent", fixture->archive), -1);
}

static void test_write_error(void **state)
{
    struct fixture *fixture = *state;
    int full = open("/dev/full", O_WRONLY);

    assert_true(full >= 0);
    assert_int_equal(write_root_archive(fixture->root, full), -1);
    close(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_hard_link, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_relative_and_slash, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_not_a_directory, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_write_error, make_tree, remove_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
