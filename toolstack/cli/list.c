/* SPDX-License-Identifier: MIT */
/* coracle list, info, images: what a host has. */
#include "toolstack/cli/cli.h"
#include "toolstack/cli/verb.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"
#include "toolstack/lib/table.h"
#include "toolstack/lib/upload.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S  1e9
#define NS_PER_MS 1e6

/* ---- list ---- */

static void list_domains(const cJSON *domains)
{
    static const struct {
        const char *heading;
        bool at_right;
    } columns[] = {{"NAME", false}, {"ID", true},     {"MEM(MiB)", true},
                   {"VCPUS", true}, {"STATE", false}, {"TIME(s)", true}};
    struct table table = {0};
    const cJSON *domain;

    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        table_column(&table, columns[i].heading, columns[i].at_right);
    cJSON_ArrayForEach(domain, domains)
    {
        table_cell(&table, "%s", json_text(domain, "name", "?"));
        table_cell(&table, "%" PRIu64, json_number(domain, "domid"));
        table_cell(&table, "%" PRIu64, json_number(domain, "memory_kib") * KIB / MIB);
        table_cell(&table, "%" PRIu64, json_number(domain, "vcpus"));
        table_cell(&table, "%s", json_text(domain, "state", "?"));
        table_cell(&table, "%.1f", (double)json_number(domain, "cpu_ns") / NS_PER_S);
    }
    table_print(&table);
}

/* Gets path and prints its answer: the member `list` with show, or all of it as JSON. An exit code. */
static int show_list(const struct host_request *request, const char *path, const char *list,
                     void (*show)(const cJSON *list))
{
    struct client *client = open_host(request);
    cJSON *answer = NULL;
    int status = EXIT_FAILED;

    if (client == NULL)
        return EXIT_FAILED;
    if (client_call(client, "GET", path, NULL, &answer) == 0) {
        if (request->json)
            json_print(answer);
        else
            show(cJSON_GetObjectItemCaseSensitive(answer, list));
        status = EXIT_DONE;
    }
    cJSON_Delete(answer);
    client_close(client);
    return status;
}

int verb_list(int argc, char **argv)
{
    struct host_request request = {0};

    parse_host_request(&request, argc, argv, true, NULL, "Lists the domains of a host.");
    return show_list(&request, "/v1/domains", "domains", list_domains);
}

/* ---- info ---- */

