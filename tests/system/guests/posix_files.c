/* SPDX-License-Identifier: MIT */
/*
 * Files and directories: what --root brought, what the program makes, and the errno of everything that fails.
 *
 * build: -O2
 * run: root=posix_root out="^done: all$"
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utime.h>

#include "posix_check.h"

static char buf[9000];

static int text_is(const char *path, const char *text)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

    close(fd);
    if (n < 0)
        return 0;
    buf[n] = '\0';
    return !strcmp(buf, text);
}

static void content_of_root(void)
{
    char name[200] = "/sub/";

    check(text_is("/greeting.txt", "hello from the root\n"), "file of the root");
    check(text_is("link", "deep\n"), "symbolic link of the root");
    check(readlink("/link", buf, 3) == 3 && !memcmp(buf, "sub", 3), "readlink cuts");
    memset(name + 5, 'n', 130);
    strcpy(name + 135, ".txt");
    check(text_is(name, "a name of more than a hundred bytes\n"), "long name of the root");
    int fd = open("/greeting.txt", O_RDWR | O_APPEND);
    check(write(fd, "more\n", 5) == 5, "append to a file of the root");
    close(fd);
    check(text_is("/greeting.txt", "hello from the root\nmore\n"), "appended");
}

static void open_and_errors(void)
{
    struct stat st;
    int fd;

    umask(022);
    fd = open("/tmp/a", O_RDWR | O_CREAT | O_EXCL, 0666);
    check(fd >= 3 && fstat(fd, &st) == 0 && st.st_mode == (S_IFREG | 0644), "create, umask");
    check_errno(open("/tmp/a", O_CREAT | O_EXCL | O_RDWR, 0666), EEXIST, "EEXIST");
    check_errno(open("/tmp/none", O_RDONLY), ENOENT, "ENOENT");
    check_errno(open("/tmp/a/b", O_RDONLY), ENOTDIR, "ENOTDIR");
    check_errno(open("/tmp", O_RDWR), EISDIR, "EISDIR");
    check_errno(read(99, buf, 1), EBADF, "EBADF");
    check_errno(lseek(fd, -1, SEEK_SET), EINVAL, "EINVAL of lseek");
    check(write(fd, "0123456789", 10) == 10 && lseek(fd, 0, SEEK_CUR) == 10, "write moves");
    check(pread(fd, buf, 4, 3) == 4 && !memcmp(buf, "3456", 4) && lseek(fd, 0, SEEK_CUR) == 10, "pread");
    check(pwrite(fd, "xx", 2, 20) == 2 && lseek(fd, 0, SEEK_END) == 22, "pwrite beyond the end");
    struct iovec iov[2] = {{buf, 5}, {buf + 100, 100}};
    lseek(fd, 0, SEEK_SET);
    check(readv(fd, iov, 2) == 22 && !memcmp(buf + 100, "56789\0", 6), "readv");
    check(ftruncate(fd, 3) == 0 && fstat(fd, &st) == 0 && st.st_size == 3, "ftruncate");
    int copy = dup(fd);
    check(copy > fd && lseek(copy, 1, SEEK_SET) == 1 && lseek(fd, 0, SEEK_CUR) == 1,
          "dup shares the position");
    check(dup2(fd, 40) == 40 && fcntl(40, F_GETFL) == O_RDWR, "dup2");
    check(fcntl(fd, F_DUPFD, 41) == 41, "F_DUPFD");
    close(copy), close(40), close(41), close(fd);
    check_errno(close(fd), EBADF, "closed twice");
    fd = open("/tmp/a", O_RDONLY);
    check_errno(write(fd, "x", 1), EBADF, "write to a read-only descriptor");
    close(fd);
    fd = open("/tmp/a", O_WRONLY | O_TRUNC);
    check(lseek(fd, 0, SEEK_END) == 0, "O_TRUNC");
    close(fd);
}

static void names(void)
{
    char long_name[300];
    struct stat st, st2;

    memset(long_name, 'l', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    check_errno(mkdir(long_name, 0755), ENAMETOOLONG, "ENAMETOOLONG");
    check(mkdir("/tmp/d", 0700) == 0 && mkdir("/tmp/d/e", 0700) == 0, "mkdir");
    check_errno(rmdir("/tmp/d"), ENOTEMPTY, "ENOTEMPTY");
    check(chdir("/tmp/d/e") == 0 && getcwd(buf, sizeof(buf)) && !strcmp(buf, "/tmp/d/e"), "chdir, getcwd");
    check(symlink("loop", "loop") == 0, "symlink");
    check_errno(stat("loop", &st), ELOOP, "ELOOP");
    check(lstat("loop", &st) == 0 && S_ISLNK(st.st_mode), "lstat");
    close(open("file", O_CREAT | O_WRONLY, 0600));
    check(link("file", "../hard") == 0 && stat("file", &st) == 0 && stat("../hard", &st2) == 0 &&
              st.st_ino == st2.st_ino && st.st_nlink == 2,
          "link");
    check(rename("file", "../moved") == 0 && access("file", F_OK) == -1, "rename");
    check_errno(rename("/tmp/d", "/tmp/d/e/below"), EINVAL, "rename below itself");
    check_errno(access("../moved", X_OK), EACCES, "access X_OK");
    check(chmod("../moved", 0755) == 0 && access("../moved", X_OK) == 0, "chmod");
    check(remove("../moved") == 0 && remove("../hard") == 0 && remove("loop") == 0, "remove");
    check(chdir("/") == 0 && remove("/tmp/d/e") == 0 && rmdir("/tmp/d") == 0, "remove of directories");
    struct utimbuf times = {.actime = 1, .modtime = 2};
    check(utime("/tmp/a", &times) == 0 && stat("/tmp/a", &st) == 0 && st.st_mtime == 2, "utime");
    char *real = realpath("/link/../../sub/./deeper/../deeper/file", NULL);
    check(!real, "realpath through a file");
    real = realpath("//sub/./deeper/../../link", NULL);
    check(real && !strcmp(real, "/sub/deeper/file"), "realpath");
    free(real);
}

static void directories(void)
{
    char name[32];
    int seen = 0;
    struct dirent *entry, **list;

    mkdir("/tmp/many", 0755);
    chdir("/tmp/many");
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    DIR *dir = opendir(".");
    while (dir && (entry = readdir(dir)))
        seen += entry->d_type == DT_REG && unlink(entry->d_name) == 0;
    closedir(dir);
    check(seen == 500, "every entry seen while removing");
    chdir("/");
    check(rmdir("/tmp/many") == 0, "the directory is empty");
    int n = scandir("/sub", &list, NULL, alphasort);
    check(n == 4 && !strcmp(list[0]->d_name, ".") && !strcmp(list[2]->d_name, "deeper"), "scandir");
    check(!opendir("/greeting.txt") && errno == ENOTDIR, "opendir of a file");
    int fd = open("/sub", O_RDONLY | O_DIRECTORY);
    int file = openat(fd, "deeper/file", O_RDONLY);
    check(file >= 0 && read(file, buf, 10) == 5, "openat");
    close(file), close(fd);
}

static void devices(void)
{
    char other[64];
    int fd = open("/dev/null", O_RDWR);
    struct stat st;

    check(read(fd, buf, 10) == 0 && write(fd, buf, 10) == 10, "/dev/null");
    close(fd);
    fd = open("/dev/zero", O_RDWR);
    memset(buf, 1, 64);
    check(read(fd, buf, 64) == 64 && !buf[0] && !buf[63], "/dev/zero");
    close(fd);
    fd = open("/dev/full", O_RDWR);
    check_errno(write(fd, buf, 1), ENOSPC, "/dev/full");
    close(fd);
    fd = open("/dev/urandom", O_RDONLY);
    check(read(fd, buf, 64) == 64 && read(fd, other, 64) == 64 && memcmp(buf, other, 64), "/dev/urandom");
    close(fd);
    check(getentropy(buf, 256) == 0, "getentropy");
    check_errno(getentropy(buf, 257), EIO, "getentropy of too much");
    check(stat("/dev/console", &st) == 0 && S_ISCHR(st.st_mode), "/dev/console");
    fd = open("/dev/stdout", O_WRONLY);
    check(fd > 2 && write(fd, "through /dev/stdout\n", 20) == 20, "/dev/stdout");
    close(fd);
}

/* Memory and file are the same, whoever changes which. */
static void shared_mappings(void)
{
    int fd = open("/shared", O_RDWR | O_CREAT, 0600);
    char text[8] = "";
    char *all, *again, *part;

    check(ftruncate(fd, 3 * 4096 + 100) == 0, "a file to share");
    all = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check(all != MAP_FAILED && !all[0] && !all[3 * 4096 + 99], "shared mapping");
    memcpy(all + 4090, "across pages", 12);
    check(pread(fd, text, 7, 4094) == 7 && !memcmp(text, "ss page", 7), "the file has what the memory has");
    check(pwrite(fd, "FILE", 4, 8190) == 4 && !memcmp(all + 8190, "FILE", 4),
          "the memory has what the file has");
    all[8192] = '!';
    check(pread(fd, text, 4, 8190) == 4 && !memcmp(text, "FI!E", 4), "and again");
    part = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
    again = mmap(NULL, 4 * 4096, PROT_READ, MAP_SHARED, fd, 0);
    all[4100] = 'x';
    check(part[4] == 'x' && again[4100] == 'x', "mapped again it is the same");
    check(munmap(part, 4096) == 0 && munmap(again, 4 * 4096) == 0 && all[4100] == 'x',
          "until all have unmapped it");
    check(mmap(NULL, 2 * 4096, PROT_READ, MAP_SHARED, fd, 3 * 4096) == MAP_FAILED && errno == EBUSY,
          "more than one that is there");
    all[1] = 'a';
    check(msync(all, 4096, MS_SYNC) == 0, "msync");
    check(ftruncate(fd, 4100) == 0 && !all[4101] && ftruncate(fd, 3 * 4096) == 0 && !all[8190],
          "what is cut off is zero");
    all[3] = 'b';
    check(munmap(all + 4096, 4096) == 0, "unmapping the middle");
    all[2] = 'c';
    all[2 * 4096 + 5] = 'd';
    check(munmap(all, 4096) == 0 && munmap(all + 2 * 4096, 2 * 4096) == 0, "unmapping the rest");
    check(pread(fd, text, 4, 0) == 4 && !memcmp(text, "\0acb", 4) && pread(fd, text, 1, 2 * 4096 + 5) == 1 &&
              *text == 'd',
          "the file has all of it");
    close(fd);
}

