/* SPDX-License-Identifier: MIT */
/*
 * coracle run: a guest image as if it were a local program.
 *
 * Exit status: the program's own. When it has none to give, with a line on stderr that starts with
 * "coracle: ":
 *   1      the machine did not start, or the hypervisor failed
 *   2      bad usage
 *   124    --timeout
 *   134    the domain crashed (as a local program that called abort)
 *   128+N  the tool was ended by signal N
 */
#include "toolstack/cli/arguments.h"
#include "toolstack/cli/cli.h"
#include "toolstack/cli/network.h"
#include "toolstack/cli/run.h"
#include "toolstack/lib/archive.h"
#include "toolstack/lib/blob.h"
#include "toolstack/lib/kvm.h"
#include "toolstack/lib/machine.h"
#include "toolstack/lib/paths.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DEFAULT_CPU  "qemu64"
#define DEFAULT_PORT 1234
#define CPUS_MAX     255

enum run_key {
    KEY_CPU = 256,
    KEY_CPUS,
    KEY_HYPERVISOR,
    KEY_XEN,
    KEY_TIMEOUT,
    KEY_GDB,
    KEY_TIMELINE,
    KEY_APPEND,
    KEY_DIRECT,
    KEY_VIA_HOST,
    KEY_DISK,
    KEY_MOUNT
};

static const struct argp_option options[] = {
    {"disk", KEY_DISK, "FILE[:ro]", 0,
     "an image file, raw or qcow2, as the program's next disk (/dev/xvda, ...); or a line as in disk= of "
     "xl.cfg",
     1},
    {"mount", KEY_MOUNT, "PATH[:DISK]", 0,
     "the file system (ext2, ext3, ext4) of DISK, such as xvda, or of the --disk before, at PATH; the "
     "program is "
     "linked with -lext2",
     1},
    {"cpu", KEY_CPU, "MODEL", 0,
     "QEMU's processor model (default: " DEFAULT_CPU "), such as Conroe,-vmx or max", 2},
    {"cpus", KEY_CPUS, "N", 0, "processors of the machine and of the domain (default: 1)", 2},
    {"hypervisor", KEY_HYPERVISOR, "xen|coracle", 0, "boot on stock Xen instead of Coracle", 2},
    {"xen", KEY_XEN, "FILE", 0, "the Xen to boot, may be compressed; implies --hypervisor xen", 2},
    {"append", KEY_APPEND, "OPTIONS", 0, "more options for the hypervisor", 2},
    {"via-host", KEY_VIA_HOST, NULL, 0,
     "the image is a domain on a host for this run (default for images of 'coracle build')", 2},
    {"direct", KEY_DIRECT, NULL, 0,
     "the image itself is the hypervisor's initial domain (default for others, and with --hypervisor xen, "
     "--gdb)",
     2},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "end the machine after that time, with exit status 124", 3},
    {"gdb", KEY_GDB, "PORT", OPTION_ARG_OPTIONAL,
     "stop before the first instruction and wait for gdb (port 1234)", 3},
    {"timeline", KEY_TIMELINE, NULL, 0, "print the boot timeline", 3},
    {"verbose", 'v', NULL, 0, "print all lines of the hypervisor", 3},
    {"quiet", 'q', NULL, 0, "say nothing unless something fails", 3},
    {0},
};

/* A path of --mount, and the disk that it names or the last one of --disk. */
static void add_mount(struct argp_state *state, struct run_request *request, const char *argument)
{
    size_t length = strcspn(argument, ":");
    const char *disk = argument[length] == ':' ? argument + length + 1 : NULL;
    struct text *mounts = &request->guest.mounts;

    if (argument[0] != '/' || length == 1 || strchr(argument, ',') != NULL ||
        (disk != NULL && (disk[0] == '\0' || strchr(disk, ':') != NULL)))
        argp_error(state, "--mount %s: expected PATH or PATH:DISK, such as /data:xvda", argument);
    if (disk == NULL && request->nr_disks == 0)
        argp_error(state, "--mount %s: expected a disk (--disk FILE) before it", argument);
    if (disk == NULL && strchr(request->disks[request->nr_disks - 1], ',') != NULL)
        argp_error(state, "--mount %s: expected the disk's name, as in %s:xvda", argument, argument);
    text_format(mounts, "%s%.*s:", mounts->length != 0 ? "," : "", (int)length, argument);
    if (disk != NULL)
        text_add(mounts, disk);
    else
        text_format(mounts, "xvd%c", (char)('a' + request->nr_disks - 1));
}

