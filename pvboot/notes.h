/* SPDX-License-Identifier: MIT */
/*
 * What an image says about itself to a PV domain builder: the Xen ELF notes (xen/elfnote.h) or, in images
 * older than those, the string in the section __xen_guest. Defaults and checks are stock Xen 4.17's.
 *
 * Where notes are looked for: PT_NOTE segments; if those hold no Xen note, SHT_NOTE sections; if those hold
 * none either, __xen_guest.
 */
#ifndef PVBOOT_NOTES_H
#define PVBOOT_NOTES_H

#include "pvboot/elf.h"
#include "pvboot/abi.h"
#include <xen/features.h>

/* The value of an address that the image does not give. */
#define PVBOOT_UNSET UINT64_MAX

enum pvboot_notes_source {
    PVBOOT_NOTES_FROM_SEGMENT,
    PVBOOT_NOTES_FROM_SECTION,
    PVBOOT_NOTES_FROM_GUEST_STRING,
};

struct pvboot_notes {
    enum pvboot_notes_source source;

    /* Strings: empty if not given, cut if longer. */
    char guest_os[16], guest_version[16], xen_version[16], loader[16];

    /* Addresses, after defaulting. p2m_base, hypercall_page and hv_start_low may be PVBOOT_UNSET. */
    uint64_t virt_base;      /* where pseudo-physical address 0 appears; page-aligned */
    uint64_t entry;          /* first instruction, inside a segment */
    uint64_t paddr_offset;   /* p_paddr of pseudo-physical address 0 */
    uint64_t hypercall_page; /* virtual address */
    uint64_t p2m_base;       /* INIT_P2M; page-aligned */
    uint64_t hv_start_low;   /* only said by 32-bit guests; kept for completeness */

    /* The image in virtual memory, not rounded: [kernel_start, kernel_end). */
    uint64_t kernel_start, kernel_end;

    bool pae;                    /* PAE_MODE given: the magic of start_info ends with "p", as on stock Xen */
    bool unmapped_initrd;        /* MOD_START_PFN: the initrd need not be mapped */
    bool bsd_symtab;             /* asks for its symbol table; we load none, which such guests tolerate */
    bool suspend_cancel;         /* may be resumed where it asked for suspend */
    bool has_supported_features; /* SUPPORTED_FEATURES was given, so XENFEAT_dom0 decides about domain 0 */
    uint32_t supported[XENFEAT_NR_SUBMAPS], required[XENFEAT_NR_SUBMAPS]; /* bits XENFEAT_* */
};

/*
 * Reads and checks the notes of a vetted image. PVBOOT_OK, or a PVBOOT_NOTES_ or PVBOOT_ELF_NOTES_OUTSIDE
 * code with *err filled. initial: the image is to be the initial domain. Work is bounded by the size of the
 * file.
 */
enum pvboot_code pvboot_notes_parse(struct pvboot_notes *notes, const struct pvboot_elf *elf, bool initial,
                                    struct pvboot_error *err);

#endif
