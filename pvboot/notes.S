/* SPDX-License-Identifier: MIT */
/*
 * The Xen notes of every image that is built here: what a domain builder (stock Xen's dom0 builder,
 * libxenguest, or Coracle's own) reads before it lays out the domain. Source: xen/elfnote.h.
 *
 * Decisions:
 *  - VIRT_BASE is __virt_base (guest.ld, 0x400000): pseudo-physical frame 0 appears there and page 0 stays
 *    unmapped. The linker writes p_paddr = p_vaddr, so PADDR_OFFSET is the same number.
 *  - No MOD_START_PFN: the initrd is mapped behind the image. Its page tables cost the builder one 8-byte
 *    entry for each page, and the guest reads it through mod_start with no mapping code of its own.
 *  - No INIT_P2M: the frame list lies in the initial mapping. The builder has to write it in any case, and
 *    the guest finds it by start_info.mfn_list at once.
 *  - No HV_START_LOW: 64-bit builders ignore it.
 *  - SUPPORTED_FEATURES must contain XENFEAT_dom0, or stock Xen refuses to start the image as domain 0.
 */
#include <xen/elfnote.h>
#include <xen/features.h>

.macro note type
        .pushsection .note.Xen, "a", @note
        .balign 4
        .long 4, 2f - 1f, \type         /* name size with its zero, descriptor size, type */
        .asciz "Xen"
1:
.endm

.macro end_note
2:
        .balign 4
        .popsection
.endm

.macro note_string type, text
        note \type
        .asciz "\text"
        end_note
.endm

.macro note_quad type, value
        note \type
        .quad \value
        end_note
.endm

        note_string XEN_ELFNOTE_GUEST_OS, "coracle"
        note_string XEN_ELFNOTE_LOADER, "generic"
        note_string XEN_ELFNOTE_XEN_VERSION, "xen-3.0"
        note_string XEN_ELFNOTE_PAE_MODE, "yes"
        note_string XEN_ELFNOTE_FEATURES, "pae_pgdir_above_4gb"
        note_quad XEN_ELFNOTE_SUPPORTED_FEATURES, (1 << XENFEAT_pae_pgdir_above_4gb) | (1 << XENFEAT_dom0)
        note_quad XEN_ELFNOTE_VIRT_BASE, __virt_base
        note_quad XEN_ELFNOTE_PADDR_OFFSET, __virt_base
        note_quad XEN_ELFNOTE_ENTRY, _start
        note_quad XEN_ELFNOTE_HYPERCALL_PAGE, hypercall_page

        .section .note.GNU-stack, "", @progbits
