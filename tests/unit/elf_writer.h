/* SPDX-License-Identifier: MIT */
/*
 * Writes small ELF64 images into memory for tests, good ones and, by changing fields afterwards, bad ones.
 * File order: ELF header, program headers, segment data, section data, section names, section headers.
 */
#ifndef TESTS_UNIT_ELF_WRITER_H
#define TESTS_UNIT_ELF_WRITER_H

#include <stdlib.h>
#include <string.h>
#include <xen/elfnote.h>
#include "pvboot/elf.h"

#define ELF_WRITER_MAX 24

struct elf_writer {
    struct pvboot_elf64_ehdr ehdr;
    struct pvboot_elf64_phdr phdr[ELF_WRITER_MAX];
    const void *phdr_data[ELF_WRITER_MAX];
    struct pvboot_elf64_shdr shdr[ELF_WRITER_MAX];
    const void *shdr_data[ELF_WRITER_MAX];
    char names[256];
    size_t names_size;
    unsigned int nr_phdrs, nr_shdrs;
};

/* Notes of a PT_NOTE segment or an SHT_NOTE section. */
struct note_writer {
    uint8_t data[2048];
    size_t size;
};

static inline void elf_writer_init(struct elf_writer *w, uint64_t entry)
{
    memset(w, 0, sizeof(*w));
    memcpy(w->ehdr.e_ident, "\177ELF\2\1\1", 7);
    w->ehdr.e_type = PVBOOT_ET_EXEC;
    w->ehdr.e_machine = PVBOOT_EM_X86_64;
    w->ehdr.e_version = 1;
    w->ehdr.e_entry = entry;
    w->ehdr.e_ehsize = sizeof(struct pvboot_elf64_ehdr);
    w->ehdr.e_phentsize = sizeof(struct pvboot_elf64_phdr);
    w->ehdr.e_shentsize = sizeof(struct pvboot_elf64_shdr);
    w->nr_shdrs = 1; /* section 0 is empty */
    w->names_size = 1;
}

/* Adds a segment; its p_filesz bytes are read from data when the image is finished. */
static inline struct pvboot_elf64_phdr *elf_writer_segment(struct elf_writer *w, uint32_t type, uint64_t addr,
                                                           const void *data, uint64_t file_size,
                                                           uint64_t mem_size)
{
    struct pvboot_elf64_phdr *phdr = &w->phdr[w->nr_phdrs];

    w->phdr_data[w->nr_phdrs++] = data;
    *phdr = (struct pvboot_elf64_phdr){
        .p_type = type,
        .p_flags = 7,
        .p_vaddr = addr,
        .p_paddr = addr,
        .p_filesz = file_size,
        .p_memsz = mem_size,
        .p_align = 1,
    };
    return phdr;
}

static inline struct pvboot_elf64_shdr *elf_writer_section(struct elf_writer *w, const char *name,
                                                           uint32_t type, const void *data, uint64_t size)
{
    struct pvboot_elf64_shdr *shdr = &w->shdr[w->nr_shdrs];

    w->shdr_data[w->nr_shdrs++] = data;
    *shdr = (struct pvboot_elf64_shdr){.sh_name = (uint32_t)w->names_size, .sh_type = type, .sh_size = size};
    strcpy(w->names + w->names_size, name);
    w->names_size += strlen(name) + 1;
    return shdr;
}

/* The finished file, in memory of exactly its size so that the sanitizers see each step beyond it. Caller
 * frees. */
static inline uint8_t *elf_writer_finish(struct elf_writer *w, size_t *size)
{
    size_t at = sizeof(w->ehdr) + w->nr_phdrs * sizeof(w->phdr[0]);
    uint8_t *file;

    w->ehdr.e_phoff = sizeof(w->ehdr);
    w->ehdr.e_phnum = (uint16_t)w->nr_phdrs;
    for (unsigned int i = 0; i < w->nr_phdrs; i++) {
        w->phdr[i].p_offset = at;
        at += w->phdr[i].p_filesz;
    }
    if (w->nr_shdrs > 1) {
        elf_writer_section(w, ".shstrtab", 3, w->names, 0);
        w->shdr[w->nr_shdrs - 1].sh_size = w->names_size;
        w->ehdr.e_shstrndx = (uint16_t)(w->nr_shdrs - 1);
        w->ehdr.e_shnum = (uint16_t)w->nr_shdrs;
    }
    for (unsigned int i = 1; i < w->nr_shdrs; i++) {
        w->shdr[i].sh_offset = at;
        at += w->shdr[i].sh_size;
    }
    w->ehdr.e_shoff = w->ehdr.e_shnum ? at : 0;
    *size = at + w->ehdr.e_shnum * sizeof(w->shdr[0]);

    file = calloc(1, *size);
    memcpy(file, &w->ehdr, sizeof(w->ehdr));
    memcpy(file + sizeof(w->ehdr), w->phdr, w->nr_phdrs * sizeof(w->phdr[0]));
    for (unsigned int i = 0; i < w->nr_phdrs; i++)
        if (w->phdr[i].p_filesz)
            memcpy(file + w->phdr[i].p_offset, w->phdr_data[i], w->phdr[i].p_filesz);
    for (unsigned int i = 1; i < w->nr_shdrs; i++)
        if (w->shdr[i].sh_size)
            memcpy(file + w->shdr[i].sh_offset, w->shdr_data[i], w->shdr[i].sh_size);
    memcpy(file + at, w->shdr, w->ehdr.e_shnum * sizeof(w->shdr[0]));
    return file;
}

static inline void note_writer_add(struct note_writer *w, const char *owner, uint32_t type, const void *desc,
                                   size_t size)
{
    struct pvboot_elf64_nhdr nhdr = {(uint32_t)strlen(owner) + 1, (uint32_t)size, type};

    memcpy(w->data + w->size, &nhdr, sizeof(nhdr));
    w->size += sizeof(nhdr);
    strcpy((char *)w->data + w->size, owner);
    w->size += (nhdr.n_namesz + 3) & ~3u;
    memcpy(w->data + w->size, desc, size);
    w->size += (size + 3) & ~3ul;
}

static inline void note_writer_string(struct note_writer *w, uint32_t type, const char *s)
{
    note_writer_add(w, "Xen", type, s, strlen(s) + 1);
}

static inline void note_writer_quad(struct note_writer *w, uint32_t type, uint64_t value)
{
    note_writer_add(w, "Xen", type, &value, sizeof(value));
}

/* The notes that every loadable image needs. */
static inline void note_writer_basics(struct note_writer *w)
{
    memset(w, 0, sizeof(*w));
    note_writer_string(w, XEN_ELFNOTE_LOADER, "generic");
    note_writer_string(w, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
}

/* A small generator of repeatable random numbers. */
static inline uint64_t test_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (*state >> 33) ^ (*state << 15 >> 20);
}

#endif
