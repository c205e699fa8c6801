/* SPDX-License-Identifier: MIT */
/*
 * A domain that wants all of the store: as many nodes, watches and transactions as it can have, the longest
 * values, and then changes that each wake all its watches, as fast as it goes.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "coracle/store.h"

#define TRIES 2000u

static char value[1900];

int main(void)
{
    static struct cor_store_watch watches[TRIES / 8];
    static char paths[TRIES / 8][32];
    uint32_t transaction, open = 0;
    unsigned nodes = 0, watching = 0, transactions = 0;
    char path[64];
    bool all;

    setvbuf(stdout, NULL, _IOLBF, 0);
    memset(value, 'x', sizeof(value));
    for (unsigned i = 0; i < TRIES; i++) {
        snprintf(path, sizeof(path), "data/%u/%u", i / 30, i);
        nodes += cor_store_write(0, path, value, sizeof(value)) == 0;
    }
    for (unsigned i = 0; i < TRIES / 8; i++) {
        snprintf(paths[i], sizeof(paths[i]), "data/%u", i % 8);
        watches[i].path = paths[i];
        watching += cor_store_watch(&watches[i]) == 0;
    }
    for (unsigned i = 0; i < 100; i++) {
        if (cor_store_begin(&transaction) == 0) {
            transactions++;
            open = transaction;
        }
    }
    printf("%u nodes, %u watches, %u transactions\n", nodes, watching, transactions);
    /* As much as the limits let one domain have. */
    all = nodes < TRIES && watching < TRIES / 8 && transactions < 100;
    for (unsigned i = 0;; i++) {
        snprintf(path, sizeof(path), "data/%u/%u", i % 8, i % 240);
        cor_store_write(0, path, value, 1 + i % sizeof(value));
        cor_store_write(open, path, value, sizeof(value));
        cor_store_remove(0, path);
        if (i % 4 == 0) { /* each time: the log is bounded, and what is said once is soon gone from it */
            printf("round %u: %s\n", i, all ? "the store gives no more" : "there is more");
        }
    }
}
