/* SPDX-License-Identifier: MIT */
/* A program that is told on its console what to do with devices that come and go; see test_hotplug.py. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int disk = -1;

static void show(const char *what, long result)
{
    if (result < 0)
        printf("<%s: %s>\n", what,
               errno == ENODEV  ? "ENODEV"
               : errno == EIO   ? "EIO"
               : errno == ENXIO ? "ENXIO"
                                : strerror(errno));
    else
        printf("<%s: %ld>\n", what, result);
}

/* The network's interfaces besides the loopback. */
static void interfaces(void)
{
    struct if_nameindex *all = if_nameindex();

    printf("<interfaces:");
    for (struct if_nameindex *one = all; one && one->if_index; one++)
        if (strcmp(one->if_name, "lo") != 0)
            printf(" %s", one->if_name);
    printf(">\n");
    if_freenameindex(all);
}

static void do_line(const char *line)
{
    static char data[4096];
    char path[64];

    if (strncmp(line, "open ", 5) == 0) {
        snprintf(path, sizeof(path), "/dev/%s", line + 5);
        disk = open(path, O_RDWR);
        show("open", disk < 0 ? -1 : 0);
    } else if (strcmp(line, "read") == 0) {
        show("read", pread(disk, data, sizeof(data), 0));
        printf("<data: %.16s>\n", data);
    } else if (strcmp(line, "write") == 0) {
        memset(data, 'w', sizeof(data));
        show("write", pwrite(disk, data, sizeof(data), 0));
        show("sync", fsync(disk));
    } else if (strcmp(line, "close") == 0) {
        show("close", close(disk));
    } else if (strcmp(line, "interfaces") == 0) {
        interfaces();
    } else if (strcmp(line, "exit") == 0) {
        exit(0);
    }
}

int main(void)
{
    char line[200];
    int any = socket(AF_INET, SOCK_DGRAM, 0); /* the network is there from here on */

    setvbuf(stdout, NULL, _IONBF, 0);
    printf("ready %d\n", any >= 0);
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\r\n")] = '\0';
        do_line(line);
    }
    return 0;
}
