/* SPDX-License-Identifier: MIT */
/* PV guests that nobody here wrote, as ordinary domains: they boot, and talk and listen on a PV console. */
#include "tests/system/control/scenarios.h"
#include "pvboot/abi.h"
#include <xen/sched.h>

/* Debian's PV-GRUB: reads the configuration in its memory disk, comes to its prompt, obeys keys, ends. */
void scenario_grub(void)
{
    struct domain_config config = simple("grub", "grub", 65536, NULL);

    if (!create(&config) || !CHECK(wait_output("grub", "grub> ", PATIENCE))) {
        show_output("grub");
        return;
    }
    CHECK(has_output("grub", "grub.cfg  620B  100%"));
    CHECK(has_output("grub", "GNU GRUB  version 2.06"));
    type("grub", "echo what is $grub_platform\r");
    if (!CHECK(wait_output("grub", "what is xen", PATIENCE))) {
        show_output("grub");
    }
    type("grub", "ls\r");
    CHECK(wait_output("grub", "(memdisk)", PATIENCE));
    type("grub", "halt\r");
    CHECK(wait_gone("grub", PATIENCE));
}

/* Debian's Linux with a PV console, and user processes on two processors. */
void scenario_linux(void)
{
    struct domain_config config = simple("linux", "linux", 256 * 1024, "console=hvc0 quiet");
    struct domain_end end;

    config.ramdisk = (char *)"initramfs";
    config.vcpus = 2;
    if (!create(&config) ||
        !CHECK(wait_output("linux", "init: runs on Linux with 2 processors in xen", PATIENCE))) {
        show_output("linux");
        return;
    }
    type("linux", "you there\n");
    CHECK(wait_output("linux", "init: heard you there", PATIENCE));
    type("linux", "poweroff\n");
    CHECK(wait_gone("linux", PATIENCE));
    CHECK(domain_last_end("linux", &end) && end.reason == SHUTDOWN_poweroff);
}
