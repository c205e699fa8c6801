/* SPDX-License-Identifier: MIT */
/*
 * A domain that uses the store: everything of coracle/store.h once, two threads at a time, a watch that is
 * waited for.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "coracle/store.h"
#include "coracle/sync.h"

#define CHECK(condition) printf("%s %s\n", (condition) ? "good" : "bad", #condition)

static void *write_many(void *name)
{
    for (int i = 0; i < 100; i++) {
        if (cor_store_printf(0, name, "%d", i) != 0 || cor_store_read_number(0, name, -1) != i) {
            return NULL;
        }
    }
    return name;
}

static void threads(void)
{
    char one[] = "data/one", two[] = "data/two";
    pthread_t thread;
    void *result;

    pthread_create(&thread, NULL, write_many, one);
    CHECK(write_many(two) == two);
    pthread_join(thread, &result);
    CHECK(result == one);
}

static void wait_for_answer(void)
{
    struct cor_store_watch watch = {.path = "data/answer"};

    CHECK(cor_store_watch(&watch) == 0);
    cor_store_write(0, "data/question", "?", 1);
    for (;;) {
        uint32_t seen = watch.count;
        if (cor_store_read_number(0, "data/answer", 0) == 42) {
            break;
        }
        cor_wait(&watch.count, seen, COR_FOREVER, 0);
    }
    printf("good the answer is there\n");
    CHECK(cor_store_unwatch(&watch) == 0);
}

int main(void)
{
    char text[64], value[1500];
    uint32_t transaction;
    unsigned made = 0;

    CHECK(cor_store_present());
    CHECK(cor_store_read(0, "name", text, sizeof(text)) > 0 && !strcmp(text, "user"));
    CHECK(cor_store_write(0, "name", "mine", 4) == -EACCES);
    CHECK(cor_store_read(0, "/local/domain/0/domid", text, sizeof(text)) == -EACCES);
    memset(value, 'x', sizeof(value));
    CHECK(cor_store_write(0, "data/long", value, sizeof(value)) == 0);
    CHECK(cor_store_read(0, "data/long", NULL, 0) == sizeof(value));
    CHECK(cor_store_begin(&transaction) == 0);
    CHECK(cor_store_write(transaction, "data/both", "1", 1) == 0);
    CHECK(cor_store_end(transaction, true) == 0);
    threads();
    wait_for_answer();
    for (int error = 0; !error; made++) {
        snprintf(text, sizeof(text), "data/%u/%u", made / 30, made);
        error = cor_store_mkdir(0, text);
    }
    CHECK(made > 900 && made < 1000); /* as many as the limit lets one domain have */
    printf("done\n");
    fflush(stdout);
    for (;;) {
        cor_store_read(0, "data/both", text, sizeof(text)); /* as fast as it goes */
    }
}
