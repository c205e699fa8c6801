/* SPDX-License-Identifier: MIT */
/*
 * A PV guest that nobody here wrote, as an ordinary domain: it boots, and talks and listens on a PV console.
 */
#include "tests/system/control/scenarios.h"

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
