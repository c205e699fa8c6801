/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <stdio.h>
#include <stdlib.h>

/* item itself; ends the process when there is none. */
static cJSON *need(cJSON *item)
{
    if (item == NULL) {
        report("out of memory");
        exit(EXIT_FAILED);
    }
    return item;
}

const char *json_text(const cJSON *object, const char *name, const char *fallback)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsString(member) ? member->valuestring : fallback;
}

uint64_t json_number(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsNumber(member) && member->valuedouble > 0 ? (uint64_t)member->valuedouble : 0;
}

void json_set_text(cJSON *object, const char *name, const char *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    need(cJSON_AddStringToObject(object, name, value));
}

void json_set_number(cJSON *object, const char *name, uint64_t value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    need(cJSON_AddNumberToObject(object, name, (double)value));
}

void json_set_flag(cJSON *object, const char *name)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    need(cJSON_AddTrueToObject(object, name));
}

cJSON *json_object(void)
{
    return need(cJSON_CreateObject());
}

cJSON *json_array(void)
{
    return need(cJSON_CreateArray());
}

void json_append_text(cJSON *array, const char *value)
{
    cJSON_AddItemToArray(array, need(cJSON_CreateString(value)));
}

void json_print(const cJSON *value)
{
    char *text = cJSON_Print(value);

    if (text == NULL) {
        report("out of memory");
        exit(EXIT_FAILED);
    }
    puts(text);
    free(text);
}