/* What is about the initial domain, or is not Coracle. */
static bool needs_direct(const struct run_request *request)
{
    return request->xen || request->gdb_port != 0;
}

/* What does not go together. */
static void check_way(struct argp_state *state, struct run_request *request)
{
    if (request->way == RUN_VIA_HOST && needs_direct(request))
        argp_error(state, "--hypervisor xen and --gdb go with --direct only");
    if (request->nr_disks != 0 && (request->way == RUN_DIRECT || needs_direct(request)))
        argp_error(state, "a disk (--disk) goes with --via-host only: the control domain drives it");
    if (request->nr_disks != 0)
        request->way = RUN_VIA_HOST;
    if (request->network.model == NULL)
        return;
    if (request->way == RUN_DIRECT || needs_direct(request))
        argp_error(state, "a network (-p, --nic) goes with --via-host only: the control domain has the card");
    request->way = RUN_VIA_HOST;
}

static error_t parse_run(int key, char *argument, struct argp_state *state)
{
    struct run_request *request = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->guest;
        state->child_inputs[1] = &request->network;
        return 0;
    case KEY_DISK:
        if (request->nr_disks == DISK_IMAGES_MAX)
            argp_error(state, "--disk %s: expected at most %d disks", argument, DISK_IMAGES_MAX);
        request->disks[request->nr_disks++] = argument;
        return 0;
    case KEY_MOUNT:
        add_mount(state, request, argument);
        return 0;
    case KEY_CPU:
        request->cpu = argument;
        return 0;
    case KEY_CPUS:
        request->cpus = argument_number(state, "cpus", argument, 1, CPUS_MAX);
        return 0;
    case KEY_HYPERVISOR:
        request->xen = strcmp(argument, "xen") == 0;
        if (!request->xen && strcmp(argument, "coracle") != 0)
            argp_error(state, "--hypervisor %s: expected xen or coracle", argument);
        return 0;
    case KEY_XEN:
        request->xen = true;
        request->xen_path = argument;
        return 0;
    case KEY_APPEND:
        request->options = argument;
        return 0;
    case KEY_TIMEOUT:
        request->timeout = argument_number(state, "timeout", argument, 1, INT32_MAX / 1000);
        return 0;
    case KEY_GDB:
        request->gdb_port = argument != NULL ? argument_number(state, "gdb", argument, 1, UINT16_MAX)
                                             : (unsigned)DEFAULT_PORT;
        return 0;
    case KEY_TIMELINE:
        request->timeline = true;
        return 0;
    case KEY_DIRECT:
    case KEY_VIA_HOST:
        request->way = key == KEY_VIA_HOST ? RUN_VIA_HOST : RUN_DIRECT;
        return 0;
    case 'v':
        request->verbose = true;
        return 0;
    case 'q':
        request->quiet = true;
        return 0;
    case ARGP_KEY_END:
        check_way(state, request);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{.argp = &guest_argp}, {.argp = &network_argp}, {0}};
static const struct argp run_argp = {
    .options = options,
    .parser = parse_run,
    .args_doc = "IMAGE [-- ARGUMENT...]",
    .doc = "Boots IMAGE in QEMU; stdin, stdout and the exit status are the program's.\v"
           "QEMU uses KVM when a probe shows that it works here, else its own translation (TCG); stderr says "
           "which.\n"
           "Exit status without one of the program's: 1 the machine failed, 2 bad usage, 124 timeout, "
           "134 the domain crashed, 128+N ended by signal N. A line 'coracle: ...' on stderr then says why.",
    .children = children,
};

