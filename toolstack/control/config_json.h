/* SPDX-License-Identifier: MIT */
/* Domain configurations as JSON: the schema Config of openapi.json. */
#ifndef TOOLSTACK_CONTROL_CONFIG_JSON_H
#define TOOLSTACK_CONTROL_CONFIG_JSON_H

#include <stdbool.h>
#include "cjson/cJSON.h"
#include "toolstack/control/domain.h"

/*
 * Fills *config, which the caller ends with domain_config_free(). False with *error filled (-EINVAL: which
 * member is wrong, missing or unknown, what was expected and found; -ENOMEM); *config then needs no end.
 */
bool config_from_json(const cJSON *json, struct domain_config *config, struct domain_error *error);

/* The words of the schema for an action ("destroy"). */
const char *domain_action_name(enum domain_action action);

#endif
