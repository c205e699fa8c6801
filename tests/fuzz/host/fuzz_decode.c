/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's target for emulated instructions: decoded from a buffer without a byte to spare, located,
 * computed and retired. The first byte says how many bytes of the rest there are.
 */
#include <string.h>
#include "hypervisor/pv/store.h"
#include "tests/fuzz/host/fuzz_host.h"

static struct cpu_user_regs some_regs(void)
{
    struct cpu_user_regs regs;
    uint64_t *word = (uint64_t *)&regs;

    for (unsigned i = 0; i < sizeof(regs) / 8; i++) {
        word[i] = 0x0123456789abcdefull * (i + 1);
    }
    return regs;
}

static void use(const struct insn *i)
{
    struct cpu_user_regs regs = some_regs();
    struct store store = {0};

    if (store_locate(i, &regs, &store)) {
        expect(i->size == 1 || i->size == 2 || i->size == 4 || i->size == 8, "a store has a size");
        store.loaded = 0x5555;
        store_compute(i, &regs, 0x1122334455667788ull >> (64 - 8 * i->size), &store);
        store_retire(i, &regs, &store);
    } else if (i->modrm && !i->memory) {
        uint64_t value = insn_reg_read(i, &regs, i->rm, i->size);

        insn_reg_write(i, &regs, i->reg, i->size, value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t code[INSN_BUFFER] = {0}, other[INSN_BUFFER];
    struct insn first, second;
    unsigned n;
    bool good;

    if (size < 1) {
        return 0;
    }
    memcpy(code, data + 1, size - 1 < sizeof(code) ? size - 1 : sizeof(code));
    n = data[0] % (INSN_MAX + 1);
    memset(&first, 0, sizeof(first));
    memset(&second, 0, sizeof(second));
    good = insn_decode(code, n, &first);
    memcpy(other, code, sizeof(other));
    for (unsigned i = n; i < sizeof(other); i++) {
        other[i] = (uint8_t)~other[i];
    }
    expect(insn_decode(other, n, &second) == good, "what lies behind does not count");
    if (good) {
        expect(first.length > 0 && first.length <= n && first.length == second.length, "length");
        expect(first.opcode == second.opcode && first.immediate == second.immediate &&
                   first.displacement == second.displacement,
               "nor in the operands");
        expect(first.base <= REG_NONE && first.index <= REG_NONE && first.reg < REG_NONE &&
                   first.rm < REG_NONE && first.scale <= 3,
               "registers");
        use(&first);
    }
    return 0;
}
