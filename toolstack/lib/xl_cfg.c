/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/xl_cfg.h"
#include "toolstack/lib/cmdline.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <libxlutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX      64
#define CFG_MAX      (1024 * 1024) /* bytes of a file; people write them */
#define MEBIBYTE_MAX (1L << 40)

/* libxlutil's one need of libxenlight, for a function that is not called here. */
void libxl_defbool_set(libxl_defbool *db, bool b)
{
    db->val = b ? 1 : -1;
}

enum key_kind {
    KEY_TEXT,     /* a string that the API knows under the same name */
    KEY_PLAIN,    /* a number, likewise */
    KEY_MEBIBYTE, /* a number of MiB; the API's name has _kib behind it */
    KEY_ACTION,
    KEY_LIST, /* of strings */
    KEY_CPUS,
    KEY_COMMAND, /* cmdline, root, extra: looked at together */
    KEY_TYPE,    /* type, builder */
};

static const struct key {
    const char *name;
    enum key_kind kind;
    long least, most; /* of a number */
} known_keys[] = {
    {"name", KEY_TEXT, 0, 0},
    {"uuid", KEY_TEXT, 0, 0},
    {"kernel", KEY_TEXT, 0, 0},
    {"ramdisk", KEY_TEXT, 0, 0},
    {"memory", KEY_MEBIBYTE, 1, MEBIBYTE_MAX},
    {"maxmem", KEY_MEBIBYTE, 1, MEBIBYTE_MAX},
    {"vcpus", KEY_PLAIN, 1, UINT16_MAX},
    {"maxvcpus", KEY_PLAIN, 1, UINT16_MAX},
    {"cpus", KEY_CPUS, 0, 0},
    {"cpu_weight", KEY_PLAIN, 1, UINT16_MAX},
    {"cap", KEY_PLAIN, 0, UINT16_MAX},
    {"on_poweroff", KEY_ACTION, 0, 0},
    {"on_reboot", KEY_ACTION, 0, 0},
    {"on_crash", KEY_ACTION, 0, 0},
    {"on_watchdog", KEY_ACTION, 0, 0},
    {"vif", KEY_LIST, 0, 0},
    {"disk", KEY_LIST, 0, 0},
    {"cmdline", KEY_COMMAND, 0, 0},
    {"root", KEY_COMMAND, 0, 0},
    {"extra", KEY_COMMAND, 0, 0},
    {"type", KEY_TYPE, 0, 0},
    {"builder", KEY_TYPE, 0, 0},
};

#define NR_KEYS (sizeof(known_keys) / sizeof(known_keys[0]))

/* A file on its way. */
struct reading {
    const char *path;
    XLU_Config *cfg;
    cJSON *config;
    unsigned lines[NR_KEYS]; /* of the keys that the file sets, 0: not set */
    bool failed;
};

/* ---- keys and lines ---- */

/* Behind the string, comment or single character at text; counts the lines that end on the way. */
static const char *skip_one(const char *text, unsigned *line)
{
    char quote = *text;

    if (*text == '#')
        return text + strcspn(text, "\n");
    *line += *text == '\n';
    text++;
    if (quote != '\'' && quote != '"')
        return text;
    while (*text != '\0' && *text != quote && *text != '\n')
        text += text[0] == '\\' && text[1] != '\0' ? 2 : 1;
    return *text == quote ? text + 1 : text;
}

void xl_cfg_keys(const char *text, void (*found)(void *context, const char *key, unsigned line),
                 void *context)
{
    unsigned line = 1, depth = 0;
    bool at_start = true;
    char key[KEY_MAX];

    while (*text != '\0') {
        if (at_start && (isalpha((unsigned char)*text) || *text == '_')) {
            size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

            snprintf(key, sizeof(key), "%.*s", length < KEY_MAX ? (int)length : KEY_MAX - 1, text);
            found(context, key, line);
            text += length;
            at_start = false;
            continue;
        }
        depth += *text == '[';
        depth -= *text == ']' && depth > 0;
        if (depth == 0 && (*text == '\n' || *text == ';'))
            at_start = true;
        text = skip_one(text, &line);
    }
}

static void note_key(void *context, const char *key, unsigned line)
{
    struct reading *reading = context;

    for (size_t i = 0; i < NR_KEYS; i++) {
        if (strcmp(known_keys[i].name, key) == 0) {
            reading->lines[i] = line;
            return;
        }
    }
    report("%s:%u: '%s' is not known here and has no effect", reading->path, line, key);
}

/* ---- values ---- */

