/* SPDX-License-Identifier: MIT */
/*
 * A little of everything that depends on the machine: memory, floating point, clock, threads, files. Run on
 * every processor model and through every firmware (tests/system/test_machines.py).
 *
 * build: -O2 -pthread
 * run: name=plain args="one 'two words'" out="^done: all$"
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int failures;

static void check(int good, const char *name)
{
    printf("%s %s\n", good ? "ok" : "not ok", name);
    failures += !good;
}

static void memory(void)
{
    char *blocks[16];
    int good = 1;

    for (int i = 0; i < 16; i++) {
        blocks[i] = malloc(100000);
        good = good && blocks[i] != NULL;
        if (blocks[i] != NULL) {
            memset(blocks[i], i + 1, 100000);
        }
    }
    for (int i = 0; i < 16; i++) {
        good = good && blocks[i][0] == i + 1 && blocks[i][99999] == i + 1;
        free(blocks[i]);
    }
    check(good, "memory");
}

static void arithmetic(void)
{
    volatile double two = 2.0;
    char text[64];

    snprintf(text, sizeof(text), "%.10f", sqrt(two));
    check(strcmp(text, "1.4142135624") == 0, "floating point");
}

static void clocks(void)
{
    struct timespec pause = {0, 20000000}, before, after;
    long long elapsed;

    clock_gettime(CLOCK_MONOTONIC, &before);
    check(nanosleep(&pause, NULL) == 0, "sleep");
    clock_gettime(CLOCK_MONOTONIC, &after);
    elapsed = (after.tv_sec - before.tv_sec) * 1000000000ll + (after.tv_nsec - before.tv_nsec);
    check(elapsed >= 20000000, "sleep is long enough");
    check(time(NULL) > 1500000000, "wall clock");
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counter;

static void *count(void *arg)
{
    volatile double x = 1.0;

    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
        x = x * 1.0000001;
    }
    (void)arg;
    return x > 1.0 ? &counter : NULL;
}

static void threads(void)
{
    pthread_t ids[4];
    int good = 1;

    for (int i = 0; i < 4; i++) {
        good = good && pthread_create(&ids[i], NULL, count, NULL) == 0;
    }
    for (int i = 0; i < 4; i++) {
        void *result = NULL;

        good = good && pthread_join(ids[i], &result) == 0 && result == &counter;
    }
    check(good && counter == 80000, "threads");
}

static void files(void)
{
    FILE *file = fopen("/machine.txt", "w+");
    char line[32] = "";

    check(file != NULL, "create a file");
    if (file != NULL) {
        fputs("written\n", file);
        rewind(file);
        check(fgets(line, sizeof(line), file) != NULL && strcmp(line, "written\n") == 0, "read it back");
        fclose(file);
    }
}

int main(int argc, char **argv)
{
    check(argc == 3 && strcmp(argv[1], "one") == 0 && strcmp(argv[2], "two words") == 0, "arguments");
    memory();
    arithmetic();
    clocks();
    threads();
    files();
    if (failures == 0) {
        printf("done: all\n");
    }
    return failures != 0;
}
