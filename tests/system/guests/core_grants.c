/* SPDX-License-Identifier: MIT */
/*
 * The grant table of the libOS: granting a page, taking it back, and many
 * grants at once.
 *
 * build: -O2
 * run: out="^done: all$"
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <coracle/grant.h>
#include <coracle/mem.h>

#define SELF 0x7ff0u /* DOMID_SELF */
#define MANY 1500
#define RW   (COR_PROT_READ | COR_PROT_WRITE)

static int failures;

static void check(int good, const char *name)
{
    printf("%s %s\n", good ? "ok" : "not ok", name);
    failures += !good;
}

int main(void)
{
    static cor_gref grefs[MANY];
    char *page = cor_map(COR_PAGE_SIZE, RW);
    int64_t gref = cor_grant_access(0, page, true);
    int good = 1;

    check(gref >= 8, "a grant gets a reference outside the reserved ones");
    check(cor_grant_revoke((cor_gref)gref) == 0, "and can be taken back");
    check(cor_grant_access(0, (void *)0x1000, true) == -EFAULT, "nothing is mapped there");
    check(cor_grant_revoke(3) == -EINVAL, "reserved references are not ours");
    for (int i = 0; i < MANY; i++) {
        gref = cor_grant_access(SELF, page, false);
        good = good && gref > 0;
        grefs[i] = (cor_gref)gref;
    }
    check(good, "many grants at once");
    for (int i = 0; i < MANY; i++) {
        for (int j = 0; good && j < i; j += 97) {
            good = grefs[i] != grefs[j];
        }
        good = cor_grant_revoke(grefs[i]) == 0 && good;
    }
    check(good, "all different, all taken back");
    if (!failures) {
        printf("done: all\n");
    }
    return failures != 0;
}
