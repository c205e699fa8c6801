/* SPDX-License-Identifier: MIT */
/*
 * An ELF64 image for x86-64, in memory, read with suspicion: nothing that is reached through a vetted struct
 * pvboot_elf lies outside the file. Source of the format: System V ABI, generic ELF-64 and the AMD64
 * supplement.
 *
 * As Xen does, the loader goes by physical addresses (p_paddr); p_vaddr is checked for sanity only.
 */
#ifndef PVBOOT_ELF_H
#define PVBOOT_ELF_H

#include "pvboot/env.h"
#include "pvboot/error.h"

struct pvboot_elf64_ehdr {
    uint8_t e_ident[16];
    uint16_t e_type, e_machine;
    uint32_t e_version;
    uint64_t e_entry, e_phoff, e_shoff;
    uint32_t e_flags;
    uint16_t e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
};

struct pvboot_elf64_phdr {
    uint32_t p_type, p_flags;
    uint64_t p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
};

struct pvboot_elf64_shdr {
    uint32_t sh_name, sh_type;
    uint64_t sh_flags, sh_addr, sh_offset, sh_size;
    uint32_t sh_link, sh_info;
    uint64_t sh_addralign, sh_entsize;
};

struct pvboot_elf64_nhdr {
    uint32_t n_namesz, n_descsz, n_type;
};

_Static_assert(sizeof(struct pvboot_elf64_ehdr) == 64, "ELF-64 header");
_Static_assert(sizeof(struct pvboot_elf64_phdr) == 56, "ELF-64 program header");
_Static_assert(sizeof(struct pvboot_elf64_shdr) == 64, "ELF-64 section header");
_Static_assert(sizeof(struct pvboot_elf64_nhdr) == 12, "ELF note header");

#define PVBOOT_ELFCLASS64  2
#define PVBOOT_ELFDATA2LSB 1
#define PVBOOT_ET_EXEC     2
#define PVBOOT_EM_X86_64   62
#define PVBOOT_PT_LOAD     1
#define PVBOOT_PT_NOTE     4
#define PVBOOT_PF_RWX      7
#define PVBOOT_SHT_NOTE    7
#define PVBOOT_SHT_NOBITS  8

/* More loadable segments than any real image has; bounds the work on a hostile one. */
#define PVBOOT_ELF_LOADS 16

/* One loadable segment: size bytes of memory at paddr, the first file_size of them from the file, the rest
 * zero. */
struct pvboot_elf_load {
    uint64_t offset, file_size;
    uint64_t paddr, size;
};

/* A vetted image. Refers to the caller's memory, which must stay until the last use. */
struct pvboot_elf {
    const uint8_t *data;
    size_t size;
    struct pvboot_elf64_ehdr ehdr;
    unsigned int nr_loads;
    struct pvboot_elf_load load[PVBOOT_ELF_LOADS];
    uint64_t paddr_start, paddr_end; /* smallest range that holds all loads */
};

/*
 * Parses and vets size bytes at data. PVBOOT_OK, or a PVBOOT_ELF_ code with *err filled (err may be NULL);
 * *elf is then unspecified. Work is bounded by the number of program headers.
 */
enum pvboot_code pvboot_elf_parse(struct pvboot_elf *elf, const void *data, size_t size,
                                  struct pvboot_error *err);

/* Copies program header i (i < ehdr.e_phnum), which the parser found to be inside the file. */
void pvboot_elf_phdr(const struct pvboot_elf *elf, unsigned int i, struct pvboot_elf64_phdr *phdr);

/* Copies section header i (i < ehdr.e_shnum). */
void pvboot_elf_shdr(const struct pvboot_elf *elf, unsigned int i, struct pvboot_elf64_shdr *shdr);

/* The file's bytes [offset, offset + size), or NULL if they reach beyond the file. */
const uint8_t *pvboot_elf_bytes(const struct pvboot_elf *elf, uint64_t offset, uint64_t size);

/*
 * Finds the section called name. Returns 1 and fills *shdr, or 0 if there is none (also when the table of
 * names is damaged: then nothing has a name).
 */
int pvboot_elf_section(const struct pvboot_elf *elf, const char *name, struct pvboot_elf64_shdr *shdr);

#endif
