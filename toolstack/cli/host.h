/* SPDX-License-Identifier: MIT */
/* The verbs below `coracle host`; each as those of cli.h. */
#ifndef TOOLSTACK_CLI_HOST_H
#define TOOLSTACK_CLI_HOST_H

/* Start a host and wait for its API; shut it down; reboot it; tell about one; list all that run. */
int host_start(int argc, char **argv);
int host_stop(int argc, char **argv);
int host_reboot(int argc, char **argv);
int host_status(int argc, char **argv);
int host_list(int argc, char **argv);

#endif
