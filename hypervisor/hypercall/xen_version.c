/* SPDX-License-Identifier: MIT */
/*
 * __HYPERVISOR_xen_version (version.h, features.h). Coracle says that it is Xen 4.17, whose behaviour it
 * keeps to, and names itself in the text fields. What stock Xen hides from unprivileged domains is hidden
 * here, too.
 */
#include "pvboot/abi.h"
#include <xen/features.h>
#include <xen/version.h>
#include "hypervisor/include/domain.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/string.h"

#define VERSION_MAJOR   4
#define VERSION_MINOR   17
#define COMMANDLINE_MAX 1024
#define DENIED          "<denied>"

#define FEATURE(name) (1u << XENFEAT_##name)

/* Copies a text into a field of n bytes, ended and filled up with zeros. */
static void set_text(char *field, size_t n, const char *text)
{
    size_t length = strlen(text);

    memset(field, 0, n);
    memcpy(field, text, MIN(length, n - 1));
}

static long give(unsigned long arg, const void *what, size_t n)
{
    return copy_to_guest(gva(arg), what, n) ? -EFAULT : 0;
}

static long give_text(unsigned long arg, size_t n, const char *text)
{
    char field[COMMANDLINE_MAX];

    set_text(field, n, text);
    return give(arg, field, n);
}

static long compile_info(unsigned long arg)
{
    struct xen_compile_info info;

    set_text(info.compiler, sizeof(info.compiler), "gcc " __VERSION__);
    set_text(info.compile_by, sizeof(info.compile_by), "coracle");
    set_text(info.compile_domain, sizeof(info.compile_domain), "");
    set_text(info.compile_date, sizeof(info.compile_date), "");
    return give(arg, &info, sizeof(info));
}

static long features(unsigned long arg)
{
    const struct domain *d = current_domain();
    struct xen_feature_info info;

    if (copy_from_guest(&info, gva(arg), sizeof(info))) {
        return -EFAULT;
    }
    if (info.submap_idx != 0) {
        return -EINVAL;
    }
    info.submap = FEATURE(memory_op_vnode_supported) | FEATURE(mmu_pt_update_preserve_ad) |
                  FEATURE(highmem_assist) | FEATURE(gnttab_map_avail_bits) | FEATURE(direct_mapped);
    if (d->vm_assist & 1ul << VMASST_TYPE_pae_extended_cr3) {
        info.submap |= FEATURE(pae_pgdir_above_4gb);
    }
    if (d->privileged) {
        info.submap |= FEATURE(dom0);
    }
    return give(arg, &info, sizeof(info));
}

/* The linker's note (hypervisor.ld): three words of sizes and type, the name "GNU", the id. */
#define NOTE_HEAD 16
extern const char __build_id_start[], __build_id_end[];

/* The id's length; with an argument the id itself, too. */
static long build_id(unsigned long arg, bool denied)
{
    size_t size = (size_t)(__build_id_end - __build_id_start);
    struct xen_build_id id;

    if (denied) {
        return -EPERM;
    }
    if (arg) {
        if (copy_from_guest(&id, gva(arg), sizeof(id))) {
            return -EFAULT;
        }
        if (!id.len) {
            return -EINVAL;
        }
    }
    if (size <= NOTE_HEAD) {
        return -ENODATA;
    }
    size -= NOTE_HEAD;
    if (!arg) {
        return (long)size;
    }
    if (size > id.len) {
        return -ENOBUFS;
    }
    return copy_to_guest(gva(arg + offsetof(struct xen_build_id, buf)), __build_id_start + NOTE_HEAD, size)
               ? -EFAULT
               : (long)size;
}

/* All but the version itself: apart, so that the null call of every guest stays free of their stack frame. */
static __attribute__((noinline)) long answer(unsigned long cmd, unsigned long arg)
{
    bool denied = !current_domain()->privileged;
    struct xen_platform_parameters parameters = {.virt_start = HYPERVISOR_VIRT_START};

    switch ((unsigned)cmd) {
    case XENVER_extraversion:
        return give_text(arg, sizeof(xen_extraversion_t), ".coracle");
    case XENVER_compile_info:
        return compile_info(arg);
    case XENVER_capabilities:
        return give_text(arg, sizeof(xen_capabilities_info_t), "xen-3.0-x86_64 ");
    case XENVER_changeset:
        return give_text(arg, sizeof(xen_changeset_info_t), "coracle");
    case XENVER_platform_parameters:
        return give(arg, &parameters, sizeof(parameters));
    case XENVER_get_features:
        return features(arg);
    case XENVER_pagesize:
        return arg ? -EINVAL : (long)PAGE_SIZE;
    case XENVER_guest_handle:
        return give(arg, current_domain()->handle, sizeof(xen_domain_handle_t));
    case XENVER_commandline:
        if (denied) {
            return give(arg, DENIED, sizeof(DENIED));
        }
        return give_text(arg, COMMANDLINE_MAX, boot_info.cmdline ? boot_info.cmdline : "");
    case XENVER_build_id:
        return build_id(arg, denied);
    default:
        return -ENOSYS;
    }
}

long do_xen_version(unsigned long cmd, unsigned long arg)
{
    return likely((unsigned)cmd == XENVER_version) ? VERSION_MAJOR << 16 | VERSION_MINOR : answer(cmd, arg);
}
