/* SPDX-License-Identifier: MIT */
/*
 * A QEMU TCG plugin that counts how often each instruction address is executed. tests/bench/profile/profile
 * and the boot timeline of tests/bench/run read its output.
 *
 *     -plugin count.so,out=FILE[,at=ADDRESS]...[,begin=ADDRESS,end=ADDRESS]
 *
 * at      when the address is executed for the first time: write `mark ADDRESS` and all counters so far
 * begin, end   count only from the one to the other, as often as they come; FILE then ends with `rounds N`
 *
 * A line of a counter is `ADDRESS COUNT KIND`, with KIND s for string instructions, w for those that loops
 * wait with (pause, rdtsc, in), - for the rest. At the end of the run comes `mark end` with all counters. A
 * repetition of a string instruction counts as one, as in -icount.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part of QEMU's plugin interface (version 1) that is used here. Debian packages no header for it. */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum { QEMU_PLUGIN_CB_NO_REGS = 0, QEMU_PLUGIN_INLINE_ADD_U64 = 0 };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, void *), void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned, void *),
                                            int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *word,
                                                uint64_t add);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int
qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv);

struct counter {
    uint64_t address, count, before, inside; /* before: at the last `begin`; inside: in all windows */
    char kind;
};

#define SLOTS    (1u << 20)
#define MAX_MARK 16
static struct counter *table[SLOTS]; /* open addressing by address */
static unsigned used;
static struct {
    uint64_t address;
    bool seen;
} marks[MAX_MARK];
static unsigned nr_marks;
static uint64_t begin_at, end_at, rounds;
static bool inside;
static FILE *out;

static char kind_of(struct qemu_plugin_insn *insn)
{
    static const char *const waits[] = {"pause", "rdtsc", "inb ", "inw ", "inl ", "in "};
    char *text = qemu_plugin_insn_disas(insn), kind = '-';

    if (text == NULL) {
        return kind;
    }
    for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        kind = strncmp(text, waits[i], strlen(waits[i])) == 0 ? 'w' : kind;
    }
    kind = strncmp(text, "rep", 3) == 0 ? 's' : kind;
    free(text);
    return kind;
}

static struct counter *counter_of(struct qemu_plugin_insn *insn)
{
    uint64_t address = qemu_plugin_insn_vaddr(insn);
    unsigned slot = (unsigned)((address * 0x9e3779b97f4a7c15u) >> 44);

    while (table[slot] != NULL && table[slot]->address != address) {
        slot = (slot + 1) % SLOTS;
    }
    if (table[slot] == NULL) {
        if (++used > SLOTS / 2 || (table[slot] = calloc(1, sizeof(struct counter))) == NULL) {
            fprintf(stderr, "count: too many addresses\n");
            exit(1);
        }
        table[slot]->address = address;
        table[slot]->kind = kind_of(insn);
    }
    return table[slot];
}

static void write_counters(void)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct counter *c = table[i];
        uint64_t count = c == NULL ? 0 : begin_at != 0 ? c->inside : c->count;

        if (count != 0) {
            fprintf(out, "%" PRIx64 " %" PRIu64 " %c\n", c->address, count, c->kind);
        }
    }
}

static void on_mark(unsigned cpu, void *data)
{
    unsigned i = (unsigned)(uintptr_t)data;

    (void)cpu;
    if (!marks[i].seen) {
        marks[i].seen = true;
        fprintf(out, "mark %" PRIx64 "\n", marks[i].address);
        write_counters();
    }
}

static void on_begin(unsigned cpu, void *data)
{
    (void)cpu;
    (void)data;
    inside = true;
    for (unsigned i = 0; i < SLOTS; i++) {
        if (table[i] != NULL) {
            table[i]->before = table[i]->count;
        }
    }
}

static void on_end(unsigned cpu, void *data)
{
    (void)cpu;
    (void)data;
    if (!inside) {
        return;
    }
    inside = false;
    rounds++;
    for (unsigned i = 0; i < SLOTS; i++) {
        if (table[i] != NULL) {
            table[i]->inside += table[i]->count - table[i]->before;
        }
    }
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        struct counter *c = counter_of(insn);

        for (unsigned m = 0; m < nr_marks; m++) {
            if (marks[m].address == c->address) {
                qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
                                                       (void *)(uintptr_t)m);
            }
        }
        if (begin_at != 0 && (c->address == begin_at || c->address == end_at)) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, c->address == begin_at ? on_begin : on_end,
                                                   QEMU_PLUGIN_CB_NO_REGS, NULL);
        }
        qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &c->count, 1);
    }
}

static void on_end_of_run(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    fprintf(out, "mark end\n");
    write_counters();
    fprintf(out, "rounds %" PRIu64 "\n", rounds);
    fclose(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (value == NULL) {
            return 1;
        }
        *value++ = 0;
        if (strcmp(argv[i], "out") == 0) {
            out = fopen(value, "w");
        } else if (strcmp(argv[i], "at") == 0 && nr_marks < MAX_MARK) {
            marks[nr_marks++].address = strtoull(value, NULL, 16);
        } else if (strcmp(argv[i], "begin") == 0) {
            begin_at = strtoull(value, NULL, 16);
        } else if (strcmp(argv[i], "end") == 0) {
            end_at = strtoull(value, NULL, 16);
        } else {
            fprintf(stderr, "count: unknown setting %s\n", argv[i]);
            return 1;
        }
    }
    if (out == NULL) {
        fprintf(stderr, "count: out=FILE is missing or cannot be written\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_end_of_run, NULL);
    return 0;
}
