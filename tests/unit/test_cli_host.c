/* SPDX-License-Identifier: MIT */
/* What the tool keeps and shows of hosts: places and locks, addresses, tables, shares of processors, boot
 * archives. */
#include "toolstack/lib/address.h"
#include "toolstack/lib/blob.h"
#include "toolstack/lib/boot_archive.h"
#include "toolstack/lib/digest.h"
#include "toolstack/lib/host_machine.h"
#include "toolstack/lib/host_place.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/log_file.h"
#include "toolstack/lib/size.h"
#include "toolstack/lib/table.h"
#include "toolstack/lib/usage.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/test-cli-host-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL || setenv("XDG_RUNTIME_DIR", folder, 1) != 0;
}

static int remove_folder(void **state)
{
    char command[256];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command); /* NOLINT(bugprone-command-processor): our own folder's name */
}

/* ---- places ---- */

static void names_of_hosts(void **state)
{
    static const char *const bad[] = {"",    ".",   "..",  "-x",
                                      "a/b", "a b", "a:b", "123456789012345678901234567890123"};
    struct host_place place;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(host_place(&place, bad[i]), -1);
    assert_int_equal(host_place(&place, "a_B.9-x"), 0);
    assert_int_equal(strncmp(place.directory, folder, strlen(folder)), 0);
}

