/* SPDX-License-Identifier: MIT */
/*
 * The control domain's life cycle under test, without the API: this image is the initial domain, linked with
 * the control domain's own sources but for its main(). Each scenario is a function that makes domains and
 * turns the loop until what it waits for has come. It prints `ok NAME` or `not ok NAME: why`; the whole ends
 * with `done: N passed, M failed`.
 */
#ifndef TESTS_SYSTEM_CONTROL_TEST_H
#define TESTS_SYSTEM_CONTROL_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "toolstack/backend/console.h"
#include "toolstack/control/domain.h"
#include "toolstack/control/image.h"
#include "toolstack/control/loop.h"

#define SECOND 1000000000ull
/*
 * Seconds for what comes, however busy the machine is: only against hanging. Where its clock counts
 * instructions, others do not matter.
 */
#define PATIENCE (option("counted", 0) ? 20 : 240)

/* States that the condition holds; prints the line and the text of what was expected if it does not. */
#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)
bool check(bool holds, const char *what, const char *file, int line);

/* Turns the loop until done(argument), at most `seconds` of host time. False: it did not come. */
bool wait_for(bool (*done)(void *argument), void *argument, unsigned seconds);
/*
 * Turns the loop until the domain of that name is gone, or for as long as it takes to be sure that it stays.
 */
bool wait_gone(const char *name, unsigned seconds);
/* Turns the loop until the console of name has said text. */
bool wait_output(const char *name, const char *text, unsigned seconds);
/* Does what the console of name has said contain text? */
bool has_output(const char *name, const char *text);
/* Prints it, for people who look into a failure. */
void show_output(const char *name);

/* A configuration: image `kernel` in so much memory; the strings are not copied. */
struct domain_config simple(const char *name, const char *kernel, uint64_t memory_kib, const char *cmdline);
/* domain_create; a failure is a failed check. */
struct domain *create(const struct domain_config *config);

/* Its domid. */
uint16_t domain_number(struct domain *domain);
/* domain_destroy, checked. */
void destroy(const char *name);
/* Types text at its console; a domain that does not take it is a failed check. */
void type(const char *name, const char *text);

/* The number behind NAME= among this image's arguments. */
uint64_t option(const char *name, uint64_t otherwise);

/* Pages of the host that are free, once they stand still. */
uint64_t free_pages(void);

#endif
