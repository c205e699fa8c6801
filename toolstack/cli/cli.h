/* SPDX-License-Identifier: MIT */
/* The tool's verbs. Each gets its own argument vector (argv[0] is "coracle VERB") and returns an exit code.
 */
#ifndef TOOLSTACK_CLI_CLI_H
#define TOOLSTACK_CLI_CLI_H

/* `coracle build`: calls coracle-cc. */
int verb_build(int argc, char **argv);

/* `coracle run`: boots an image in QEMU. Returns the program's own exit status. */
int verb_run(int argc, char **argv);

/* `coracle pack`: writes a bootable medium. */
int verb_pack(int argc, char **argv);

/* `coracle pack --autostart`: writes a medium that boots a host. */
int pack_host(int argc, char **argv);

/* `coracle host`: local hosts. */
int verb_host(int argc, char **argv);

/* The verbs against a running host. verb_simple are those that differ in their request alone. */
int verb_create(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_top(int argc, char **argv);
int verb_info(int argc, char **argv);
int verb_console(int argc, char **argv);
int verb_logs(int argc, char **argv);
int verb_simple(int argc, char **argv);
int verb_shutdown(int argc, char **argv);
int verb_rename(int argc, char **argv);
int verb_sched(int argc, char **argv);
int verb_vcpu_pin(int argc, char **argv);
int verb_mem_set(int argc, char **argv);
int verb_attach_device(int argc, char **argv); /* network-, block- */
int verb_detach_device(int argc, char **argv);
int verb_list_devices(int argc, char **argv);
int verb_images(int argc, char **argv);

#endif
