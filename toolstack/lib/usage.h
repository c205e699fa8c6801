/* SPDX-License-Identifier: MIT */
/* How much of the processors each domain uses, from two looks at a host, or from one since the domain's
 * creation. */
#ifndef TOOLSTACK_LIB_USAGE_H
#define TOOLSTACK_LIB_USAGE_H

#include <cjson/cJSON.h>
#include <stdint.h>

struct usage_domain {
    cJSON *domain;  /* in list */
    double percent; /* of one processor */
};

/* Starts as all zero. Free with usage_free. */
struct usage {
    cJSON *list; /* the answer to GET /v1/domains */
    uint64_t when_ns, control_ns;
    double host_percent; /* of all processors; control domain included */
    unsigned nr_domains;
    struct usage_domain *domains; /* the hungriest first */
};

/* Takes over list. host is the answer to GET /v1/host of the same moment; before: an earlier usage, or NULL.
 */
void usage_compute(struct usage *usage, const cJSON *host, cJSON *list, const struct usage *before);
void usage_free(struct usage *usage);

#endif