static void only_one_holds_the_lock(void **state)
{
    struct host_place place;
    int lock, status;
    pid_t child;

    (void)state;
    assert_int_equal(host_place(&place, "lock"), 0);
    assert_false(host_is_running(&place));
    assert_int_equal(host_place_make(&place), 0);
    assert_false(host_is_running(&place));
    lock = host_lock(&place);
    assert_true(lock >= 0);
    assert_true(host_is_running(&place));
    assert_int_equal(host_lock(&place), -1);
    assert_true(host_is_running(&place));
    /* A child keeps it when the parent lets go, and its end frees it, whatever it ended by. */
    int gate[2];

    assert_int_equal(pipe(gate), 0);
    child = fork();
    if (child == 0) {
        char byte;

        close(gate[1]);
        _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(gate[0]);
    close(lock);
    assert_int_equal(host_lock(&place), -1);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    close(gate[1]);
    lock = host_lock(&place);
    assert_true(lock >= 0);
    close(lock);
}

static void files_are_private_and_cleaned(void **state)
{
    struct host_place place;
    struct stat status;
    char *path, *text;

    (void)state;
    assert_int_equal(host_place(&place, "files"), 0);
    assert_int_equal(host_place_make(&place), 0);
    assert_int_equal(host_write(&place, "token", "secret\nmore"), 0);
    path = host_file(&place, "token");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(stat(place.directory, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    text = host_read(&place, "token");
    assert_string_equal(text, "secret");
    free(text);
    host_clean(&place);
    assert_int_equal(access(path, F_OK), -1);
    assert_null(host_read(&place, "token"));
    free(path);
    /* A directory that others may enter is not taken. */
    assert_int_equal(chmod(place.directory, 0755), 0);
    assert_int_equal(host_place_make(&place), -1);
}

/* ---- addresses ---- */

static void addresses(void **state)
{
    static const char *const bad[] = {"",        "unix:",       "serial:",     "tcp:",     "tcp::1",
                                      "tcp:a:0", "tcp:a:65536", "tcp:fe80::1", "tcp:[::1", "tcp:[::1]7",
                                      "tcp:a/b", "http://a",    "a/b",         "ssh:a"};
    struct address address;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(parse_address(bad[i], &address));
    assert_null(parse_address("lab", &address));
    assert_true(address.kind == ADDRESS_LOCAL);
    assert_string_equal(address.value, "lab");
    assert_null(parse_address("unix:/run/x.sock", &address));
    assert_true(address.kind == ADDRESS_UNIX);
    assert_string_equal(address.value, "/run/x.sock");
    assert_null(parse_address("serial:/dev/ttyS0", &address));
    assert_true(address.kind == ADDRESS_SERIAL);
    assert_string_equal(address.value, "/dev/ttyS0");
    assert_null(parse_address("tcp:host.lan", &address));
    assert_true(address.kind == ADDRESS_TCP);
    assert_string_equal(address.host, "host.lan");
    assert_int_equal(address.port, API_PORT);
    assert_null(parse_address("tcp:192.0.2.7:80", &address));
    assert_string_equal(address.host, "192.0.2.7");
    assert_int_equal(address.port, 80);
    assert_null(parse_address("tcp:[2001:db8::7]:65535", &address));
    assert_string_equal(address.host, "2001:db8::7");
    assert_int_equal(address.port, 65535);
    assert_null(parse_address("tcp:[::1]", &address));
    assert_string_equal(address.host, "::1");
}

/* ---- tables ---- */

static void table_has_columns_and_no_control_characters(void **state)
{
    struct table table = {0};
    struct text output = {0};

    (void)state;
    table_column(&table, "NAME", false);
    table_column(&table, "N", true);
    table_column(&table, "LAST", false);
    table_cell(&table, "%s", "longer");
    table_cell(&table, "%d", 12);
    table_cell(&table, "%s", "x");
    table_cell(&table, "%s", "a\033[2J");
    table_cell(&table, "%d", 3);
    table_cell(&table, "%s", "");
    table_format(&table, &output);
    assert_string_equal(output.text, "NAME     N  LAST\n"
                                     "longer  12  x\n"
                                     "a?[2J    3\n");
    free(output.text);
    table_free(&table);
}

/* ---- shares ---- */

static cJSON *parse(const char *text)
{
    cJSON *json = cJSON_Parse(text);

    assert_non_null(json);
    return json;
}

#define NEAR(value, expected) assert_true((value) > (expected)-0.001 && (value) < (expected) + 0.001)

static void shares_of_processors(void **state)
{
    struct usage first = {0}, second = {0};
    cJSON *host1 = parse("{\"uptime_ns\":10000,\"cpus\":2,\"control\":{\"cpu_ns\":1000}}");
    cJSON *host2 = parse("{\"uptime_ns\":20000,\"cpus\":2,\"control\":{\"cpu_ns\":3000}}");

    (void)state;
    usage_compute(&first, host1, parse("{\"domains\":[{\"domid\":1,\"cpu_ns\":2000,\"created_ns\":2000}]}"),
                  NULL);
    assert_int_equal(first.nr_domains, 1);
    NEAR(first.domains[0].percent, 25);                   /* 2000 of the 8000 that it exists */
    NEAR(first.host_percent, 100.0 * 3000 / (2 * 10000)); /* with the control domain, of two processors */
    usage_compute(&second, host2,
                  parse("{\"domains\":[{\"domid\":1,\"cpu_ns\":3000,\"created_ns\":2000},"
                        "{\"domid\":2,\"cpu_ns\":2000,\"created_ns\":16000}]}"),
                  &first);
    assert_int_equal(second.nr_domains, 2);
    assert_int_equal(json_number(second.domains[0].domain, "domid"), 2); /* the hungriest */
    NEAR(second.domains[0].percent, 50);
    NEAR(second.domains[1].percent, 10);
    NEAR(second.host_percent, 100.0 * (2000 + 1000 + 2000) / (2 * 10000));
    usage_free(&first);
    usage_free(&second);
    cJSON_Delete(host1);
    cJSON_Delete(host2);
}

/* ---- logs ---- */

static void log_is_bounded(void **state)
{
    static char block[LOG_FILE_MAX / 4];
    struct log_file log;
    struct stat status;
    char path[64], before[80];

    (void)state;
    snprintf(path, sizeof(path), "%s/a.log", folder);
    snprintf(before, sizeof(before), "%s.1", path);
    memset(block, 'x', sizeof(block));
    assert_int_equal(log_file_open(&log, path), 0);
    for (unsigned i = 0; i < 9; i++)
        log_file_add(&log, block, sizeof(block));
    log_file_close(&log);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, sizeof(block));
    assert_int_equal(stat(before, &status), 0);
    assert_int_equal(status.st_size, LOG_FILE_MAX);
}

/* ---- boot archives ---- */

static void boot_archive_holds_token_images_domains(void **state)
{
    char digest[DIGEST_TEXT], again[DIGEST_TEXT], content[256];
    int fd = blob_create("archive"), image = blob_create("image");
    struct boot_archive *archive = boot_archive_begin(fd, "secret");
    cJSON *config = parse("{\"name\":\"a\"}"), *found = json_object();
    struct archive_entry *entry;
    struct archive *reader = archive_read_new();

    (void)state;
    assert_non_null(archive);
    assert_int_equal(write(image, "abc", 3), 3);
    assert_int_equal(boot_archive_add_image(archive, image, "image", digest), 0);
    /* FIPS 180-4's example. */
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(boot_archive_add_image(archive, image, "image", again), 0);
    assert_string_equal(again, digest);
    assert_int_equal(boot_archive_add_domain(archive, config), 0);
    assert_int_equal(boot_archive_end(archive), 0);

    lseek(fd, 0, SEEK_SET);
    archive_read_support_format_tar(reader);
    assert_int_equal(archive_read_open_fd(reader, fd, 10240), ARCHIVE_OK);
    while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
        ssize_t length = archive_read_data(reader, content, sizeof(content) - 1);

        content[length > 0 ? length : 0] = '\0';
        assert_false(cJSON_HasObjectItem(found, archive_entry_pathname(entry)));
        json_set_text(found, archive_entry_pathname(entry), content);
    }
    archive_read_free(reader);
    assert_string_equal(json_text(found, "boot/token", ""), "secret");
    assert_string_equal(
        json_text(found, "boot/images/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", ""),
        "abc");
    assert_string_equal(json_text(found, "boot/autostart/0000.json", ""), "{\"name\":\"a\"}");
    cJSON_Delete(found);
    cJSON_Delete(config);
    close(fd);
    close(image);
}

static void tokens_differ(void **state)
{
    char a[DIGEST_TEXT], b[DIGEST_TEXT];

    (void)state;
    assert_int_equal(make_token(a), 0);
    assert_int_equal(make_token(b), 0);
    assert_int_equal(strlen(a), 64);
    assert_int_equal(strspn(a, "0123456789abcdef"), 64);
    assert_string_not_equal(a, b);
}

static void machine_has_room_for_its_parts(void **state)
{
    (void)state;
    assert_int_equal(host_check_memory(64 * MIB, 0), 0);
    assert_int_equal(host_check_memory(32 * MIB, 0), -1);
    assert_int_equal(host_check_memory(128 * MIB, 100 * MIB), -1);
    assert_int_equal(host_check_memory(512 * MIB, 100 * MIB), 0);
    assert_true(host_control_memory(8 * GIB, 0) >= 1 * GIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_hosts),
        cmocka_unit_test(only_one_holds_the_lock),
        cmocka_unit_test(files_are_private_and_cleaned),
        cmocka_unit_test(addresses),
        cmocka_unit_test(table_has_columns_and_no_control_characters),
        cmocka_unit_test(shares_of_processors),
        cmocka_unit_test(log_is_bounded),
        cmocka_unit_test(boot_archive_holds_token_images_domains),
        cmocka_unit_test(tokens_differ),
        cmocka_unit_test(machine_has_room_for_its_parts),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
