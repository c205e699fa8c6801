/* SPDX-License-Identifier: MIT */
#include "toolstack/cc/arguments.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Options whose value is the next word. */
static const char *const with_value[] = {
    "-o",
    "-I",
    "-D",
    "-U",
    "-include",
    "-imacros",
    "-isystem",
    "-idirafter",
    "-u",
    "-z",
    "-iquote",
    "-iprefix",
    "-iwithprefix",
    "-isysroot",
    "-iwithprefixbefore",
    "-imultilib",
    "-MF",
    "-MT",
    "-MQ",
    "-Xlinker",
    "-Xassembler",
    "-Xpreprocessor",
    "-aux-info",
    "-B",
    "-A",
    "-e",
    "--param",
    "-dumpbase",
    "-dumpdir",
    "-wrapper",
    "-specs",
};

/* Options that have no meaning for a guest: it is one static image at a fixed place. */
static const char *const dropped[] = {
    "-fPIC",       "-fpic",     "-fPIE",   "-fpie",          "-pie",
    "-static-pie", "-rdynamic", "-static", "-shared-libgcc", "-no-pie",
};

/* Libraries that are part of libcoracle, or linked always. */
static const char *const built_in[] = {"c", "m", "gcc", "pthread", "rt", "dl", "util", "coracle"};

static const char *const no_link[] = {"-c", "-S", "-E", "-M", "-MM", "-fsyntax-only", "-r"};

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

static bool starts(const char *word, const char *start)
{
    return strncmp(word, start, strlen(start)) == 0;
}

_Noreturn void give_up(const char *pattern, ...)
{
    va_list values;

    fputs("coracle-cc: error: ", stderr);
    va_start(values, pattern);
    vfprintf(stderr, pattern, values);
    va_end(values);
    fputc('\n', stderr);
    exit(1);
}

static char *format_values(const char *pattern, va_list values)
{
    char *text;

    if (vasprintf(&text, pattern, values) < 0)
        give_up("out of memory");
    return text;
}

char *format(const char *pattern, ...)
{
    va_list values;
    char *text;

    va_start(values, pattern);
    text = format_values(pattern, values);
    va_end(values);
    return text;
}

static void append(struct words *words, char *word)
{
    if (words->count + 1 >= words->room) {
        words->room = words->room * 2 + 64;
        words->list = realloc(words->list, words->room * sizeof(*words->list));
        if (words->list == NULL)
            give_up("out of memory");
    }
    words->list[words->count++] = word;
    words->list[words->count] = NULL;
}

void add(struct words *words, const char *word)
{
    append(words, format("%s", word));
}

void addf(struct words *words, const char *pattern, ...)
{
    va_list values;

    va_start(values, pattern);
    append(words, format_values(pattern, values));
    va_end(values);
}

char **copy_words(const struct words *words)
{
    char **list = malloc((words->count + 1) * sizeof(*list));

    if (list == NULL)
        give_up("out of memory");
    for (size_t i = 0; i < words->count; i++)
        list[i] = words->list[i];
    list[words->count] = NULL;
    return list;
}

/* What no guest can have. */
static void refuse(const char *word)
{
    if (strcmp(word, "-shared") == 0)
        give_up("-shared: a guest is one static image and loads no shared libraries; build the library as an "
                "archive (.a), "
                "for configure scripts with --disable-shared");
    if (strcmp(word, "-m32") == 0 || strcmp(word, "-mx32") == 0 || strcmp(word, "-m16") == 0)
        give_up("%s: guests are 64-bit programs", word);
    if (starts(word, "-fsanitize="))
        give_up("%s: there is no sanitizer runtime for guests; run such tests on the host", word);
    if (strcmp(word, "-pg") == 0 || strcmp(word, "--coverage") == 0 ||
        strcmp(word, "-fprofile-generate") == 0)
        give_up("%s: there is no profiling runtime for guests; run such tests on the host", word);
}

static void refuse_language(const char *language)
{
    if (starts(language, "c++") || starts(language, "objective-c"))
        give_up("-x %s: only C and assembly are supported for guests", language);
}

static void refuse_source(const char *name)
{
    static const char *const suffixes[] = {".cc", ".cp", ".cxx", ".cpp", ".CPP", ".c++",
                                           ".C",  ".ii", ".m",   ".mm",  ".M"};
    const char *dot = strrchr(name, '.');

    if (dot != NULL && is_one_of(dot, suffixes, COUNT(suffixes)))
        give_up("%s: only C and assembly are supported for guests, this looks like another language", name);
}

/* The value of an option that may be joined (-Ldir) or the next word (-L dir). */
static const char *value_of(const char *word, size_t name, int *i, int argc, char **argv)
{
    if (word[name] != '\0')
        return word + name;
    if (*i + 1 >= argc)
        give_up("%s needs a value", word);
    return argv[++*i];
}

static void read_library(struct request *request, const char *name)
{
    if (!is_one_of(name, built_in, COUNT(built_in)))
        addf(&request->passed, "-l%s", name);
}

/* Options that change how the image is linked. Returns whether the word was one and is dealt with. */
static bool read_link_option(struct request *request, const char *word)
{
    if (strcmp(word, "-nostdlib") == 0)
        request->no_start_files = request->no_libraries = true;
    else if (strcmp(word, "-nostartfiles") == 0)
        request->no_start_files = true;
    else if (strcmp(word, "-nodefaultlibs") == 0 || strcmp(word, "-nolibc") == 0)
        request->no_libraries = true;
    else
        return false;
    return true;
}

static void read_option(struct request *request, int *i, int argc, char **argv)
{
    const char *word = argv[*i];

    refuse(word);
    if (is_one_of(word, dropped, COUNT(dropped)) || read_link_option(request, word))
        return;
    if (strcmp(word, "-pthread") == 0 || strcmp(word, "-pthreads") == 0) {
        add(&request->passed, "-D_REENTRANT");
    } else if (starts(word, "-L")) {
        add(&request->library_dirs, value_of(word, 2, i, argc, argv));
    } else if (starts(word, "-l")) {
        read_library(request, value_of(word, 2, i, argc, argv));
    } else if (starts(word, "-x")) {
        const char *language = value_of(word, 2, i, argc, argv);

        refuse_language(language);
        addf(&request->passed, "-x%s", language);
    } else if (starts(word, "-T") && !starts(word, "-Tbss") && !starts(word, "-Tdata") &&
               !starts(word, "-Ttext")) {
        request->own_script = true;
        add(&request->passed, "-T");
        add(&request->passed, value_of(word, 2, i, argc, argv));
    } else if (is_one_of(word, with_value, COUNT(with_value))) {
        add(&request->passed, word);
        add(&request->passed, value_of(word, strlen(word), i, argc, argv));
    } else {
        if (is_one_of(word, no_link, COUNT(no_link)))
            request->mode = MODE_COMPILE;
        if (strcmp(word, "-r") == 0) {
            add(&request->passed, "-nostdlib");
            add(&request->passed, "-no-pie");
        }
        if (starts(word, "-print-") || starts(word, "-dump"))
            request->question = word;
        add(&request->passed, word);
    }
}

void read_arguments(struct request *request, int argc, char **argv)
{
    size_t inputs = 0;

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            inputs += starts(argv[i], "-l");
            read_option(request, &i, argc, argv);
            continue;
        }
        inputs++;
        refuse_source(argv[i]);
        add(&request->passed, argv[i]);
    }
    if (inputs == 0)
        request->mode = MODE_ASK;
}
