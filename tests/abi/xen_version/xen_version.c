/* SPDX-License-Identifier: MIT */
/* xen_version: what a kernel asks first. */
#include "tests/abi/lib/test.h"

static bool ends(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == 0) {
            return true;
        }
    }
    return false;
}

static void version(void)
{
    long v = hcall(xen_version, XENVER_version, NULL);

    check_eq(v >> 16, 4, "major");
    check_eq(v & 0xffff, 17, "minor");
    check_eq(hcall(xen_version, XENVER_version, 0xdeadul << 48), v,
             "the argument of version is not looked at");
}

static void strings(void)
{
    static xen_extraversion_t extra;
    static xen_capabilities_info_t caps;
    static xen_changeset_info_t changeset;
    static xen_commandline_t line;
    static struct xen_compile_info compile;
    static xen_build_id_t build_id;

    memset(extra, 0xff, sizeof(extra));
    memset(caps, 0xff, sizeof(caps));
    memset(line, 0xff, sizeof(line));
    check_eq(hcall(xen_version, XENVER_extraversion, extra), 0, "extraversion");
    check(ends(extra, sizeof(extra)), "extraversion ends with a zero");
    check_eq(hcall(xen_version, XENVER_capabilities, caps), 0, "capabilities");
    check(strncmp(caps, "xen-3.0-x86_64 ", 15) == 0, "capabilities name the PV ABI");
    check(ends(caps, sizeof(caps)), "capabilities end with a zero");
    check_eq(hcall(xen_version, XENVER_changeset, changeset), 0, "changeset");
    check_eq(hcall(xen_version, XENVER_commandline, line), 0, "commandline");
    check(strncmp(line, "com1=115200,8n1", 15) == 0, "commandline is the hypervisor's");
    check(ends(line, sizeof(line)), "commandline ends with a zero");
    check_eq(hcall(xen_version, XENVER_compile_info, &compile), 0, "compile_info");
    check(ends(compile.compiler, sizeof(compile.compiler)), "compiler ends with a zero");
    memset(&build_id, 0, sizeof(build_id));
    check(hcall(xen_version, XENVER_build_id, &build_id) >= -XEN_ENODATA, "build_id answers");
}

static void parameters(void)
{
    struct xen_platform_parameters platform = {0};
    static xen_domain_handle_t handle;

    check_eq(hcall(xen_version, XENVER_platform_parameters, &platform), 0, "platform_parameters");
    check(platform.virt_start == HYPERVISOR_VIRT_START, "virt_start is the start of the hypervisor's area");
    check_eq(hcall(xen_version, XENVER_pagesize, NULL), 4096, "pagesize");
    memset(handle, 0xff, sizeof(handle));
    check_eq(hcall(xen_version, XENVER_guest_handle, &handle), 0, "guest_handle");
    observe(handle[0] | handle[15], "handle of the initial domain");
}

static void features(void)
{
    for (unsigned submap = 0; submap < 3; submap++) {
        struct xen_feature_info info = {.submap_idx = submap, .submap = 0xffffffff};

        observe(hcall(xen_version, XENVER_get_features, &info), "submap %u", submap);
        observe(info.submap, "features %u", submap);
    }
}

static void odd(void)
{
    static const int reserved[] = {3 + 100, 11, 12, 13, 255, -1, 0x7fffffff};

    for (unsigned i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        observe(hcall(xen_version, reserved[i], NULL), "command %d", reserved[i]);
    }
    for (unsigned cmd = 0; cmd <= 9; cmd++) { /* not build_id: a hypervisor may have none */
        observe(hcall(xen_version, cmd, NULL) < 0, "command %u fails without a buffer", cmd);
        observe(hcall(xen_version, cmd, 0x10000) < 0, "command %u fails with an unmapped buffer", cmd);
    }
    check_eq(hcall(xen_version, XENVER_extraversion, 0x10000), -XEN_EFAULT, "unmapped buffer");
    check_eq(hcall(xen_version, XENVER_extraversion, HYPERVISOR_VIRT_START), -XEN_EFAULT,
             "hypervisor's buffer");
    check_eq(hcall(xen_version, XENVER_extraversion, 1ul << 62), -XEN_EFAULT, "non-canonical buffer");
    check_eq(hcall(xen_version, XENVER_get_features, 0x10000), -XEN_EFAULT, "features in an unmapped buffer");
}

const struct test_case test_cases[] = {
    {"version", version, false},   {"strings", strings, false}, {"parameters", parameters, false},
    {"features", features, false}, {"odd", odd, false},         {0},
};
