/* SPDX-License-Identifier: MIT */
/*
 * The C library on top of the libOS: formats, streams, strings and numbers, malloc, environment, arguments,
 * setjmp, exit handlers.
 *
 * build: -O2 -Wno-format-truncation -lm
 * run: args="one 'two words' ''" out="^last words$"
 */
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "posix_check.h"

static void formats(void)
{
    char text[200];

    snprintf(text, sizeof(text), "%d %5u %-4x| %lld %zu %s %c %%", -5, 42u, 255, -(1ll << 40), (size_t)7, "s",
             'c');
    check(!strcmp(text, "-5    42 ff  | -1099511627776 7 s c %"), "integers");
    snprintf(text, sizeof(text), "%.3f %g %e %a", 3.14159, 1e100, 12345.678, 0.5);
    check(!strcmp(text, "3.142 1e+100 1.234568e+04 0x1p-1"), "floating point");
    check(snprintf(text, 4, "%d", 123456) == 6 && !strcmp(text, "123"), "snprintf cuts");
    int a = 0;
    double b = 0;
    check(sscanf("12 3.5 word", "%d %lf %9s", &a, &b, text) == 3 && a == 12 && b == 3.5 &&
              !strcmp(text, "word"),
          "sscanf");
    check(strtod("0x1.8p1", NULL) == 3.0 && strtoull("18446744073709551615", NULL, 10) == UINT64_MAX,
          "strtod");
    check(fabs(sin(1.0) - 0.8414709848078965) < 1e-15 && sqrt(2.0) * sqrt(2.0) > 1.999, "libm");
}

static void streams(void)
{
    char line[64];
    FILE *file = fopen("/tmp/text", "w+");

    check(file && fprintf(file, "line %d\nline %d\n", 1, 2) == 14, "fprintf");
    rewind(file);
    check(fgets(line, sizeof(line), file) && !strcmp(line, "line 1\n"), "fgets");
    check(fseek(file, -2, SEEK_END) == 0 && fgetc(file) == '2' && ftell(file) == 13, "fseek");
    check(fgetc(file) == '\n' && fgetc(file) == EOF && feof(file), "end of file");
    check(ungetc('x', file) == 'x' && fgetc(file) == 'x', "ungetc");
    fclose(file);
    file = fopen("/tmp/text", "a");
    fputs("line 3\n", file);
    fclose(file);
    file = fopen("/tmp/text", "r");
    int lines = 0;
    while (fgets(line, sizeof(line), file))
        lines++;
    fclose(file);
    check(lines == 3, "append");
    file = fopen("/tmp/none/x", "r");
    check(!file && errno == ENOENT, "fopen fails");
    file = tmpfile();
    check(file && fwrite(line, 1, 10, file) == 10, "tmpfile");
    fclose(file);
    char name[] = "/tmp/XXXXXX";
    int fd = mkstemp(name);
    check(fd >= 0 && !strchr(name, 'X'), "mkstemp");
    close(fd);
    FILE *many[100];
    int opened = 0;
    while (opened < 100 && (many[opened] = fopen("/tmp/text", "r")))
        opened++;
    check(opened == 100, "a hundred streams");
    while (opened)
        fclose(many[--opened]);
}

static void memory(void)
{
    static void *blocks[10000];
    size_t got = 0;
    void *big, *half;

    srand(3);
    for (int round = 0; round < 50000; round++) {
        size_t i = (size_t)rand() % 10000, size = (size_t)rand() % 300;
        free(blocks[i]);
        blocks[i] = malloc(size);
        if (blocks[i]) {
            memset(blocks[i], (int)i, size);
            got++;
        }
    }
    check(got == 50000, "malloc and free at random");
    for (int i = 0; i < 10000; i++)
        free(blocks[i]);
    errno = 0;
    big = malloc((size_t)1 << 40);
    check(!big && errno == ENOMEM, "malloc of too much");
    /* All the memory there is, and back again. */
    void *list = NULL;
    got = 0;
    while ((big = malloc(1 << 20))) {
        *(void **)big = list;
        list = big;
        got++;
    }
    check(got > 8 && errno == ENOMEM, "memory runs out with ENOMEM");
    while (list) {
        big = list;
        list = *(void **)list;
        free(big);
    }
    half = malloc(got / 2 << 20);
    check(half, "and comes back");
    free(half);
    big = aligned_alloc(4096, 8192);
    check(big && (uintptr_t)big % 4096 == 0, "aligned_alloc");
    free(big);
    big = calloc(1000, 1000);
    check(big && !((char *)big)[999999], "calloc");
    big = realloc(big, 2000000);
    check(big && !((char *)big)[999999], "realloc");
    free(big);
}

static jmp_buf jump;

static void jumps(void)
{
    volatile int count = 0;
    volatile double kept = 2.5;

    int value = setjmp(jump);
    if (value < 5) {
        count++;
        longjmp(jump, value + 1);
    }
    check(count == 5 && value == 5 && kept == 2.5, "setjmp and longjmp");
}

static void environment(int argc, char **argv)
{
    check(argc == 4 && !strcmp(argv[1], "one") && !strcmp(argv[2], "two words") && !*argv[3], "arguments");
    check(!argv[argc], "arguments end with NULL");
    check(!getenv("NONE") && setenv("A", "1", 1) == 0 && !strcmp(getenv("A"), "1"), "setenv");
    check(setenv("A", "2", 0) == 0 && !strcmp(getenv("A"), "1"), "setenv keeps");
    check(unsetenv("A") == 0 && !getenv("A"), "unsetenv");
    check(system(NULL) == 0, "there is no shell");
    check_errno(system("true"), ENOSYS, "system");
    check(gethostname((char[65]){0}, 65) == 0 && getpagesize() == 4096 && sysconf(_SC_OPEN_MAX) > 1000,
          "sysconf");
}

static void at_exit(void)
{
    printf("last words\n"); /* stdio still works, and is flushed after this */
}

int main(int argc, char **argv)
{
    atexit(at_exit);
    formats();
    streams();
    memory();
    jumps();
    environment(argc, argv);
    return finish();
}
