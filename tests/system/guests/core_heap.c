/* SPDX-License-Identifier: MIT */
/*
 * The heap that shrinks and grows again keeps what it holds while everything else takes the last frame. It
 * once grew past the frames that the builder has mapped without claiming them; they were then given out a
 * second time.
 *
 * build: -O2
 * run: name=16M memory=16M out="^done: all$"
 * run: name=64M memory=64M out="^done: all$"
 */
#include <stdint.h>
#include <stdio.h>
#include <coracle/mem.h>

#define WORDS (COR_PAGE_SIZE / sizeof(uint64_t))

static int failures;

static void check(int good, const char *name)
{
    printf("%s %s\n", good ? "ok" : "not ok", name);
    failures += !good;
}

static void fill(uint64_t *from, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        from[i * WORDS] = from[i * WORDS + WORDS - 1] = i + 1;
    }
}

static int holds(const uint64_t *from, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        if (from[i * WORDS] != i + 1 || from[i * WORDS + WORDS - 1] != i + 1) {
            return 0;
        }
    }
    return 1;
}

/* Grows the heap page by page, as malloc of small blocks does. NULL if it does not grow in one piece. */
static uint64_t *grow(size_t pages)
{
    char *start = cor_sbrk((ptrdiff_t)COR_PAGE_SIZE);

    for (size_t i = 1; start && i < pages; i++) {
        if (cor_sbrk((ptrdiff_t)COR_PAGE_SIZE) != start + i * COR_PAGE_SIZE) {
            return NULL;
        }
    }
    return (uint64_t *)start;
}

/*
 * All frames but the heap's, as regions of 32 pages, then of one. Written to, so that two owners are
 * noticed.
 */
static size_t take_the_rest(void **chain)
{
    size_t count = 0, size = 32 * COR_PAGE_SIZE;

    for (;;) {
        uint64_t *region = cor_map(size, COR_PROT_READ | COR_PROT_WRITE);

        if (region) {
            region[0] = (uint64_t)*chain;
            region[1] = size;
            region[size / sizeof(uint64_t) - 1] = UINT64_MAX;
            *chain = region;
            count += size / COR_PAGE_SIZE;
        } else if (size > COR_PAGE_SIZE) {
            size = COR_PAGE_SIZE;
        } else {
            return count;
        }
    }
}

static void give_back(void *chain)
{
    while (chain) {
        uint64_t *region = chain;
        chain = (void *)region[0];
        cor_unmap(region, region[1]);
    }
}

/* Grow to `first` pages, down to nothing, up to `second` pages, then want all other memory. */
static void grow_shrink_grow(size_t first, size_t second)
{
    void *chain = NULL;
    uint64_t *heap = grow(first);
    size_t taken;

    printf("# %zu pages, none, %zu pages\n", first, second);
    check(heap != NULL, "the heap grows");
    fill(heap, first);
    check(cor_sbrk(-(ptrdiff_t)(first * COR_PAGE_SIZE)) != NULL, "and shrinks");
    check(grow(second) == heap && heap[0] == 0 && heap[second * WORDS - 1] == 0, "and grows again, zeroed");
    fill(heap, second);
    taken = take_the_rest(&chain);
    check(taken > 100 && holds(heap, second), "what it holds stays while all other frames are taken");
    give_back(chain);
    check(holds(heap, second), "and when they come back");
    cor_sbrk(-(ptrdiff_t)(second * COR_PAGE_SIZE));
}

int main(void)
{
    static const size_t sizes[] = {120, 150, 200, 256, 300};

    printf("# stdio has its buffer\n");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        grow_shrink_grow(sizes[i], sizes[i] + 75);
    }
    if (!failures) {
        printf("done: all\n");
    }
    return failures != 0;
}
