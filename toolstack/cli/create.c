/* SPDX-License-Identifier: MIT */
/* coracle create: a domain from an image or from an xl.cfg. */
#include "toolstack/cli/arguments.h"
#include "toolstack/cli/cli.h"
#include "toolstack/cli/domain_config.h"
#include "toolstack/cli/verb.h"
#include "toolstack/lib/attach.h"
#include "toolstack/lib/hot_disks.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/upload.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct create_request {
    struct host_request host;
    struct domain_request domain;
    bool paused, console;
};

static const struct argp_option options[] = {
    {"paused", 'p', NULL, 0, "do not let it run yet; 'coracle unpause' does", 2},
    {"console", 'c', NULL, 0, "attach to its console before it starts", 2},
    {0},
};

static error_t parse_create(int key, char *argument, struct argp_state *state)
{
    struct create_request *request = state->input;

    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->domain;
        state->child_inputs[1] = &request->host;
        return 0;
    case 'p':
        request->paused = true;
        return 0;
    case 'c':
        request->console = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{.argp = &domain_argp}, {.argp = &host_argp}, {0}};
static const struct argp create_argp = {
    .options = options,
    .parser = parse_create,
    .args_doc = "FILE [-- ARGUMENT...]",
    .doc = "Creates a domain and starts it. FILE is an image, or a configuration in xl's format (xl.cfg).\v"
           "Options win over what a configuration says. On success its name is printed.",
    .children = children,
};

/* Sends the files of the configuration that the host does not have, and puts their names in place. */
static int send_images(struct client *client, struct domain_files *files, cJSON *config)
{
    char digest[DIGEST_TEXT];

    if (upload_image(client, files->boot_fd, files->image.path, digest) != 0)
        return -1;
    json_set_text(config, "kernel", digest);
    remember_domain(client, json_text(config, "name", ""), digest);
    if (files->ramdisk_fd < 0)
        return 0;
    if (upload_image(client, files->ramdisk_fd, NULL, digest) != 0)
        return -1;
    json_set_text(config, "ramdisk", digest);
    return 0;
}

static int unpause(struct client *client, const char *name)
{
    char *path = client_path(client, "/v1/domains/%s/unpause", name);
    int result = client_call(client, "POST", path, NULL, NULL);

    free(path);
    return result;
}

/* Attaches before it runs, so that no output is missed. An exit code. */
static int run_attached(struct client *client, const char *name, bool paused)
{
    char *path = client_path(client, "/v1/domains/%s/console?replay=1", name);
    struct text first = {0};
    int status = EXIT_FAILED, console = client_attach(client, path, &first);

    free(path);
    if (console >= 0 && (paused || unpause(client, name) == 0)) {
        if (isatty(STDIN_FILENO))
            report("Ctrl-] leaves the console of %s", name);
        attach_console(console, &first);
        status = EXIT_DONE;
    }
    if (console >= 0)
        close(console);
    free(first.text);
    return status;
}

/* Creates it. An exit code. */
static int create(const struct create_request *request, struct domain_files *files, cJSON *config)
{
    struct client *client = open_host(&request->host);
    cJSON *domain = NULL;
    struct hot_disks disks;
    int status = EXIT_FAILED;

    if (client == NULL)
        return EXIT_FAILED;
    if (request->paused || request->console)
        json_set_flag(config, "paused");
    if (hot_disks_plug(&disks, client, config, request->domain.guest.image) == 0 &&
        send_images(client, files, config) == 0 &&
        client_call(client, "POST", "/v1/domains", config, &domain) == 0 && hot_disks_keep(&disks) == 0) {
        const char *name = json_text(domain, "name", json_text(config, "name", ""));

        status = EXIT_DONE;
        if (request->console)
            status = run_attached(client, name, request->paused);
        else
            printf("%s\n", name);
    }
    hot_disks_close(&disks);
    cJSON_Delete(domain);
    client_close(client);
    return status;
}

int verb_create(int argc, char **argv)
{
    struct create_request request = {.host = {.takes_no_words = true}};
    struct domain_files files;
    int count = split_guest_args(argc, argv, &request.domain.guest);
    int status = EXIT_FAILED;
    cJSON *config;

    argp_parse(&create_argp, count, argv, 0, NULL, &request);
    config = domain_config(&request.domain, &files);
    if (config != NULL) {
        status = create(&request, &files, config);
        domain_files_close(&files);
    }
    cJSON_Delete(config);
    free(request.domain.guest.environment);
    return status;
}
