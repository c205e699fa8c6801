/* SPDX-License-Identifier: MIT */
/*
 * Vetting an ELF image. Order matters: each step relies only on what the steps before it have shown to be
 * inside the file. Headers are copied out before use, because a hostile file may place them at any alignment.
 */
#include "pvboot/elf.h"

static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};

const uint8_t *pvboot_elf_bytes(const struct pvboot_elf *elf, uint64_t offset, uint64_t size)
{
    if (offset > elf->size || size > elf->size - offset)
        return NULL;
    return elf->data + offset;
}

void pvboot_elf_phdr(const struct pvboot_elf *elf, unsigned int i, struct pvboot_elf64_phdr *phdr)
{
    memcpy(phdr, elf->data + elf->ehdr.e_phoff + (uint64_t)i * sizeof(*phdr), sizeof(*phdr));
}

void pvboot_elf_shdr(const struct pvboot_elf *elf, unsigned int i, struct pvboot_elf64_shdr *shdr)
{
    memcpy(shdr, elf->data + elf->ehdr.e_shoff + (uint64_t)i * sizeof(*shdr), sizeof(*shdr));
}

/* The identification bytes and everything else that names the kind of file. */
static enum pvboot_code check_kind(const struct pvboot_elf64_ehdr *ehdr, struct pvboot_error *err)
{
    uint32_t first;

    memcpy(&first, ehdr->e_ident, sizeof(first));
    if (memcmp(ehdr->e_ident, magic, sizeof(magic)) != 0)
        return pvboot_fail(err, PVBOOT_ELF_MAGIC, 0, __builtin_bswap32(first));
    if (ehdr->e_ident[4] != PVBOOT_ELFCLASS64)
        return pvboot_fail(err, PVBOOT_ELF_CLASS, PVBOOT_ELFCLASS64, ehdr->e_ident[4]);
    if (ehdr->e_ident[5] != PVBOOT_ELFDATA2LSB)
        return pvboot_fail(err, PVBOOT_ELF_ENDIAN, PVBOOT_ELFDATA2LSB, ehdr->e_ident[5]);
    if (ehdr->e_machine != PVBOOT_EM_X86_64)
        return pvboot_fail(err, PVBOOT_ELF_MACHINE, PVBOOT_EM_X86_64, ehdr->e_machine);
    if (ehdr->e_type != PVBOOT_ET_EXEC)
        return pvboot_fail(err, PVBOOT_ELF_TYPE, PVBOOT_ET_EXEC, ehdr->e_type);
    return PVBOOT_OK;
}

/* The two tables of headers lie inside the file. */
static enum pvboot_code check_tables(const struct pvboot_elf *elf, struct pvboot_error *err)
{
    const struct pvboot_elf64_ehdr *ehdr = &elf->ehdr;
    uint64_t size;

    if (ehdr->e_phnum == 0)
        return pvboot_fail(err, PVBOOT_ELF_NO_LOAD, 1, 0);
    if (ehdr->e_phentsize != sizeof(struct pvboot_elf64_phdr))
        return pvboot_fail(err, PVBOOT_ELF_PHDR_SIZE, sizeof(struct pvboot_elf64_phdr), ehdr->e_phentsize);
    size = (uint64_t)ehdr->e_phnum * sizeof(struct pvboot_elf64_phdr);
    if (!pvboot_elf_bytes(elf, ehdr->e_phoff, size))
        return pvboot_fail(err, PVBOOT_ELF_PHDR_OUTSIDE, ehdr->e_phoff + size, elf->size);

    if (ehdr->e_shnum == 0)
        return PVBOOT_OK;
    if (ehdr->e_shentsize != sizeof(struct pvboot_elf64_shdr))
        return pvboot_fail(err, PVBOOT_ELF_SHDR_SIZE, sizeof(struct pvboot_elf64_shdr), ehdr->e_shentsize);
    size = (uint64_t)ehdr->e_shnum * sizeof(struct pvboot_elf64_shdr);
    if (!pvboot_elf_bytes(elf, ehdr->e_shoff, size))
        return pvboot_fail(err, PVBOOT_ELF_SHDR_OUTSIDE, ehdr->e_shoff + size, elf->size);
    return PVBOOT_OK;
}

static enum pvboot_code check_load(const struct pvboot_elf *elf, const struct pvboot_elf64_phdr *phdr,
                                   struct pvboot_error *err)
{
    if (!pvboot_elf_bytes(elf, phdr->p_offset, phdr->p_filesz))
        return pvboot_fail(err, PVBOOT_ELF_LOAD_OUTSIDE, phdr->p_offset + phdr->p_filesz, elf->size);
    if (phdr->p_filesz > phdr->p_memsz)
        return pvboot_fail(err, PVBOOT_ELF_LOAD_SIZES, phdr->p_memsz, phdr->p_filesz);
    if (phdr->p_paddr + phdr->p_memsz < phdr->p_paddr)
        return pvboot_fail(err, PVBOOT_ELF_LOAD_WRAPS, phdr->p_paddr, phdr->p_memsz);
    if (phdr->p_vaddr + phdr->p_memsz < phdr->p_vaddr)
        return pvboot_fail(err, PVBOOT_ELF_LOAD_WRAPS, phdr->p_vaddr, phdr->p_memsz);
    return PVBOOT_OK;
}

