/* SPDX-License-Identifier: MIT */
/* Domains that behave badly at their consoles, and people who read slowly. */
#include "tests/system/control/scenarios.h"
#include <stdio.h>
#include <string.h>
#include "coracle/clock.h"

/* The domain answers, again and again. */
static void answers(const char *name)
{
    for (unsigned i = 0; i < 20; i++) {
        char text[32], answer[64];

        snprintf(text, sizeof(text), "are you there %u\n", i);
        snprintf(answer, sizeof(answer), "heard %s", text);
        type(name, text);
        CHECK(wait_output(name, answer, PATIENCE));
    }
}

/*
 * While domains send events to the control domain as fast as they can, another one answers, and domains come
 * and go.
 */
void scenario_storms(void)
{
    struct domain_config storms[] = {simple("storm1", "answer", 4096, "-- storm"),
                                     simple("storm2", "answer", 4096, "-- storm")},
                         quiet = simple("quiet", "answer", 4096, NULL),
                         more = simple("more", "answer", 4096, NULL);

    if (!create(&storms[0]) || !create(&storms[1]) || !create(&quiet) ||
        !CHECK(wait_output("storm1", "storm begins", PATIENCE)) ||
        !CHECK(wait_output("storm2", "storm begins", PATIENCE))) {
        return;
    }
    answers("quiet");
    if (create(&more)) {
        CHECK(wait_output("more", "main ", PATIENCE));
        destroy("more");
    }
    destroy("storm1");
    destroy("storm2");
    destroy("quiet");
}

/* More has been said than the log keeps. */
static bool is_overfull(void *log)
{
    return ((const struct console_log *)log)->end > 2 * CONSOLE_LOG_MAX;
}

/* While one domain floods its console, another answers, and its log keeps its bound. */
void scenario_flood(void)
{
    struct domain_config flood = simple("flood", "answer", 4096, "-- flood"),
                         quiet = simple("quiet", "answer", 4096, NULL);
    const struct console_log *log;
    uint64_t begin, said;

    if (!create(&flood) || !create(&quiet)) {
        return;
    }
    log = console_log(domain_console("flood"));
    if (!CHECK(wait_for(is_overfull, (void *)(uintptr_t)log, PATIENCE))) {
        return;
    }
    answers("quiet");
    CHECK(log->end - log->start <= CONSOLE_LOG_MAX && log->size <= CONSOLE_LOG_MAX);
    begin = cor_monotonic_ns();
    said = log->end;
    CHECK(!wait_gone("flood", 2));
    said = log->end - said;
    /* As much as the credit allows, and not more. */
    CHECK(said <= CONSOLE_CREDIT + (cor_monotonic_ns() - begin) / 1000000 * (CONSOLE_RATE / 1000) + 4096);
    destroy("flood");
    destroy("quiet");
}

/* ------------------------------------------------------------------ readers */

struct reader {
    struct console_attachment attachment;
    bool slow;
    size_t bytes;
    char text[4096]; /* the first that was read */
};

static void reads(struct console_attachment *attachment)
{
    struct reader *reader = (struct reader *)attachment;
    char bytes[512];
    size_t count;

    while (!reader->slow && (count = console_read(attachment, bytes, sizeof(bytes)))) {
        size_t room = sizeof(reader->text) - 1 - reader->bytes, keep = count < room ? count : room;

        if (reader->bytes < sizeof(reader->text)) {
            memcpy(reader->text + reader->bytes, bytes, keep);
        }
        reader->bytes += count;
    }
}

static bool has_ended;

static void end(struct console_attachment *attachment)
{
    (void)attachment;
    has_ended = true;
}

/* How often text stands in what was read. */
static unsigned seen(const struct reader *reader, const char *text)
{
    unsigned count = 0;

    for (const char *at = reader->text; (at = strstr(at, text)); at++) {
        count++;
    }
    return count;
}

/*
 * Several at one console: each sees what comes after it attached, or all; who does not read holds nobody up.
 */
void scenario_readers(void)
{
    struct domain_config config = simple("read", "answer", 4096, NULL);
    static struct reader early = {.attachment = {.readable = reads, .ended = end}},
                         late = {.attachment = {.readable = reads}},
                         lazy = {.attachment = {.readable = reads}, .slow = true},
                         replay = {.attachment = {.readable = reads}};

    if (!create(&config) || !CHECK(wait_output("read", "main ", PATIENCE))) {
        return;
    }
    console_attach(domain_console("read"), &early.attachment, false);
    console_attach(domain_console("read"), &lazy.attachment, false);
    type("read", "one\n");
    CHECK(wait_output("read", "heard one\n", PATIENCE));
    console_attach(domain_console("read"), &late.attachment, false);
    console_attach(domain_console("read"), &replay.attachment, true);
    CHECK(console_write(&late.attachment, "two\n", 4) == 4);
    CHECK(wait_output("read", "heard two\n", PATIENCE));
    CHECK(seen(&early, "main ") == 0 && seen(&early, "heard one\n") == 1 && seen(&early, "heard two\n") == 1);
    CHECK(seen(&late, "heard one\n") == 0 && seen(&late, "heard two\n") == 1);
    CHECK(seen(&replay, "main ") == 0 || replay.bytes > early.bytes);
    CHECK(lazy.bytes == 0);
    console_detach(&late.attachment);
    type("read", "three\n");
    CHECK(wait_output("read", "heard three\n", PATIENCE));
    CHECK(seen(&late, "heard three\n") == 0);
    lazy.slow = false;
    reads(&lazy.attachment);
    CHECK(lazy.bytes == early.bytes && !strcmp(lazy.text, early.text));
    type("read", "exit 0\n");
    CHECK(wait_gone("read", PATIENCE));
    CHECK(!has_ended); /* the log is still there to be read */
    if (create(&config)) {
        CHECK(has_ended); /* a new domain of that name: the old console is gone */
        destroy("read");
    }
}