static void print_field(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print_field(const char *name, const char *format, ...)
{
    va_list arguments;

    printf("%-12s ", name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

static void print_bridge(const cJSON *bridge)
{
    const char *card = json_text(bridge, "card", NULL), *state = json_text(bridge, "state", "?");

    if (card == NULL) {
        print_field("bridge", "%s, interfaces %" PRIu64 ", no card", json_text(bridge, "name", "?"),
                    json_number(bridge, "interfaces"));
        return;
    }
    print_field("bridge", "%s, interfaces %" PRIu64 ", %s (%s, %s): %s", json_text(bridge, "name", "?"),
                json_number(bridge, "interfaces"), card, json_text(bridge, "driver", "?"),
                json_text(bridge, "mac", "?"),
                strcmp(state, "down") == 0     ? "no link"
                : strcmp(state, "failed") == 0 ? "failed, is tried again"
                                               : state);
}

static void print_host(const cJSON *host)
{
    const cJSON *control = cJSON_GetObjectItemCaseSensitive(host, "control"), *bridge;

    print_field("version", "%s", json_text(host, "version", "?"));
    print_field("hypervisor", "%s", json_text(host, "hypervisor", "?"));
    print_field("processors", "%" PRIu64 " at %" PRIu64 " MHz", json_number(host, "cpus"),
                json_number(host, "cpu_khz") / 1000);
    print_field("memory", "%" PRIu64 " MiB, free %" PRIu64 " MiB",
                json_number(host, "memory_kib") * KIB / MIB, json_number(host, "free_kib") * KIB / MIB);
    if (control != NULL)
        print_field("control", "%" PRIu64 " MiB, free %" PRIu64 " MiB, processor time %.1f s",
                    json_number(control, "memory_kib") * KIB / MIB,
                    json_number(control, "free_kib") * KIB / MIB,
                    (double)json_number(control, "cpu_ns") / NS_PER_S);
    print_field("domains", "%" PRIu64, json_number(host, "domains"));
    cJSON_ArrayForEach(bridge, cJSON_GetObjectItemCaseSensitive(host, "bridges"))
    {
        print_bridge(bridge);
    }
    print_field("up", "%.1f s", (double)json_number(host, "uptime_ns") / NS_PER_S);
}

static void print_end(const cJSON *domain)
{
    const cJSON *end = cJSON_GetObjectItemCaseSensitive(domain, "end");
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(end, "exit_status");

    if (end == NULL)
        return;
    if (cJSON_IsNumber(status))
        print_field("last end", "%s, exit status %d", json_text(end, "reason", "?"), status->valueint);
    else
        print_field("last end", "%s", json_text(end, "reason", "?"));
}

static void print_devices(const cJSON *domain)
{
    const cJSON *device;
    char heading[24];

    cJSON_ArrayForEach(device, cJSON_GetObjectItemCaseSensitive(domain, "vifs"))
    {
        snprintf(heading, sizeof(heading), "vif %" PRIu64, json_number(device, "devid"));
        print_field(heading, "%s on %s, %s", json_text(device, "mac", "?"), json_text(device, "bridge", "?"),
                    json_text(device, "state", "?"));
    }
    cJSON_ArrayForEach(device, cJSON_GetObjectItemCaseSensitive(domain, "disks"))
    {
        snprintf(heading, sizeof(heading), "disk %.16s", json_text(device, "vdev", "?"));
        print_field(heading, "%s, %s, %s", json_text(device, "target", "?"), json_text(device, "access", "?"),
                    json_text(device, "state", "?"));
    }
}

static void print_domain(const cJSON *domain)
{
    uint64_t created = json_number(domain, "created_ns"), main_began = json_number(domain, "main_ns");

    print_field("name", "%s", json_text(domain, "name", "?"));
    print_field("id", "%" PRIu64, json_number(domain, "domid"));
    print_field("uuid", "%s", json_text(domain, "uuid", "?"));
    print_field("state", "%s", json_text(domain, "state", "?"));
    print_field("memory", "%" PRIu64 " KiB, at most %" PRIu64 " KiB", json_number(domain, "memory_kib"),
                json_number(domain, "maxmem_kib"));
    print_field("overhead", "%" PRIu64 " KiB", json_number(domain, "overhead_kib"));
    print_field("vcpus", "%" PRIu64, json_number(domain, "vcpus"));
    print_field("cpu time", "%.3f s", (double)json_number(domain, "cpu_ns") / NS_PER_S);
    print_field("scheduler", "weight %" PRIu64 ", cap %" PRIu64, json_number(domain, "cpu_weight"),
                json_number(domain, "cap"));
    if (main_began > created && created != 0)
        print_field("to main()", "%.3f ms", (double)(main_began - created) / NS_PER_MS);
    print_field("restarts", "%" PRIu64, json_number(domain, "restarts"));
    print_field("kernel", "%s", json_text(domain, "kernel", "?"));
    print_field("cmdline", "%s", json_text(domain, "cmdline", ""));
    print_devices(domain);
    print_end(domain);
}

int verb_info(int argc, char **argv)
{
    struct host_request request = {.most = 1, .expected = "at most one domain"};
    struct client *client;
    cJSON *answer = NULL;
    char *path;
    int status = EXIT_FAILED;

    parse_host_request(&request, argc, argv, true, "[NAME]", "Tells about the host, or about a domain.");
    client = open_host(&request);
    if (client == NULL)
        return EXIT_FAILED;
    path =
        request.nr_words != 0 ? client_path(client, "/v1/domains/%s", request.words[0]) : strdup("/v1/host");
    if (client_call(client, "GET", path, NULL, &answer) == 0) {
        if (request.json)
            json_print(answer);
        else if (request.nr_words != 0)
            print_domain(answer);
        else
            print_host(answer);
        status = EXIT_DONE;
    }
    cJSON_Delete(answer);
    free(path);
    free(request.words);
    client_close(client);
    return status;
}

/* ---- images ---- */

static void list_images(const cJSON *images)
{
    struct table table = {0};
    const cJSON *image;

    table_column(&table, "IMAGE", false);
    table_column(&table, "SIZE(KiB)", true);
    table_column(&table, "USERS", true);
    cJSON_ArrayForEach(image, images)
    {
        table_cell(&table, "%s", json_text(image, "name", "?"));
        table_cell(&table, "%" PRIu64, (json_number(image, "size") + KIB - 1) / KIB);
        table_cell(&table, "%" PRIu64, json_number(image, "users"));
    }
    table_print(&table);
}

static int remove_images(const struct host_request *request)
{
    struct client *client = open_host(request);
    int status = client != NULL ? EXIT_DONE : EXIT_FAILED;

    for (unsigned i = 1; client != NULL && i < request->nr_words; i++) {
        char *path = client_path(client, "/v1/images/%s", request->words[i]);

        if (client_call(client, "DELETE", path, NULL, NULL) != 0)
            status = EXIT_FAILED;
        free(path);
    }
    if (client != NULL)
        client_close(client);
    return status;
}

int verb_images(int argc, char **argv)
{
    struct host_request request = {.expected = "list, or remove and images"};
    int status = EXIT_USAGE;

    parse_host_request(&request, argc, argv, true, "[list]\nremove IMAGE...",
                       "Lists the images that a host keeps, or removes some that no domain uses.");
    if (request.nr_words == 0 || (request.nr_words == 1 && strcmp(request.words[0], "list") == 0))
        status = show_list(&request, "/v1/images", "images", list_images);
    else if (request.nr_words > 1 && strcmp(request.words[0], "remove") == 0)
        status = remove_images(&request);
    else
        report("images: expected nothing, list, or remove and images; found '%s'", request.words[0]);
    free(request.words);
    return status;
}
