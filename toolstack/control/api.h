/* SPDX-License-Identifier: MIT */
/*
 * The API: what openapi.json describes, on top of http.h. api.c finds the operation and checks the token;
 * one file each for host, images, domains and streams.
 */
#ifndef TOOLSTACK_CONTROL_API_H
#define TOOLSTACK_CONTROL_API_H

#include <stdbool.h>
#include "cjson/cJSON.h"
#include "toolstack/control/domain.h"
#include "toolstack/control/http.h"
#include "toolstack/control/stream.h"

#define API_JSON_MAX 65536u /* bytes of a JSON body */

/*
 * Reads the token that every request must carry: the first line of the file, 16 to 128 bytes. Before it is
 * called the API answers nobody. 0, the file's errno, or -EINVAL: too short or too long.
 */
int api_read_token(const char *path);

/* Serves a new connection: link_start()'s accept. */
bool api_accept(struct stream *stream);

/* ---- for the operations ---- */

/* An operation under way: it ends with exactly one answer (http_reply and relatives on request). */
struct api_call {
    struct http_request *request;
    const char *name;   /* the path's variable part, decoded, or ""; while the operation's function runs */
    const char *device; /* the second variable part, as name */
    const cJSON *body;  /* of an operation with a JSON body; valid while the operation's function runs */
};

/* Answers with json, which is freed; NULL (memory was short) is answered with 500. */
void api_reply_json(struct http_request *request, unsigned status, cJSON *json);
/*
 * Answers 200 with {name: [...]}: what next() makes of the elements, one after the other. next() returns
 * false at the end, else true with *item, NULL: memory is short. *cursor is NULL at first, and next()'s own.
 */
void api_reply_list(struct http_request *request, const char *name,
                    bool (*next)(void **cursor, cJSON **item));
/* Answers with the status that belongs to error->error, and its text. */
void api_reply_failure(struct http_request *request, const struct domain_error *error);
/* The domain that the path names, by name or number; NULL: answered with 404. */
struct domain *api_domain(const struct api_call *call);
/* The query's parameters as 0 or 1, in the order of names; false: answered with 400. */
bool api_query_flags(const struct api_call *call, const char *const *names, bool *values, unsigned count);
/* The same of one. */
bool api_query_flag(const struct api_call *call, const char *name, bool *value);

/*
 * The operations, as openapi.json describes them: each sees to it that call->request is answered, now or
 * later.
 */
void api_get_host(struct api_call *call);
void api_get_host_log(struct api_call *call);
void api_shutdown_host(struct api_call *call);
void api_list_host_disks(struct api_call *call);
void api_get_host_disk(struct api_call *call);
void api_list_images(struct api_call *call);
void api_put_image(struct api_call *call);
void api_get_image(struct api_call *call);
void api_delete_image(struct api_call *call);
void api_list_domains(struct api_call *call);
void api_create_domain(struct api_call *call);
void api_get_domain(struct api_call *call);
void api_change_domain(struct api_call *call);
void api_destroy_domain(struct api_call *call);
void api_pause_domain(struct api_call *call);
void api_unpause_domain(struct api_call *call);
void api_shutdown_domain(struct api_call *call);
void api_reboot_domain(struct api_call *call);
void api_wait_domain(struct api_call *call);
void api_get_log(struct api_call *call);
void api_get_crash(struct api_call *call);
void api_attach_console(struct api_call *call);

void api_list_vifs(struct api_call *call);
void api_attach_vif(struct api_call *call);
void api_detach_vif(struct api_call *call);
void api_list_disks(struct api_call *call);
void api_attach_disk(struct api_call *call);
void api_detach_disk(struct api_call *call);

/* Adds the members vifs and disks. False: memory is short. */
bool api_add_devices(cJSON *json, uint16_t domid);
/* The schema End. NULL: memory is short. */
cJSON *api_end_json(const struct domain_end *end);

#endif
