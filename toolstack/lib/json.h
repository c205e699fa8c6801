/* SPDX-License-Identifier: MIT */
/* Reading answers of the API (cJSON does the work): members by name, with what stands in when one is missing.
 */
#ifndef TOOLSTACK_LIB_JSON_H
#define TOOLSTACK_LIB_JSON_H

#include <cjson/cJSON.h>
#include <stdint.h>

/* The member's string, or fallback when it is missing or of another type. Belongs to object. */
const char *json_text(const cJSON *object, const char *name, const char *fallback);

/* The member's number; 0 when it is missing, of another type or negative. Exact up to 2^53. */
uint64_t json_number(const cJSON *object, const char *name);

/* Adds a member, or sets it anew. Exits the process when memory is out. */
void json_set_text(cJSON *object, const char *name, const char *value);
void json_set_number(cJSON *object, const char *name, uint64_t value);
void json_set_flag(cJSON *object, const char *name);

/* A new object or array, or a copy; they exit the process when memory is out. Free with cJSON_Delete. */
cJSON *json_object(void);
cJSON *json_array(void);

/* Appends a string to an array. Exits the process when memory is out. */
void json_append_text(cJSON *array, const char *value);

/* Prints value to stdout, indented, and a line feed. */
void json_print(const cJSON *value);

#endif
