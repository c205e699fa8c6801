/* SPDX-License-Identifier: MIT */
/* The tool: finds the verb and hands over. */
#include "toolstack/cli/cli.h"
#include "toolstack/lib/report.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

#ifndef CORACLE_VERSION
#define CORACLE_VERSION "unknown"
#endif

struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    char *title; /* what its messages call it */
    const char *summary;
};

static const struct verb verbs[] = {
    {"build", verb_build, "coracle build", "compile and link C sources into a guest image"},
    {"run", verb_run, "coracle run", "boot an image in QEMU, as if it were a local program"},
    {"pack", verb_pack, "coracle pack", "write a medium that boots an image, or a host, on a real machine"},
    {"host", verb_host, "coracle host", "start, stop and list local hosts, on which domains come and go"},
    {"create", verb_create, "coracle create", "create a domain from an image or an xl.cfg"},
    {"list", verb_list, "coracle list", "list the domains"},
    {"top", verb_top, "coracle top", "show who uses the processors"},
    {"info", verb_info, "coracle info", "tell about the host or a domain"},
    {"console", verb_console, "coracle console", "attach to a domain's console"},
    {"logs", verb_logs, "coracle logs", "print a domain's console log and crash record"},
    {"pause", verb_simple, "coracle pause", "stop domains from running"},
    {"unpause", verb_simple, "coracle unpause", "let paused domains run"},
    {"shutdown", verb_shutdown, "coracle shutdown", "ask domains to power off"},
    {"reboot", verb_simple, "coracle reboot", "ask domains to reboot"},
    {"destroy", verb_simple, "coracle destroy", "end domains at once"},
    {"rename", verb_rename, "coracle rename", "give a domain another name"},
    {"sched", verb_sched, "coracle sched", "show or change a domain's share of the processors"},
    {"vcpu-pin", verb_vcpu_pin, "coracle vcpu-pin", "bind virtual processors to processors"},
    {"mem-set", verb_mem_set, "coracle mem-set", "shrink or grow a domain"},
    {"network-attach", verb_attach_device, "coracle network-attach",
     "give a running domain one more interface"},
    {"network-detach", verb_detach_device, "coracle network-detach", "take an interface away from a domain"},
    {"network-list", verb_list_devices, "coracle network-list", "list a domain's interfaces"},
    {"block-attach", verb_attach_device, "coracle block-attach", "give a running domain one more disk"},
    {"block-detach", verb_detach_device, "coracle block-detach", "take a disk away from a domain"},
    {"block-list", verb_list_devices, "coracle block-list", "list a domain's disks"},
    {"images", verb_images, "coracle images", "list or remove the images that a host keeps"},
};

#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void print_help(void)
{
    printf("usage: coracle VERB [OPTION...]\n"
           "\n"
           "Builds single-application images for the Coracle hypervisor and boots them.\n"
           "\n");
    for (size_t i = 0; i < NR_VERBS; i++)
        printf("  %-14s %s\n", verbs[i].name, verbs[i].summary);
    printf("\n"
           "'coracle VERB --help' tells more about a verb; 'coracle --version' prints the version.\n"
           "Exit status: 0 done, 1 the operation failed, 2 bad usage; 'run' returns the program's own "
           "status.\n");
}

int main(int argc, char **argv)
{
    argp_err_exit_status = EXIT_USAGE;
    if (argc < 2) {
        report("expected a verb; see 'coracle --help'");
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help();
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("coracle " CORACLE_VERSION "\n");
        return EXIT_DONE;
    }
    for (size_t i = 0; i < NR_VERBS; i++) {
        if (strcmp(argv[1], verbs[i].name) != 0)
            continue;
        argv[1] = verbs[i].title;
        return verbs[i].run(argc - 1, argv + 1);
    }
    report("unknown %s '%s'; expected one of those that 'coracle --help' lists",
           argv[1][0] == '-' ? "option" : "verb", argv[1]);
    return EXIT_USAGE;
}
