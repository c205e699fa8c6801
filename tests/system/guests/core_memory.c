/* SPDX-License-Identifier: MIT */
/*
 * Memory of the libOS: the heap and regions down to the last frame, protection, guard pages, and that nothing
 * is lost.
 *
 * build: -O2
 * run: name=16M memory=16M out="^done: all$"
 * run: name=64M memory=64M out="^done: all$"
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coracle/mem.h>
#include <coracle/thread.h>

#define RW (COR_PROT_READ | COR_PROT_WRITE)

static int failures;

static void check(int good, const char *name)
{
    printf("%s %s\n", good ? "ok" : "not ok", name);
    failures += !good;
}

static int is_zero(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i]) {
            return 0;
        }
    }
    return 1;
}

static void image(void)
{
    static char data[10];
    char local;

    check(cor_probe(NULL) == -1, "page 0 is unmapped");
    check(!(cor_probe((void *)image) & COR_PROT_WRITE), "text is not writable");
    check(!(cor_probe("constant") & COR_PROT_WRITE), "constants are not writable");
    check(cor_probe(data) & COR_PROT_WRITE && cor_probe(&local) & COR_PROT_WRITE,
          "data and stack are writable");
}

/* Rights that the initial mapping withholds 2 MiB at a time can still be given to a single page. */
static void single_pages(void)
{
    char *page = aligned_alloc(COR_PAGE_SIZE, 2 * COR_PAGE_SIZE);
    void *text = (void *)((uint64_t)image & ~(COR_PAGE_SIZE - 1));
    int nx = !(cor_probe(page) & COR_PROT_EXEC);

    page[0] = (char)0xc3; /* ret */
    check(cor_protect(page, COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_EXEC) == 0 &&
              cor_probe(page) == (COR_PROT_READ | COR_PROT_EXEC),
          "a heap page becomes code");
    ((void (*)(void))page)();
    check(!nx || !(cor_probe(page + COR_PAGE_SIZE) & COR_PROT_EXEC), "and the next one does not");
    check(cor_protect(page, COR_PAGE_SIZE, RW) == 0 && (cor_probe(page) & RW) == RW, "and data again");
    free(page);
    check(cor_protect(text, COR_PAGE_SIZE, RW | COR_PROT_EXEC) == 0 && cor_probe(text) & COR_PROT_WRITE,
          "a page of text becomes writable");
    check(!(cor_probe((char *)text + COR_PAGE_SIZE) & COR_PROT_WRITE), "and the next one does not");
    *(volatile char *)image = *(volatile char *)image;
    check(cor_protect(text, COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_EXEC) == 0 &&
              !(cor_probe(text) & COR_PROT_WRITE),
          "and read-only again");
}

static void regions(void)
{
    char *first = cor_map(5 * COR_PAGE_SIZE, RW), *second = cor_map(1, RW);

    check(first && second && is_zero(first, 5 * COR_PAGE_SIZE), "a new region reads as zero");
    check(cor_probe(first - 1) == -1 && cor_probe(first + 5 * COR_PAGE_SIZE) == -1 &&
              cor_probe(second - 1) == -1,
          "unmapped pages around a region");
    memset(first, 1, 5 * COR_PAGE_SIZE);
    check(cor_unmap(first + COR_PAGE_SIZE, COR_PAGE_SIZE) == 0 && cor_probe(first + COR_PAGE_SIZE) == -1 &&
              first[2 * COR_PAGE_SIZE] == 1,
          "a hole in a region");
    check(cor_protect(first, COR_PAGE_SIZE, COR_PROT_READ) == 0 && !(cor_probe(first) & COR_PROT_WRITE),
          "read-only");
    check(cor_protect(first, COR_PAGE_SIZE, COR_PROT_NONE) == 0 && cor_probe(first) == -1, "no access");
    check(cor_protect(first, COR_PAGE_SIZE, RW) == 0 && first[0] == 1, "and back, with its content");
    check(cor_protect(first, 5 * COR_PAGE_SIZE, RW) == -ENOMEM, "protection of a range with a hole");
    check(cor_protect(first + 1, 1, RW) == -EINVAL && cor_unmap(first + 1, COR_PAGE_SIZE) == -EINVAL &&
              cor_unmap((void *)COR_PAGE_SIZE, COR_PAGE_SIZE) == -EINVAL,
          "bad ranges");
    check(cor_unmap(first, 5 * COR_PAGE_SIZE) == 0 && cor_unmap(second, COR_PAGE_SIZE) == 0, "unmap");
    check(cor_map(0, RW) == NULL && cor_map(SIZE_MAX, RW) == NULL, "impossible sizes");
}

