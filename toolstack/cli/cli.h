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

#endif
