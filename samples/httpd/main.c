/* SPDX-License-Identifier: MIT */
/* httpd: a static web server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server.h"

static int usage(void)
{
    fputs("usage: httpd [-d FOLDER] [-p PORT] [-t SECONDS] [-v]\n"
          "  -d  the folder to serve (default /)\n"
          "  -p  the port (default 80; 0: any)\n"
          "  -t  how long a connection may be idle (default 15)\n"
          "  -v  a line for each request\n",
          stderr);
    return 2;
}

/* A number between two others, or -1. */
static long number(const char *text, long least, long most)
{
    char *end;
    long value = strtol(text, &end, 10);

    return *text && !*end && value >= least && value <= most ? value : -1;
}

int main(int argc, char **argv)
{
    struct server_options options = SERVER_DEFAULTS;
    struct stat st;
    long value = 0;
    int option, port;

    while ((option = getopt(argc, argv, "d:p:t:v")) != -1) {
        switch (option) {
        case 'd':
            options.root = optarg;
            break;
        case 'p':
            value = number(optarg, 0, 65535);
            options.port = (uint16_t)value;
            break;
        case 't':
            value = number(optarg, 1, 86400);
            options.idle_seconds = (unsigned)value;
            break;
        case 'v':
            options.verbose = true;
            break;
        default:
            return usage();
        }
        if (value < 0) {
            fprintf(stderr, "httpd: -%c: '%s' is no such number\n", option, optarg);
            return usage();
        }
    }
    if (optind < argc)
        return usage();
    if (stat(options.root, &st) || !S_ISDIR(st.st_mode)) {
        fprintf(stderr, "httpd: expected a folder, found none: %s\n", options.root);
        return 1;
    }
    port = server_listen(&options);
    if (port < 0) {
        fprintf(stderr, "httpd: cannot listen at port %u: %s\n", options.port, strerror(errno));
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("httpd: serving %s at port %d\n", options.root, port);
    server_run();
    fprintf(stderr, "httpd: epoll: %s\n", strerror(errno));
    return 1;
}