/* Frames of pages without access were once lost when their region was given back. */
static void unmap_without_access(void)
{
    size_t before;
    void *region = cor_map(8 * COR_PAGE_SIZE, RW);

    cor_unmap(region, 8 * COR_PAGE_SIZE);
    before = cor_pages_free();
    region = cor_map(8 * COR_PAGE_SIZE, COR_PROT_NONE);
    check(region && cor_probe(region) == -1 && cor_pages_free() == before - 8, "a region without access");
    cor_unmap(region, 8 * COR_PAGE_SIZE);
    check(cor_pages_free() == before, "gives its frames back");
}

static void *wait_a_little(void *unused)
{
    return unused;
}

/* Everything there is, as regions of 64 KiB; out of memory must be an answer, also for threads and malloc. */
static void exhaust(void)
{
    struct chain {
        struct chain *next;
    } *chain = NULL, *block;
    size_t count = 0, freed = 0, before = cor_pages_free();
    struct cor_thread *thread;

    while ((block = cor_map(64 << 10, RW)) != NULL) {
        block->next = chain;
        chain = block;
        count++;
    }
    check(count * 16 + 32 + count / 16 >= before, "nearly every free frame can be had");
    check(cor_thread_create(&thread, NULL, wait_a_little, NULL) == -ENOMEM, "no memory for a thread");
    errno = 0;
    block = malloc(8 << 20);
    check(block == NULL && errno == ENOMEM, "malloc fails with ENOMEM");
    free(block);
    while (chain) {
        block = chain;
        chain = block->next;
        cor_unmap(block, 64 << 10);
        freed++;
    }
    check(freed == count && cor_pages_free() + 16 + before / 256 >= before, "all of it comes back");
    count = cor_pages_free();
    block = cor_map(64 << 10, RW);
    check(block && is_zero((char *)block, 64 << 10),
          "used frames read as zero when they are given out again");
    cor_unmap(block, 64 << 10);
    check(cor_pages_free() == count, "and no frame is lost");
}

static void heap(void)
{
    size_t size = 1 << 20, total = 0;
    char *blocks[128];
    int count = 0, good = 1;

    while (count < 128 && (blocks[count] = malloc(size)) != NULL) {
        memset(blocks[count], count + 1, size);
        total += size;
        count++;
    }
    check(count == 128 || total / COR_PAGE_SIZE > cor_pages_total() / 2, "malloc reaches most of the memory");
    for (int i = 0; i < count; i++) {
        good = good && blocks[i][0] == (char)(i + 1) && blocks[i][size - 1] == (char)(i + 1);
        free(blocks[i]);
    }
    check(good, "blocks keep their content");
    char *again = calloc(1, 3 << 20);
    check(again && is_zero(again, 3 << 20), "calloc after use reads as zero");
    free(again);
    check(cor_pages_free() > cor_pages_total() / 2, "the heap gives memory back");
}

int main(void)
{
    image();
    single_pages();
    regions();
    unmap_without_access();
    exhaust();
    heap();
    exhaust();
    if (!failures) {
        printf("done: all\n");
    }
    return failures != 0;
}