/* Opens the hypervisor's file and sets *path (the caller frees it). Descriptor, or -1 with a message. */
static int open_hypervisor(const struct run_request *request, char **path)
{
    if (request->xen_path != NULL)
        *path = strdup(request->xen_path);
    else
        *path = request->xen ? find_xen() : find_hypervisor();
    return *path != NULL ? open_unpacked(*path) : -1;
}

int make_root(const char *directory)
{
    int fd = blob_create("root archive");

    if (fd >= 0 && write_root_archive(directory, fd) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void announce(const struct run_request *request, const struct machine *machine, const char *symbols)
{
    char memory[SIZE_TEXT_MAX];

    if (!request->quiet)
        report("booting %s with %s on %s, QEMU with %s%s%s%s", request->guest.image,
               format_size(machine->memory, memory), machine->xen ? "stock Xen" : "Coracle",
               machine->kvm_problem == NULL ? "KVM" : "TCG", machine->kvm_problem != NULL ? " (" : "",
               machine->kvm_problem != NULL ? machine->kvm_problem : "",
               machine->kvm_problem != NULL ? ")" : "");
    if (!request->quiet && machine->input == INPUT_TERMINAL)
        report("Ctrl-A x ends the machine; Ctrl-C is the program's");
    if (machine->gdb_port != 0)
        report("waiting for gdb; type in another terminal:\n  gdb %s -ex 'target remote :%u' -ex 'hbreak "
               "main'%s%s%s",
               request->guest.image, machine->gdb_port, symbols != NULL ? " -ex 'add-symbol-file " : "",
               symbols != NULL ? symbols : "", symbols != NULL ? "'" : "");
}

/* Turns the end of the machine into an exit code and says what happened when the program did not just exit.
 */
static int judge(const struct run_request *request, const struct machine_result *result,
                 struct machine_log *log)
{
    if (!result->started)
        return EXIT_FAILED;
    if (result->timed_out) {
        if (result->tail.length == 0)
            machine_log_show_kept(log, LOG_KEPT);
        report("%s still ran after %u s (--timeout) and was ended", request->guest.image, request->timeout);
        return EXIT_TIMEOUT;
    }
    if (result->signal != 0)
        return 128 + result->signal;
    if (result->output_lost)
        return 128 + SIGPIPE;
    if (log->end == END_FAULT) {
        report("the hypervisor itself failed; this is a bug in it, its last lines are above");
        return EXIT_FAILED;
    }
    if (log->end == END_REFUSED) {
        report("the hypervisor could not build the domain; its reasons are above");
        return EXIT_FAILED;
    }
    if (log->end == END_CRASH) {
        report("%s crashed; what the hypervisor saw is above", request->guest.image);
        return log->has_status ? log->status : EXIT_CRASH;
    }
    if (log->has_status)
        return log->status;
    if (log->end == END_SHUTDOWN)
        return EXIT_DONE;
    machine_log_show_kept(log, LOG_KEPT);
    if (result->qemu_status != 0)
        report("QEMU failed with status %d; what it said is above", result->qemu_status);
    else
        report("the machine ended, but nothing said how %s ended; the last lines of the hypervisor's log are "
               "above",
               request->guest.image);
    return EXIT_FAILED;
}

static bool is_null_device(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

void describe_console(struct console_settings *settings, enum machine_input input, bool xen)
{
    struct winsize size;
    unsigned count = 0;

    settings->list[count++] = input == INPUT_TERMINAL ? "stdin=tty"
                              : input == INPUT_QUOTED ? "stdin=pipe"
                                                      : "stdin=none";
    if (!isatty(STDOUT_FILENO))
        settings->list[count++] = "stdout=pipe";
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row != 0 && size.ws_col != 0) {
        snprintf(settings->winsize, sizeof(settings->winsize), "winsize=%ux%u", size.ws_row, size.ws_col);
        settings->list[count++] = settings->winsize;
    }
    if (xen)
        settings->list[count++] = "exit=reboot";
    settings->list[count] = NULL;
}

enum machine_input choose_input(const struct image *image)
{
    if (is_null_device(STDIN_FILENO))
        return INPUT_NONE;
    if (isatty(STDIN_FILENO))
        return INPUT_TERMINAL;
    return image->is_libos ? INPUT_QUOTED : INPUT_RAW;
}

/* Boots with everything opened. */
static int boot(const struct run_request *request, struct machine *machine, const struct image *image,
                const char *symbols)
{
    struct machine_log log = {
        .verbose = request->verbose,
        .show_timeline = request->timeline,
        .symbols = {.guest = image->path, .hypervisor = symbols},
    };
    struct console_settings settings;
    struct machine_result result;
    struct text command = {0};
    int status = EXIT_FAILED;

    describe_console(&settings, machine->input, machine->xen);
    text_add(&command, "");
    add_guest_words(&command, command_add_word, image, &request->guest, settings.list);
    if (check_command(&command) == 0) {
        machine->command = command.text;
        announce(request, machine, symbols);
        result = machine_run(machine, &log);
        status = judge(request, &result, &log);
        if (result.tail.length != 0 && (log.end == END_CRASH || status == EXIT_CRASH))
            print_last_backtrace(&log.symbols, result.tail.text, result.tail.length, stderr);
        free(result.tail.text);
        machine_log_free(&log);
    }
    free(command.text);
    return status;
}

/* Opens what the machine needs, boots and closes. */
static int run_image(const struct run_request *request, const struct image *image)
{
    struct machine machine = {
        .xen = request->xen,
        .kvm_problem = why_no_kvm(),
        .cpu = request->cpu,
        .cpus = request->cpus,
        .memory = request->guest.memory,
        .hypervisor_fd = -1,
        .image_fd = image->fd,
        .root_fd = -1,
        .options = request->options,
        .gdb_port = request->gdb_port,
        .timeout = request->timeout,
        .input = choose_input(image),
    };
    uint64_t root_size = 0;
    char *path = NULL, *symbols = NULL;
    int status = EXIT_FAILED;

    if (request->guest.root != NULL) {
        machine.root_fd = make_root(request->guest.root);
        if (machine.root_fd < 0)
            return EXIT_FAILED;
        root_size = file_size(machine.root_fd);
    }
    machine.modules_size = image->size + root_size;
    if (image_check_memory(image, root_size, machine.memory) == 0)
        machine.hypervisor_fd = open_hypervisor(request, &path);
    if (machine.hypervisor_fd >= 0) {
        symbols = find_hypervisor_symbols(path);
        status = boot(request, &machine, image, symbols);
        close(machine.hypervisor_fd);
    }
    if (machine.root_fd >= 0)
        close(machine.root_fd);
    free(symbols);
    free(path);
    return status;
}

int verb_run(int argc, char **argv)
{
    struct run_request request = {
        .guest = {.memory = DEFAULT_MEMORY},
        .cpu = DEFAULT_CPU,
        .options = "",
        .cpus = 1,
    };
    struct image image;
    int count = split_guest_args(argc, argv, &request.guest);
    int status;

    argp_parse(&run_argp, count, argv, 0, NULL, &request);
    if (!have_program("qemu-system-x86_64")) {
        report("qemu-system-x86_64 is not in PATH; install the package qemu-system-x86");
        return EXIT_FAILED;
    }
    if (image_open(&image, request.guest.image) != 0)
        return EXIT_FAILED;
    if (request.guest.mounts.length != 0 && !image.is_libos) {
        report("%s: --mount is for images of 'coracle build'", request.guest.image);
        return EXIT_USAGE;
    }
    /* An image of others may know no console but the initial domain's. */
    if (request.way == RUN_BY_IMAGE && image.is_libos && !needs_direct(&request) && !request.timeline)
        request.way = RUN_VIA_HOST;
    status = request.way == RUN_VIA_HOST ? run_via_host(&request, &image) : run_image(&request, &image);
    image_close(&image);
    free(request.guest.environment);
    free(request.guest.mounts.text);
    return status;
}
