/* SPDX-License-Identifier: MIT */
/*
 * Why a domain could not be built. Every function of the library that can fail returns one of these codes (0
 * is success) and fills a struct pvboot_error, from which pvboot_error_text makes one sentence for a person.
 */
#ifndef PVBOOT_ERROR_H
#define PVBOOT_ERROR_H

#include <stddef.h>
#include <stdint.h>

enum pvboot_code {
    PVBOOT_OK = 0,

    /* elf.c: the file is no image that this machine can run */
    PVBOOT_ELF_SHORT,         /* shorter than an ELF header */
    PVBOOT_ELF_MAGIC,         /* no ELF magic */
    PVBOOT_ELF_CLASS,         /* not 64-bit */
    PVBOOT_ELF_ENDIAN,        /* not little endian */
    PVBOOT_ELF_MACHINE,       /* not x86-64 */
    PVBOOT_ELF_TYPE,          /* not an executable at fixed addresses */
    PVBOOT_ELF_PHDR_SIZE,     /* program headers of an unknown size */
    PVBOOT_ELF_PHDR_OUTSIDE,  /* program header table reaches beyond the file */
    PVBOOT_ELF_SHDR_SIZE,     /* section headers of an unknown size */
    PVBOOT_ELF_SHDR_OUTSIDE,  /* section header table reaches beyond the file */
    PVBOOT_ELF_NO_LOAD,       /* nothing to load */
    PVBOOT_ELF_MANY_LOADS,    /* more PT_LOAD than PVBOOT_ELF_LOADS */
    PVBOOT_ELF_LOAD_OUTSIDE,  /* a segment's data reach beyond the file */
    PVBOOT_ELF_LOAD_SIZES,    /* p_filesz is greater than p_memsz */
    PVBOOT_ELF_LOAD_WRAPS,    /* a segment's address and size exceed 64 bits */
    PVBOOT_ELF_LOADS_OVERLAP, /* two segments claim the same memory */
    PVBOOT_ELF_NOTES_OUTSIDE, /* a PT_NOTE, SHT_NOTE or __xen_guest reaches beyond the file */

    /* notes.c: an ELF file, but no PV guest that we can start */
    PVBOOT_NOTES_NONE,     /* no Xen notes and no __xen_guest section */
    PVBOOT_NOTES_MANY,     /* an absurd number of notes */
    PVBOOT_NOTES_FEATURE,  /* requires a feature that nobody knows, or one that does not exist here */
    PVBOOT_NOTES_LOADER,   /* neither LOADER=generic nor GUEST_OS=linux */
    PVBOOT_NOTES_VERSION,  /* XEN_VERSION is not xen-3.0 */
    PVBOOT_NOTES_NOT_DOM0, /* SUPPORTED_FEATURES leaves out dom0 */
    PVBOOT_NOTES_OFFSET,   /* PADDR_OFFSET without VIRT_BASE */
    PVBOOT_NOTES_BASE,     /* VIRT_BASE above the image, or not on a page */
    PVBOOT_NOTES_WRAPS,    /* the image's virtual addresses exceed 64 bits */
    PVBOOT_NOTES_ENTRY,    /* entry point in no segment */
    PVBOOT_NOTES_P2M,      /* INIT_P2M inside the image, or not on a page */

    /* layout.c: the image does not fit the domain */
    PVBOOT_LAYOUT_PAGES,     /* no memory at all, or more than the architecture has */
    PVBOOT_LAYOUT_MEMORY,    /* too little memory; values in KiB */
    PVBOOT_LAYOUT_ADDRESS,   /* addresses overlap the hypervisor's or are not canonical */
    PVBOOT_LAYOUT_P2M,       /* INIT_P2M overlaps the initial mapping */
    PVBOOT_LAYOUT_HYPERCALL, /* HYPERCALL_PAGE outside the initial mapping or not on a page */

    /* build.c */
    PVBOOT_BUILD_CMD_LINE,     /* longer than start_info holds */
    PVBOOT_BUILD_CONSOLE_INFO, /* does not fit behind start_info */
    PVBOOT_BUILD_MAP,          /* the user's map operation failed; found is the pfn */

    PVBOOT_NR_CODES
};

/* Filled by the function that fails. What the numbers mean depends on the code. */
struct pvboot_error {
    enum pvboot_code code;
    uint64_t expected;
    uint64_t found;
    char text[32]; /* what the image says, printable characters only, or empty */
};

/* Fills err (may be NULL) and returns code. */
enum pvboot_code pvboot_fail(struct pvboot_error *err, enum pvboot_code code, uint64_t expected,
                             uint64_t found);

/* The same with a string of the image, which may hold anything. */
enum pvboot_code pvboot_fail_text(struct pvboot_error *err, enum pvboot_code code, const char *text);

/*
 * Writes one sentence, without a line end, for err into buf: what was expected, what was found, what to do.
 * Always terminates it; cuts it at size bytes (160 are enough for all). size is at least 1.
 */
void pvboot_error_text(const struct pvboot_error *err, char *buf, size_t size);

#endif
