/* SPDX-License-Identifier: MIT */
/* network-attach, -detach, -list, block-attach, -detach, -list: devices of domains that run. */
#include "toolstack/cli/cli.h"
#include "toolstack/cli/verb.h"
#include "toolstack/lib/hot_disks.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"
#include "toolstack/lib/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct kind {
    const char *verb;   /* what the verbs' names begin with */
    const char *member; /* of the API's objects; its plural is the path */
    const char *identity;
    const char *attach_args, *attach_expected, *attach_doc;
    const char *detach_args, *detach_expected, *detach_doc;
    const char *list_doc;
} kinds[] = {
    {.verb = "coracle network-",
     .member = "vif",
     .identity = "devid",
     .attach_args = "NAME [KEY=VALUE...]",
     .attach_expected = "the name of a domain",
     .attach_doc =
         "Gives a running domain one more network interface, and prints its number. Keys are those of vif= "
         "in a "
         "configuration, such as mac=00:16:3e:00:00:01 bridge=br0 ip=10.0.0.2/24; none has to be there.",
     .detach_args = "NAME NUMBER|MAC",
     .detach_expected = "the name of a domain and the number or MAC of an interface (see network-list)",
     .detach_doc = "Takes an interface away from a domain, which is asked to let go of it first.",
     .list_doc = "Lists a domain's network interfaces."},
    {.verb = "coracle block-",
     .member = "disk",
     .identity = "vdev",
     .attach_args = "NAME DISK...",
     .attach_expected = "the name of a domain and a disk as in a configuration, such as phy:vdb,xvdb,w",
     .attach_doc = "Gives a running domain one more disk, and prints its name. DISK is what disk= has in a "
                   "configuration, such "
                   "as phy:vdb,xvdb,w or format=raw vdev=xvdb access=rw target=vdb. For a local host it may "
                   "be an image file of this machine.",
     .detach_args = "NAME DISK",
     .detach_expected = "the name of a domain and that of its disk, such as xvdb (see block-list)",
     .detach_doc = "Takes a disk away from a domain, which is asked to let go of it first.",
     .list_doc = "Lists a domain's disks."},
};

static const struct kind *kind_of(const char *title)
{
    const struct kind *kind = kinds;

    while (strncmp(kind->verb, title, strlen(kind->verb)) != 0)
        kind++;
    return kind;
}

/* /v1/domains/NAME/vifs or disks, for free(). */
static char *devices_path(struct client *client, const struct kind *kind, const char *name)
{
    struct text format = {0};
    char *path;

    text_format(&format, "/v1/domains/%%s/%ss", kind->member);
    path = client_path(client, format.text, name);
    free(format.text);
    return path;
}

/* ---- attach ---- */

/* Sends the line; an image file in it becomes a disk of the local host first. */
static void attach(struct client *client, const struct kind *kind, const char *path, const char *line,
                   cJSON **device)
{
    cJSON *config = json_object(), *lines = json_array(), *body = json_object();
    struct hot_disks disks = {.fd = -1};

    json_append_text(lines, line);
    cJSON_AddItemToObject(config, kind->member, lines);
    if (kind == kinds || hot_disks_plug(&disks, client, config, "block-attach") == 0) {
        json_set_text(body, kind->member, cJSON_GetStringValue(cJSON_GetArrayItem(lines, 0)));
        if (client_call(client, "POST", path, body, device) == 0)
            hot_disks_keep(&disks);
    }
    hot_disks_close(&disks);
    cJSON_Delete(config);
    cJSON_Delete(body);
}

int verb_attach_device(int argc, char **argv)
{
    const struct kind *kind = kind_of(argv[0]);
    struct host_request request = {.least = kind == kinds ? 1 : 2, .expected = kind->attach_expected};
    struct client *client;
    struct text line = {0};
    cJSON *device = NULL;
    char *path;

    parse_host_request(&request, argc, argv, false, kind->attach_args, kind->attach_doc);
    text_add(&line, "");
    for (unsigned i = 1; i < request.nr_words; i++)
        text_format(&line, "%s%s", i > 1 ? "," : "", request.words[i]);
    client = open_host(&request);
    if (client != NULL) {
        path = devices_path(client, kind, request.words[0]);
        attach(client, kind, path, line.text, &device);
        free(path);
        client_close(client);
    }
    if (device != NULL && kind == kinds)
        printf("%" PRIu64 "\n", json_number(device, kind->identity));
    else if (device != NULL)
        printf("%s\n", json_text(device, kind->identity, "?"));
    free(line.text);
    free(request.words);
    cJSON_Delete(device);
    return device != NULL ? EXIT_DONE : EXIT_FAILED;
}

