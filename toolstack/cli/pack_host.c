/* SPDX-License-Identifier: MIT */
/* coracle pack --autostart: a medium that boots into the hypervisor and the control domain, and starts
 * domains. */
#include "toolstack/cli/autostart.h"
#include "toolstack/cli/cli.h"
#include "toolstack/cli/medium.h"
#include "toolstack/lib/address.h"
#include "toolstack/lib/blob.h"
#include "toolstack/lib/digest.h"
#include "toolstack/lib/host_machine.h"
#include "toolstack/lib/paths.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The control domain gets what it would get on a machine of that size, if nothing else is said. */
#define USUAL_MACHINE (1 * GIB)

struct pack_host_request {
    const char *output, *options, *token_file;
    const char *listen, *gateway; /* on the network; NULL: not */
    uint16_t port;
    uint64_t memory; /* of the control domain, bytes; 0: by the size of the archive */
    char **files;
    unsigned nr_files;
    char token[DIGEST_TEXT];
};

enum pack_host_key { KEY_APPEND = 256, KEY_AUTOSTART, KEY_TOKEN_FILE, KEY_LISTEN, KEY_GATEWAY, KEY_PORT };

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "the medium to write, such as disk.img", 1},
    {"autostart", KEY_AUTOSTART, NULL, 0, "pack a host, and start the domains of the files named", 1},
    {"token-file", KEY_TOKEN_FILE, "FILE", 0,
     "where the API's token is: made and written if FILE does not exist (default: made and printed)", 1},
    {"control-memory", 'm', "SIZE", 0, "memory of the control domain, images included", 1},
    {"listen", KEY_LISTEN, "dhcp|ADDRESS/PREFIX", 0,
     "the API over TCP too, unencrypted, on the network of the first card (bridge br0), for networks that "
     "are "
     "trusted: with an address from DHCP, or this one such as 192.0.2.7/24",
     1},
    {"gateway", KEY_GATEWAY, "ADDRESS", 0, "the way out of that network, for --listen ADDRESS/PREFIX", 1},
    {"port", KEY_PORT, "PORT", 0, "the port of --listen (default: 7420)", 1},
    {"append", KEY_APPEND, "OPTIONS", 0, "more options for the hypervisor", 1},
    {0},
};

static bool is_ipv4(const char *text, size_t length)
{
    char address[INET_ADDRSTRLEN];
    struct in_addr number;

    if (length >= sizeof(address))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    return inet_pton(AF_INET, address, &number) == 1;
}

/* "dhcp", or an address and the bits of its network. */
static bool is_place(const char *text)
{
    size_t length = strcspn(text, "/");
    char *end;

    if (strcmp(text, "dhcp") == 0)
        return true;
    return text[length] == '/' && text[length + 1] >= '0' && text[length + 1] <= '9' &&
           strtoul(text + length + 1, &end, 10) <= 32 && *end == '\0' && is_ipv4(text, length);
}

/* The options of the network; false: none of these. */
static bool parse_listen(int key, const char *argument, struct argp_state *state,
                         struct pack_host_request *request)
{
    switch (key) {
    case KEY_LISTEN:
        if (!is_place(argument))
            argp_error(state, "--listen %s: expected dhcp or ADDRESS/PREFIX, such as 192.0.2.7/24", argument);
        request->listen = argument;
        return true;
    case KEY_GATEWAY:
        if (!is_ipv4(argument, strlen(argument)))
            argp_error(state, "--gateway %s: expected an IPv4 address, such as 192.0.2.1", argument);
        request->gateway = argument;
        return true;
    case KEY_PORT:
        request->port = parse_port(argument);
        if (request->port == 0)
            argp_error(state, "--port %s: expected a number from 1 to 65535", argument);
        return true;
    case ARGP_KEY_END:
        if (request->listen == NULL && (request->gateway != NULL || request->port != 0))
            argp_error(state, "--gateway and --port belong to --listen, which is not there");
        else if (request->gateway != NULL && strcmp(request->listen, "dhcp") == 0)
            argp_error(state, "--gateway belongs to --listen ADDRESS/PREFIX; DHCP brings its own");
        return false;
    default:
        return false;
    }
}