static void fail(struct reading *reading, size_t index, const char *expected, const char *found)
{
    report("%s:%u: %s: expected %s, found '%s'", reading->path, reading->lines[index], known_keys[index].name,
           expected, found);
    reading->failed = true;
}

/* The string, or NULL with reading->failed set when it is something else (the parser says so). */
static const char *get_text(struct reading *reading, size_t index)
{
    const char *value = NULL;

    if (xlu_cfg_get_string(reading->cfg, known_keys[index].name, &value, 0) != 0)
        reading->failed = true;
    return value;
}

static void take_number(struct reading *reading, size_t index)
{
    const struct key *key = &known_keys[index];
    const char *text = "a list";
    char name[KEY_MAX], expected[KEY_MAX];
    long value;

    if (xlu_cfg_get_long(reading->cfg, key->name, &value, 1) != 0 || value < key->least ||
        value > key->most) {
        xlu_cfg_get_string(reading->cfg, key->name, &text, 1);
        snprintf(expected, sizeof(expected), "a number from %ld to %ld", key->least, key->most);
        fail(reading, index, expected, text);
    } else if (key->kind == KEY_MEBIBYTE) {
        snprintf(name, sizeof(name), "%s_kib", key->name);
        json_set_number(reading->config, name, (uint64_t)value * (MIB / KIB));
    } else {
        json_set_number(reading->config, key->name, (uint64_t)value);
    }
}

static void take_action(struct reading *reading, size_t index)
{
    static const char *const actions[][2] = {
        {"destroy", "destroy"},        {"restart", "restart"},          {"preserve", "preserve"},
        {"rename-restart", "restart"}, {"coredump-destroy", "destroy"}, {"coredump-restart", "restart"},
        {"soft-reset", "restart"},
    };
    const char *value = get_text(reading, index);

    if (value == NULL)
        return;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i][0], value) != 0)
            continue;
        if (actions[i][0] != actions[i][1] && strcmp(actions[i][0], actions[i][1]) != 0)
            report("%s:%u: %s='%s' is not supported; taken as '%s'", reading->path, reading->lines[index],
                   known_keys[index].name, value, actions[i][1]);
        json_set_text(reading->config, known_keys[index].name, actions[i][1]);
        return;
    }
    fail(reading, index, "destroy, restart or preserve", value);
}

/* A list of strings as a new array, or NULL with reading->failed set. */
static cJSON *get_list(struct reading *reading, size_t index)
{
    XLU_ConfigList *list;
    cJSON *array;
    int count;

    if (xlu_cfg_get_list(reading->cfg, known_keys[index].name, &list, &count, 0) != 0) {
        reading->failed = true;
        return NULL;
    }
    array = json_array();
    for (int i = 0; i < count; i++) {
        const char *item = xlu_cfg_get_listitem(list, i);

        if (item == NULL) {
            fail(reading, index, "a list of strings", "a list within it");
            break;
        }
        json_append_text(array, item);
    }
    return array;
}

/* A string for all vCPUs. A list gives each vCPU a set of its own; it is taken when the sets are the same. */
static void take_cpus(struct reading *reading, size_t index)
{
    const char *value, *first = NULL;
    const cJSON *item;
    cJSON *list;

    if (xlu_cfg_get_string(reading->cfg, known_keys[index].name, &value, 1) == 0) {
        json_set_text(reading->config, "cpus", value);
        return;
    }
    list = get_list(reading, index);
    cJSON_ArrayForEach(item, list)
    {
        if (first == NULL)
            first = item->valuestring;
        if (strcmp(item->valuestring, first) != 0) {
            fail(reading, index,
                 "one set of processors for all vCPUs (coracle vcpu-pin sets them one by one)",
                 item->valuestring);
            break;
        }
    }
    if (first != NULL)
        json_set_text(reading->config, "cpus", first);
    cJSON_Delete(list);
}

static void take_type(struct reading *reading, size_t index)
{
    const char *value = get_text(reading, index);
    bool is_builder = strcmp(known_keys[index].name, "builder") == 0;

    if (value == NULL || strcmp(value, "pv") == 0)
        return;
    if (is_builder && (strcmp(value, "linux") == 0 || strcmp(value, "generic") == 0))
        return;
    fail(reading, index, "pv, the only kind of guest here", value);
}

static void take_value(struct reading *reading, size_t index)
{
    const char *text;
    cJSON *list;

    switch (known_keys[index].kind) {
    case KEY_TEXT:
        text = get_text(reading, index);
        if (text != NULL)
            json_set_text(reading->config, known_keys[index].name, text);
        return;
    case KEY_PLAIN:
    case KEY_MEBIBYTE:
        take_number(reading, index);
        return;
    case KEY_ACTION:
        take_action(reading, index);
        return;
    case KEY_LIST:
        list = get_list(reading, index);
        if (list != NULL)
            cJSON_AddItemToObject(reading->config, known_keys[index].name, list);
        return;
    case KEY_CPUS:
        take_cpus(reading, index);
        return;
    case KEY_TYPE:
        take_type(reading, index);
        return;
    case KEY_COMMAND:
        get_text(reading, index);
        return;
    }
}