static void mappings(void)
{
    int fd = open("/greeting.txt", O_RDWR);
    char *text = mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

    check(text != MAP_FAILED && !memcmp(text, "hello", 5) && !text[4999], "private mapping of a file");
    text[0] = 'J';
    check(pread(fd, buf, 1, 0) == 1 && buf[0] == 'h', "it is a copy");
    check(munmap(text, 5000) == 0, "munmap");
    shared_mappings();
    check(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, open("/greeting.txt", O_RDONLY), 0) ==
                  MAP_FAILED &&
              errno == EACCES,
          "writable shared mapping of what may only be read");
    check(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL,
          "mapping of nothing");
    close(fd);
    char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(memory != MAP_FAILED && !memory[12345], "anonymous mapping");
    memset(memory, 7, 1 << 20);
    check(mprotect(memory, 4096, PROT_READ) == 0 && memory[0] == 7, "mprotect");
    check(munmap(memory + 4096, (1 << 20) - 4096) == 0 && munmap(memory, 4096) == 0, "munmap in parts");
    struct statvfs vfs;
    check(statvfs("/", &vfs) == 0 && vfs.f_bfree > 0 && vfs.f_namemax == 255, "statvfs");
}

int main(void)
{
    content_of_root();
    open_and_errors();
    names();
    directories();
    devices();
    mappings();
    return finish();
}