static error_t parse_pack(int key, char *argument, struct argp_state *state)
{
    struct pack_host_request *request = state->input;
    const char *problem;

    if (parse_listen(key, argument, state, request))
        return 0;
    switch (key) {
    case 'o':
        request->output = argument;
        return 0;
    case KEY_AUTOSTART:
        return 0;
    case KEY_TOKEN_FILE:
        request->token_file = argument;
        return 0;
    case 'm':
        problem = parse_size(argument, &request->memory);
        if (problem != NULL)
            argp_error(state, "--control-memory %s %s", argument, problem);
        return 0;
    case KEY_APPEND:
        request->options = argument;
        return 0;
    case ARGP_KEY_ARGS:
        request->files = state->argv + state->next;
        request->nr_files = (unsigned)(state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        if (request->output == NULL)
            argp_error(state, "expected -o FILE, the medium to write");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp pack_argp = {
    .options = options,
    .parser = parse_pack,
    .args_doc = "-o FILE --autostart [FILE...]",
    .doc = "Writes a medium that boots a host through GRUB, by BIOS and by UEFI: the hypervisor, its control "
           "domain, "
           "and the domains of each FILE (a configuration or an image).\v"
           "Messages are on the first serial line; the second is the tool's (coracle --host "
           "serial:/dev/DEVICE), both "
           "with 115200 baud. With --listen the tool reaches it over the network, too (coracle --host "
           "tcp:ADDRESS). Whoever has the token commands the host.",
};

/* Takes the token from its file or makes one. 0, or -1 with a message. */
static int get_token(struct pack_host_request *request)
{
    int fd = request->token_file != NULL ? open(request->token_file, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t length;

    if (fd < 0)
        return make_token(request->token);
    length = read(fd, request->token, sizeof(request->token) - 1);
    close(fd);
    request->token[length > 0 ? length : 0] = '\0';
    request->token[strcspn(request->token, "\r\n")] = '\0';
    if (strlen(request->token) >= DIGEST_TEXT / 2)
        return 0;
    report("%s: expected a token of at least %d characters, found %zu; remove the file to have one made",
           request->token_file, DIGEST_TEXT / 2, strlen(request->token));
    return -1;
}

/* Gives the token to the user. 0, or -1 with a message. */
static int keep_token(const struct pack_host_request *request)
{
    int fd;

    if (request->token_file == NULL) {
        printf("%s\n", request->token);
        return 0;
    }
    fd = open(request->token_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd >= 0 && dprintf(fd, "%s\n", request->token) > 0 && close(fd) == 0)
        return 0;
    report("cannot write the token to %s: %s", request->token_file, strerror(errno));
    return -1;
}

static int stage_archive(const struct stage *stage, const struct pack_host_request *request, uint64_t *size)
{
    int fd = stage_create(stage, "boot/boot.tar"), result;

    if (fd < 0)
        return -1;
    result = autostart_write(fd, request->token, request->files, request->nr_files, NULL);
    *size = file_size(fd);
    close(fd);
    return result;
}

static unsigned port_of(const struct pack_host_request *request)
{
    return request->port != 0 ? request->port : API_PORT;
}

/* Writes the menu, now that the size of the archive is known. */
static int write_menu(const struct stage *stage, const struct pack_host_request *request,
                      uint64_t archive_size)
{
    uint64_t memory =
        request->memory != 0 ? request->memory : host_control_memory(USUAL_MACHINE, archive_size);
    struct text menu = {0};
    int result;

    text_add(&menu, MEDIUM_MENU);
    text_format(&menu, " dom0_mem=%" PRIu64 "K dom0_max_vcpus=1 %s\n", memory / KIB, request->options);
    text_add(&menu, "  module2 /boot/control.elf name=control stdin=none");
    if (request->listen != NULL)
        text_format(&menu, " api=%u ip=%s", port_of(request), request->listen);
    if (request->gateway != NULL)
        text_format(&menu, " gateway=%s", request->gateway);
    text_add(&menu, " --\n"
                    "  module2 /boot/boot.tar\n"
                    "}\n");
    result = medium_fill(stage, menu.text);
    free(menu.text);
    return result;
}

static int fill_stage(const struct stage *stage, void *context)
{
    struct pack_host_request *request = context;
    uint64_t archive_size = 0;
    char *control = find_control();
    int result = -1;

    if (control != NULL && stage_directory(stage, "boot") == 0 &&
        stage_archive(stage, request, &archive_size) == 0 && write_menu(stage, request, archive_size) == 0)
        result = stage_copy(stage, "boot/control.elf", control);
    free(control);
    return result == 0 ? keep_token(request) : -1;
}

/* How to reach the host that was packed, for people. */
static void tell(const struct pack_host_request *request)
{
    int length = request->listen != NULL ? (int)strcspn(request->listen, "/") : 0;
    bool dhcp = length != 0 && strcmp(request->listen, "dhcp") == 0;

    fprintf(stderr, "%s: a host. Reach it with --host serial:/dev/DEVICE, a line to its second serial line",
            request->output);
    if (length != 0)
        fprintf(stderr, ", or with --host tcp:%.*s:%u%s", dhcp ? 7 : length,
                dhcp ? "ADDRESS" : request->listen, port_of(request),
                dhcp ? ", where its first serial line tells the ADDRESS" : "");
    fprintf(stderr, "; the token is %s%s.\n",
            request->token_file != NULL ? "in " : "on stdout, for --token-file or CORACLE_TOKEN",
            request->token_file != NULL ? request->token_file : "");
}

int pack_host(int argc, char **argv)
{
    struct pack_host_request request = {.options = ""};
    int status;

    argp_parse(&pack_argp, argc, argv, 0, NULL, &request);
    if (medium_check_tools() != 0 || get_token(&request) != 0)
        return EXIT_FAILED;
    status = medium_write(request.output, fill_stage, &request);
    if (status == EXIT_DONE)
        tell(&request);
    return status;
}