/* ---- detach ---- */

struct detach_request {
    struct host_request host;
    bool force;
};

static const struct argp_option detach_options[] = {
    {"force", 'f', NULL, 0, "at once, whatever the domain does with it", 1},
    {0},
};

static error_t parse_detach(int key, char *argument, struct argp_state *state)
{
    struct detach_request *request = state->input;

    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->host;
        return 0;
    case 'f':
        request->force = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int verb_detach_device(int argc, char **argv)
{
    static const struct argp_child children[] = {{.argp = &host_argp}, {0}};
    const struct kind *kind = kind_of(argv[0]);
    const struct argp argp = {.options = detach_options,
                              .parser = parse_detach,
                              .args_doc = kind->detach_args,
                              .doc = kind->detach_doc,
                              .children = children};
    struct detach_request request = {.host = {.least = 2, .most = 2, .expected = kind->detach_expected}};
    struct text format = {0};
    struct client *client;
    int result = -1;

    argp_parse(&argp, argc, argv, 0, NULL, &request);
    client = open_host(&request.host);
    if (client != NULL) {
        char *directory = devices_path(client, kind, request.host.words[0]), *device, *path;

        device = client_path(client, "%s", request.host.words[1]);
        text_format(&format, "%s/%s%s", directory, device, request.force ? "?force=1" : "");
        path = format.text;
        result = client_call(client, "DELETE", path, NULL, NULL);
        free(directory);
        free(device);
        free(path);
        client_close(client);
    }
    free(request.host.words);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* ---- list ---- */

static void add_vifs(struct table *table, const cJSON *vifs)
{
    const cJSON *vif;

    table_column(table, "NUMBER", true);
    table_column(table, "MAC", false);
    table_column(table, "BRIDGE", false);
    table_column(table, "IP", false);
    table_column(table, "STATE", false);
    table_column(table, "SENT(KiB)", true);
    table_column(table, "RECEIVED(KiB)", true);
    cJSON_ArrayForEach(vif, vifs)
    {
        const char *ip = json_text(vif, "ip", "");

        table_cell(table, "%" PRIu64, json_number(vif, "devid"));
        table_cell(table, "%s", json_text(vif, "mac", "?"));
        table_cell(table, "%s", json_text(vif, "bridge", "?"));
        table_cell(table, "%s", ip[0] != '\0' ? ip : "-");
        table_cell(table, "%s", json_text(vif, "state", "?"));
        table_cell(table, "%" PRIu64, json_number(vif, "tx_bytes") / KIB);
        table_cell(table, "%" PRIu64, json_number(vif, "rx_bytes") / KIB);
    }
}

static void add_disks(struct table *table, const cJSON *disks)
{
    const cJSON *disk;

    table_column(table, "DISK", false);
    table_column(table, "SIZE(MiB)", true);
    table_column(table, "ACCESS", false);
    table_column(table, "STATE", false);
    table_column(table, "TARGET", false);
    cJSON_ArrayForEach(disk, disks)
    {
        table_cell(table, "%s", json_text(disk, "vdev", "?"));
        table_cell(table, "%" PRIu64, json_number(disk, "sectors") / (MIB / 512));
        table_cell(table, "%s", json_text(disk, "access", "?"));
        table_cell(table, "%s", json_text(disk, "state", "?"));
        table_cell(table, "%s", json_text(disk, "target", "?"));
    }
}

int verb_list_devices(int argc, char **argv)
{
    const struct kind *kind = kind_of(argv[0]);
    struct host_request request = {.least = 1, .most = 1, .expected = "the name or number of a domain"};
    struct client *client;
    struct table table = {0};
    cJSON *answer = NULL;
    char *path;

    parse_host_request(&request, argc, argv, true, "NAME", kind->list_doc);
    client = open_host(&request);
    if (client == NULL)
        return EXIT_FAILED;
    path = devices_path(client, kind, request.words[0]);
    client_call(client, "GET", path, NULL, &answer);
    if (answer != NULL && request.json) {
        json_print(answer);
    } else if (answer != NULL) {
        if (kind == kinds)
            add_vifs(&table, cJSON_GetObjectItemCaseSensitive(answer, "vifs"));
        else
            add_disks(&table, cJSON_GetObjectItemCaseSensitive(answer, "disks"));
        table_print(&table);
    }
    free(path);
    client_close(client);
    free(request.words);
    cJSON_Delete(answer);
    return answer != NULL ? EXIT_DONE : EXIT_FAILED;
}
