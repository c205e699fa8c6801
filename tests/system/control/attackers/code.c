/* SPDX-License-Identifier: MIT */
/*
 * Code that overwrites itself with every pass: slow on a processor, and far slower still where it is
 * emulated, since all of it is translated anew each time. It makes next to no calls, and does not stop.
 */
#include "tests/system/control/attackers/attack.h"

#define PASSES 1000

/* add %al,(%rbx); dec %ecx; jnz to its beginning; ret */
static const uint8_t code[] = {0x00, 0x03, 0xff, 0xc9, 0x75, 0xfa, 0xc3};

static void use(struct attacker *a)
{
    static uint8_t *pages[MAX_VCPUS];
    unsigned long rax = 0, rcx = PASSES;

    if (!pages[a->id]) {
        pages[a->id] = page_alloc();
        memcpy(pages[a->id], code, sizeof(code));
    }
    __asm__ volatile("call *%%rbx" : "+a"(rax), "+c"(rcx) : "b"(pages[a->id]) : "memory", "cc");
    counted();
}

void attack_code(void)
{
    on_all_vcpus(use);
}