/* No two segments share a byte of memory, or their order in the file would decide what the guest sees. */
static enum pvboot_code check_overlap(const struct pvboot_elf *elf, const struct pvboot_elf64_phdr *phdr,
                                      struct pvboot_error *err)
{
    for (unsigned int i = 0; i < elf->nr_loads; i++) {
        const struct pvboot_elf_load *other = &elf->load[i];

        if (phdr->p_paddr < other->paddr + other->size && other->paddr < phdr->p_paddr + phdr->p_memsz)
            return pvboot_fail(err, PVBOOT_ELF_LOADS_OVERLAP, other->paddr + other->size, phdr->p_paddr);
    }
    return PVBOOT_OK;
}

static enum pvboot_code add_load(struct pvboot_elf *elf, const struct pvboot_elf64_phdr *phdr,
                                 struct pvboot_error *err)
{
    enum pvboot_code rc = check_load(elf, phdr, err);

    if (rc == PVBOOT_OK)
        rc = check_overlap(elf, phdr, err);
    if (rc != PVBOOT_OK)
        return rc;
    if (elf->nr_loads == PVBOOT_ELF_LOADS)
        return pvboot_fail(err, PVBOOT_ELF_MANY_LOADS, PVBOOT_ELF_LOADS, PVBOOT_ELF_LOADS + 1);

    elf->load[elf->nr_loads++] = (struct pvboot_elf_load){
        .offset = phdr->p_offset,
        .file_size = phdr->p_filesz,
        .paddr = phdr->p_paddr,
        .size = phdr->p_memsz,
    };
    if (phdr->p_paddr < elf->paddr_start)
        elf->paddr_start = phdr->p_paddr;
    if (phdr->p_paddr + phdr->p_memsz > elf->paddr_end)
        elf->paddr_end = phdr->p_paddr + phdr->p_memsz;
    return PVBOOT_OK;
}

enum pvboot_code pvboot_elf_parse(struct pvboot_elf *elf, const void *data, size_t size,
                                  struct pvboot_error *err)
{
    enum pvboot_code rc;

    elf->data = data;
    elf->size = size;
    elf->nr_loads = 0;
    elf->paddr_start = UINT64_MAX;
    elf->paddr_end = 0;

    if (size < sizeof(elf->ehdr))
        return pvboot_fail(err, PVBOOT_ELF_SHORT, sizeof(elf->ehdr), size);
    memcpy(&elf->ehdr, data, sizeof(elf->ehdr));
    rc = check_kind(&elf->ehdr, err);
    if (rc == PVBOOT_OK)
        rc = check_tables(elf, err);

    for (unsigned int i = 0; rc == PVBOOT_OK && i < elf->ehdr.e_phnum; i++) {
        struct pvboot_elf64_phdr phdr;

        pvboot_elf_phdr(elf, i, &phdr);
        /* A segment that nobody may read, write or execute is not loaded: Xen's rule. */
        if (phdr.p_type == PVBOOT_PT_LOAD && (phdr.p_flags & PVBOOT_PF_RWX) && phdr.p_memsz)
            rc = add_load(elf, &phdr, err);
    }
    if (rc == PVBOOT_OK && elf->nr_loads == 0)
        rc = pvboot_fail(err, PVBOOT_ELF_NO_LOAD, 1, 0);
    return rc;
}

int pvboot_elf_section(const struct pvboot_elf *elf, const char *name, struct pvboot_elf64_shdr *shdr)
{
    struct pvboot_elf64_shdr names;
    size_t name_size = strlen(name) + 1;
    const uint8_t *bytes;

    if (elf->ehdr.e_shstrndx >= elf->ehdr.e_shnum)
        return 0;
    pvboot_elf_shdr(elf, elf->ehdr.e_shstrndx, &names);
    if (names.sh_type == PVBOOT_SHT_NOBITS)
        return 0;
    bytes = pvboot_elf_bytes(elf, names.sh_offset, names.sh_size);
    if (!bytes)
        return 0;

    for (unsigned int i = 1; i < elf->ehdr.e_shnum; i++) {
        pvboot_elf_shdr(elf, i, shdr);
        if (shdr->sh_name < names.sh_size && name_size <= names.sh_size - shdr->sh_name &&
            memcmp(bytes + shdr->sh_name, name, name_size) == 0)
            return 1;
    }
    return 0;
}
