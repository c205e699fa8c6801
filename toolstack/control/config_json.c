/* SPDX-License-Identifier: MIT */
/* A table of members, each with the function that takes its value; see config_json.h. */
#include "toolstack/control/config_json.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define WEIGHT_MAX    65535
#define SIZE_MAX_KIB  (1ull << 42) /* 4 PiB: beyond any machine */

static const char *const actions[] = {
    [ACTION_DESTROY] = "destroy", [ACTION_RESTART] = "restart", [ACTION_PRESERVE] = "preserve"};

const char *domain_action_name(enum domain_action action)
{
    return actions[action];
}

struct reader {
    struct domain_config *config;
    struct domain_error *error;
};

static bool fail(struct reader *reader, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(struct reader *reader, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(reader->error->text, sizeof(reader->error->text), format, args);
    va_end(args);
    reader->error->error = error;
    return false;
}

/* What a value is, for messages. */
static const char *kind(const cJSON *value)
{
    return cJSON_IsString(value)   ? "a string"
           : cJSON_IsNumber(value) ? "a number"
           : cJSON_IsBool(value)   ? "true or false"
           : cJSON_IsArray(value)  ? "a list"
           : cJSON_IsNull(value)   ? "null"
                                   : "an object";
}

static bool read_string(struct reader *reader, const cJSON *value, char **to)
{
    if (!cJSON_IsString(value)) {
        return fail(reader, -EINVAL, "%s: expected a string, found %s", value->string, kind(value));
    }
    *to = strdup(value->valuestring);
    return *to || fail(reader, -ENOMEM, "no memory for the configuration");
}

static bool read_number(struct reader *reader, const cJSON *value, uint64_t min, uint64_t max, uint64_t *to)
{
    double number = cJSON_IsNumber(value) ? value->valuedouble : -1;

    if (!(number >= (double)min && number <= (double)max) || number != (double)(uint64_t)number) {
        return fail(reader, -EINVAL, "%s: expected a whole number from %llu to %llu, found %s", value->string,
                    (unsigned long long)min, (unsigned long long)max,
                    cJSON_IsNumber(value) ? "another number" : kind(value));
    }
    *to = (uint64_t)number;
    return true;
}

static bool read_unsigned(struct reader *reader, const cJSON *value, unsigned min, unsigned max, unsigned *to)
{
    uint64_t number = 0;
    bool good = read_number(reader, value, min, max, &number);

    *to = (unsigned)number;
    return good;
}

static bool read_action(struct reader *reader, const cJSON *value, enum domain_action *to)
{
    for (unsigned i = 0; cJSON_IsString(value) && i < ARRAY_SIZE(actions); i++) {
        if (strcmp(value->valuestring, actions[i]) == 0) {
            *to = (enum domain_action)i;
            return true;
        }
    }
    return fail(reader, -EINVAL, "%s: expected destroy, restart or preserve, found %s", value->string,
                cJSON_IsString(value) ? value->valuestring : kind(value));
}

static bool read_devices(struct reader *reader, const cJSON *value, struct domain_device **to, size_t *count)
{
    const cJSON *item;

    if (!cJSON_IsArray(value)) {
        return fail(reader, -EINVAL, "%s: expected a list of strings, found %s", value->string, kind(value));
    }
    *to = calloc((size_t)cJSON_GetArraySize(value) + 1, sizeof(**to));
    if (!*to) {
        return fail(reader, -ENOMEM, "no memory for the configuration");
    }
    cJSON_ArrayForEach(item, value)
    {
        if (!cJSON_IsString(item)) {
            return fail(reader, -EINVAL, "%s: expected a list of strings, found %s in it", value->string,
                        kind(item));
        }
        (*to)[*count].text = strdup(item->valuestring);
        if (!(*to)[(*count)++].text) {
            return fail(reader, -ENOMEM, "no memory for the configuration");
        }
    }
    return true;
}

/* xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, the dashes optional. */
static bool read_uuid(struct reader *reader, const cJSON *value)
{
    static const char hex[] = "0123456789abcdef";
    const char *at = cJSON_IsString(value) ? value->valuestring : "";
    unsigned digits = 0;

    for (; *at; at++) {
        const char *digit = *at == '-' ? NULL : strchr(hex, *at | 0x20);

        if (*at == '-' && digits % 4 == 0) {
            continue;
        }
        if (!digit || digits == 32) {
            break;
        }
        reader->config->uuid[digits / 2] |= (uint8_t)((digit - hex) << (digits % 2 ? 0 : 4));
        digits++;
    }
    if (*at || digits != 32) {
        return fail(reader, -EINVAL, "uuid: expected 32 hexadecimal digits, found %s",
                    cJSON_IsString(value) ? value->valuestring : kind(value));
    }
    return true;
}

#define READER(member, call)                                                                                 \
    static bool read_##member(struct reader *reader, const cJSON *value)                                     \
    {                                                                                                        \
        struct domain_config *c = reader->config;                                                            \
        return call;                                                                                         \
    }

READER(name, read_string(reader, value, &c->name))
READER(kernel, read_string(reader, value, &c->kernel))
READER(ramdisk, read_string(reader, value, &c->ramdisk))
READER(cmdline, read_string(reader, value, &c->cmdline))
READER(memory, read_number(reader, value, 1, SIZE_MAX_KIB, &c->memory_kib))
READER(maxmem, read_number(reader, value, 1, SIZE_MAX_KIB, &c->max_memory_kib))
READER(vcpus, read_unsigned(reader, value, 1, INT32_MAX, &c->vcpus))
READER(maxvcpus, read_unsigned(reader, value, 1, INT32_MAX, &c->max_vcpus))
READER(cpus, read_string(reader, value, &c->cpus))
READER(weight, read_unsigned(reader, value, 1, WEIGHT_MAX, &c->weight))
READER(cap, read_unsigned(reader, value, 0, INT32_MAX, &c->cap))
READER(on_poweroff, read_action(reader, value, &c->on_poweroff))
READER(on_reboot, read_action(reader, value, &c->on_reboot))
READER(on_crash, read_action(reader, value, &c->on_crash))
READER(on_watchdog, read_action(reader, value, &c->on_watchdog))
READER(vif, read_devices(reader, value, &c->vifs, &c->nr_vifs))
READER(disk, read_devices(reader, value, &c->disks, &c->nr_disks))

static bool read_paused(struct reader *reader, const cJSON *value)
{
    reader->config->paused = cJSON_IsTrue(value);
    return cJSON_IsBool(value) ||
           fail(reader, -EINVAL, "paused: expected true or false, found %s", kind(value));
}

static const struct {
    const char *name;
    bool (*read)(struct reader *reader, const cJSON *value);
} members[] = {
    {"name", read_name},
    {"uuid", read_uuid},
    {"kernel", read_kernel},
    {"ramdisk", read_ramdisk},
    {"cmdline", read_cmdline},
    {"memory_kib", read_memory},
    {"maxmem_kib", read_maxmem},
    {"vcpus", read_vcpus},
    {"maxvcpus", read_maxvcpus},
    {"cpus", read_cpus},
    {"cpu_weight", read_weight},
    {"cap", read_cap},
    {"on_poweroff", read_on_poweroff},
    {"on_reboot", read_on_reboot},
    {"on_crash", read_on_crash},
    {"on_watchdog", read_on_watchdog},
    {"paused", read_paused},
    {"vif", read_vif},
    {"disk", read_disk},
};

static bool read_member(struct reader *reader, const cJSON *value, uint32_t *seen)
{
    for (unsigned i = 0; i < ARRAY_SIZE(members); i++) {
        if (strcmp(value->string, members[i].name) == 0) {
            if (*seen & 1u << i) {
                return fail(reader, -EINVAL, "%s: given twice", value->string);
            }
            *seen |= 1u << i;
            return members[i].read(reader, value);
        }
    }
    return fail(reader, -EINVAL, "%.60s: no such member of a domain's configuration", value->string);
}

bool config_from_json(const cJSON *json, struct domain_config *config, struct domain_error *error)
{
    struct reader reader = {config, error};
    const cJSON *value;
    uint32_t seen = 0;
    bool good = true;

    *config = (struct domain_config){.on_poweroff = ACTION_DESTROY,
                                     .on_reboot = ACTION_RESTART,
                                     .on_crash = ACTION_DESTROY,
                                     .on_watchdog = ACTION_DESTROY};
    if (!cJSON_IsObject(json)) {
        return fail(&reader, -EINVAL, "expected a domain's configuration as a JSON object, found %s",
                    json ? kind(json) : "no JSON");
    }
    cJSON_ArrayForEach(value, json)
    {
        good = good && read_member(&reader, value, &seen);
    }
    if (good && (!config->name || !config->kernel)) {
        good = fail(&reader, -EINVAL, "%s: missing in the configuration", config->name ? "kernel" : "name");
    }
    if (!good) {
        domain_config_free(config);
    }
    return good;
}