/* The command line as xl makes it: cmdline alone, or root and extra. */
static void take_command(struct reading *reading)
{
    const char *whole = NULL, *root = NULL, *extra = NULL;
    struct text command = {0};

    xlu_cfg_get_string(reading->cfg, "cmdline", &whole, 1);
    xlu_cfg_get_string(reading->cfg, "root", &root, 1);
    xlu_cfg_get_string(reading->cfg, "extra", &extra, 1);
    if (whole != NULL && (root != NULL || extra != NULL))
        report("%s: cmdline is set, so root and extra have no effect", reading->path);
    if (whole != NULL) {
        text_add(&command, whole);
    } else {
        if (root != NULL)
            text_format(&command, "root=%s", root);
        if (extra != NULL)
            text_format(&command, "%s%s", root != NULL ? " " : "", extra);
    }
    if (command.length != 0)
        json_set_text(reading->config, "cmdline", command.text);
    free(command.text);
}

static void need_key(struct reading *reading, const char *name, const char *what)
{
    if (reading->failed || cJSON_HasObjectItem(reading->config, name))
        return;
    report("%s: expected %s, such as %s; found none", reading->path, name, what);
    reading->failed = true;
}

/* ---- files ---- */

/* The content with a final zero, for free(); NULL with a message. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t length = 0;

    if (file != NULL)
        text = malloc(CFG_MAX + 1);
    if (text != NULL)
        length = fread(text, 1, CFG_MAX + 1, file);
    if (text == NULL || ferror(file)) {
        report("cannot read the configuration %s: %s", path, strerror(errno));
    } else if (length > CFG_MAX || memchr(text, '\0', length) != NULL) {
        report("%s: expected an image (ELF) or a configuration (xl.cfg); found %s", path,
               length > CFG_MAX ? "a file of more than 1 MiB that is neither" : "bytes of zero in its text");
    } else {
        fclose(file);
        text[length] = '\0';
        return text;
    }
    if (file != NULL)
        fclose(file);
    free(text);
    return NULL;
}

/* Passes on what the parser said, a message a line, each with the file and most with the line. */
static void pass_on(char *messages)
{
    static const char warning[] = "warning: ";
    char *save = NULL;

    for (char *line = strtok_r(messages, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        char *word = strstr(line, warning);

        /* Here it is none: what was given has to be understood. */
        if (word != NULL)
            memmove(word, word + strlen(warning), strlen(word + strlen(warning)) + 1);
        report("%s", line);
    }
}

static void translate(struct reading *reading, const char *text)
{
    xl_cfg_keys(text, note_key, reading);
    for (size_t i = 0; i < NR_KEYS; i++)
        if (reading->lines[i] != 0)
            take_value(reading, i);
    take_command(reading);
    need_key(reading, "kernel", "kernel=\"app.elf\"");
    need_key(reading, "name", "name=\"web\"");
}

cJSON *xl_cfg_read(const char *path)
{
    struct reading reading = {.path = path};
    char *text = read_text(path), *messages = NULL;
    size_t size = 0;
    FILE *out = text != NULL ? open_memstream(&messages, &size) : NULL;

    if (out != NULL)
        reading.cfg = xlu_cfg_init(out, path);
    if (reading.cfg == NULL) {
        if (text != NULL)
            report("out of memory");
        if (out != NULL)
            fclose(out);
        free(messages);
        free(text);
        return NULL;
    }
    reading.config = json_object();
    if (xlu_cfg_readdata(reading.cfg, text, (int)strlen(text)) == 0)
        translate(&reading, text);
    else
        reading.failed = true;
    xlu_cfg_destroy(reading.cfg);
    fclose(out);
    pass_on(messages);
    free(messages);
    free(text);
    if (!reading.failed)
        return reading.config;
    cJSON_Delete(reading.config);
    return NULL;
}

bool is_xl_cfg(const char *path)
{
    FILE *file = fopen(path, "re");
    char magic[SELFMAG] = {0};
    size_t count;

    if (file == NULL)
        return false;
    count = fread(magic, 1, sizeof(magic), file);
    fclose(file);
    return count != SELFMAG || memcmp(magic, ELFMAG, SELFMAG) != 0;
}
