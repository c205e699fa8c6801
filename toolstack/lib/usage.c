/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/usage.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <stdlib.h>
#include <string.h>

/* The same run of the same domain in the earlier look; NULL if it was not there. */
static const cJSON *find_before(const struct usage *before, uint64_t domid)
{
    for (unsigned i = 0; before != NULL && i < before->nr_domains; i++)
        if (json_number(before->domains[i].domain, "domid") == domid)
            return before->domains[i].domain;
    return NULL;
}

/* Part of whole, in percent; 0 for what makes no sense (a clock that stood still). */
static double percent(uint64_t part, uint64_t whole)
{
    return whole != 0 ? 100.0 * (double)part / (double)whole : 0;
}

static uint64_t since(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static int hungrier_first(const void *a, const void *b)
{
    const struct usage_domain *x = a, *y = b;
    uint64_t x_id, y_id;

    if (x->percent != y->percent)
        return x->percent < y->percent ? 1 : -1;
    x_id = json_number(x->domain, "domid");
    y_id = json_number(y->domain, "domid");
    return x_id < y_id ? -1 : x_id > y_id;
}

void usage_compute(struct usage *usage, const cJSON *host, cJSON *list, const struct usage *before)
{
    cJSON *domains = cJSON_GetObjectItemCaseSensitive(list, "domains"), *domain;
    uint64_t cpus = json_number(host, "cpus"), begin = before != NULL ? before->when_ns : 0, used;

    *usage = (struct usage){
        .list = list,
        .when_ns = json_number(host, "uptime_ns"),
        .control_ns = json_number(cJSON_GetObjectItemCaseSensitive(host, "control"), "cpu_ns"),
        .domains = calloc((size_t)cJSON_GetArraySize(domains) + 1, sizeof(*usage->domains)),
    };
    if (usage->domains == NULL) {
        report("out of memory");
        exit(EXIT_FAILED);
    }
    used = since(usage->control_ns, before != NULL ? before->control_ns : 0);
    cJSON_ArrayForEach(domain, domains)
    {
        const cJSON *earlier = find_before(before, json_number(domain, "domid"));
        uint64_t cpu =
            since(json_number(domain, "cpu_ns"), earlier != NULL ? json_number(earlier, "cpu_ns") : 0);
        uint64_t from = earlier != NULL ? begin : json_number(domain, "created_ns");

        used += cpu;
        usage->domains[usage->nr_domains++] =
            (struct usage_domain){.domain = domain, .percent = percent(cpu, since(usage->when_ns, from))};
    }
    usage->host_percent = percent(used, since(usage->when_ns, begin) * (cpus != 0 ? cpus : 1));
    qsort(usage->domains, usage->nr_domains, sizeof(*usage->domains), hungrier_first);
}

void usage_free(struct usage *usage)
{
    free(usage->domains);
    cJSON_Delete(usage->list);
    *usage = (struct usage){0};
}
