/* SPDX-License-Identifier: MIT */
/*
 * coracle run --via-host: a host for this run alone. Its boot archive holds the image; a second thread
 * creates the domain paused, attaches to its console, hands that to the pump (pump.h), lets the domain run
 * and waits for its end, while the pump carries the console's bytes from the first on.
 *
 *   stdin, stdout <-> pump <-> console -----+
 *                     create, wait, destroy +--> relay's thread <--> line <--> control domain
 *   stderr <- machine_log <----------------------------------------- COM1
 */
#include "toolstack/cli/run.h"
#include "toolstack/cli/network.h"
#include "toolstack/lib/blob.h"
#include "toolstack/lib/boot_archive.h"
#include "toolstack/lib/client.h"
#include "toolstack/lib/connector.h"
#include "toolstack/lib/digest.h"
#include "toolstack/lib/host_machine.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/kvm.h"
#include "toolstack/lib/paths.h"
#include "toolstack/lib/pump.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The only domain's name; the program's own may hold characters that a domain's may not. */
#define DOMAIN      "app"
#define DOMAIN_PATH "/v1/domains/" DOMAIN

struct host_run {
    const struct run_request *request;
    struct host_machine machine;
    struct disk_images disks;
    cJSON *config;
    char token[DIGEST_TEXT];
    struct serial_line line;
    pthread_t thread;
    bool thread_ended;
    int promise[2];   /* the console's descriptor goes from the thread to the pump */
    struct pump pump; /* when it has stopped, failures are no news */

    /* What the thread found out; valid after its end. */
    bool ended, has_status;
    bool crashed;
    int console, status;
    char *crash; /* the record, or NULL */
};

/* ---- the thread that talks to the control domain ---- */

/* Creates the domain and gets its console to the pump. False with a message. */
static bool start_domain(struct host_run *run, struct client *client)
{
    struct text first = {0};

    if (client_call(client, "POST", "/v1/domains", run->config, NULL) != 0)
        return false;
    run->console = client_attach(client, DOMAIN_PATH "/console", &first);
    free(first.text); /* it has said nothing yet */
    if (run->console < 0 ||
        write(run->promise[1], &run->console, sizeof(run->console)) != (ssize_t)sizeof(run->console))
        return false;
    return client_call(client, "POST", DOMAIN_PATH "/unpause", NULL, NULL) == 0;
}

#define MAIN_TRIES  500
#define MAIN_TRY_US 20000

/* The boot timeline of a domain that may run for ever: what is known of it as soon as it is in its main(). */
static void show_main(const struct host_run *run, struct client *client)
{
    for (unsigned i = 0; i < MAIN_TRIES && !run->pump.stop; i++) {
        cJSON *domain = NULL;
        uint64_t created, begun;

        if (client_call(client, "GET", DOMAIN_PATH, NULL, &domain) != 0)
            return;
        created = json_number(domain, "created_ns");
        begun = json_number(domain, "main_ns");
        cJSON_Delete(domain);
        if (begun != 0) {
            fprintf(stderr,
                    "boot timeline            since the hypervisor's clock runs\n"
                    "  %-20s %10.2f ms\n  %-20s %10.2f ms\n",
                    "domain created", (double)created / 1e6, "main", (double)begun / 1e6);
            return;
        }
        usleep(MAIN_TRY_US); /* nobody tells of it, and this is for people */
    }
}

/* Waits for the domain's end, learns all about it, and removes it, which ends its console. */
static void end_domain(struct host_run *run, struct client *client)
{
    const cJSON *status;
    struct answer record;
    cJSON *end = NULL;

    client_set_timeout(client, 0);
    if (client_call(client, "GET", DOMAIN_PATH "/wait", NULL, &end) != 0)
        return;
    status = cJSON_GetObjectItemCaseSensitive(end, "exit_status");
    run->has_status = cJSON_IsNumber(status);
    run->status = run->has_status ? status->valueint : 0;
    run->crashed = strcmp(json_text(end, "reason", ""), "poweroff") != 0 &&
                   strcmp(json_text(end, "reason", ""), "reboot") != 0;
    run->ended = true;
    cJSON_Delete(end);
    if (run->crashed) {
        record = client_request(client, "GET", DOMAIN_PATH "/crash", NULL);
        if (record.status == 200 && record.body.length != 0)
            run->crash = strdup(record.body.text);
        answer_free(&record);
    }
    client_call(client, "DELETE", DOMAIN_PATH, NULL, NULL);
}

static void *converse(void *argument)
{
    struct host_run *run = argument;
    struct client *client = client_open_socket(&run->line.socket, run->token);

    if (client != NULL) {
        client_set_quiet(client, &run->pump.stop);
        if (start_domain(run, client)) {
            if (run->request->timeline)
                show_main(run, client);
            end_domain(run, client);
        }
        client_close(client);
    }
    close(run->promise[1]);
    return NULL;
}

static void join(void *context)
{
    struct host_run *run = context;

    if (!run->thread_ended)
        pthread_join(run->thread, NULL);
    run->thread_ended = true;
}

/* ---- how it went ---- */

/* The control domain's record stands in where neither hypervisor nor program have said where it was. */
static void show_crash(struct host_run *run, const struct machine_result *result,
                       const struct machine_log *log)
{
    bool told = log->end == END_CRASH || (result->tail.length != 0 &&
                                          memmem(result->tail.text, result->tail.length, "#0 0x", 5) != NULL);
    char *save = NULL;

    if (run->crash != NULL && !told)
        for (char *line = strtok_r(run->crash, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
            print_symbolized(&log->symbols, line, stderr);
    if (result->tail.length != 0)
        print_last_backtrace(&log->symbols, result->tail.text, result->tail.length, stderr);
}

/* The exit code, with a word on stderr when the program did not just exit. */
static int judge(struct host_run *run, const struct machine_result *result, struct machine_log *log)
{
    const char *image = run->request->guest.image;

    if (!result->started)
        return EXIT_FAILED;
    if (result->timed_out) {
        if (result->tail.length == 0)
            machine_log_show_kept(log, LOG_KEPT);
        report("%s still ran after %u s (--timeout) and was ended", image, run->request->timeout);
        return EXIT_TIMEOUT;
    }
    if (result->signal != 0)
        return 128 + result->signal;
    if (result->output_lost)
        return 128 + SIGPIPE;
    if (log->end > END_SHUTDOWN && log->end != END_CRASH) {
        report("the hypervisor or its control domain failed; the last lines of the log are above");
        return EXIT_FAILED;
    }
    if (run->ended && run->crashed) {
        show_crash(run, result, log);
        report("%s crashed; what is known of it is above", image);
        return run->has_status ? run->status : EXIT_CRASH;
    }
    if (run->ended)
        return run->has_status ? run->status : EXIT_DONE;
    machine_log_show_kept(log, LOG_KEPT);
    if (result->qemu_status != 0)
        report("QEMU failed with status %d; what it said is above", result->qemu_status);
    else
        report("the host of this run failed; the last lines of its log are above");
    return EXIT_FAILED;
}

/* ---- the machine ---- */

/* The tool's ends are [0], QEMU's are [1]. */
struct lines {
    int com1[2], line[2], errors[2];
};

static bool open_lines(struct lines *lines, struct host_run *run)
{
    const int type = SOCK_STREAM | SOCK_CLOEXEC;

    if (socketpair(AF_UNIX, type, 0, lines->com1) == 0 && socketpair(AF_UNIX, type, 0, lines->line) == 0 &&
        socketpair(AF_UNIX, type, 0, lines->errors) == 0 && pipe2(run->promise, O_CLOEXEC) == 0)
        return true;
    report("cannot connect to QEMU: %s", strerror(errno));
    return false;
}

/* Starts the two threads beside the pump. False with a message. */
static bool start_threads(struct host_run *run, int line)
{
    int error;

    run->line.ends_silently = true;
    if (serial_serve(&run->line, line) != 0)
        return false;
    error = pthread_create(&run->thread, NULL, converse, run);
    if (error == 0)
        return true;
    report("cannot start a thread: %s", strerror(error));
    serial_close(&run->line);
    return false;
}

/* Runs the pump while QEMU runs, with the threads beside it. False with a message. */
static bool pump_machine(struct host_run *run, const struct lines *lines, struct machine_result *result)
{
    if (!start_threads(run, lines->line[0]))
        return false;
    result->started = true;
    pump_run(&run->pump, result);
    run->pump.stop = true;
    shutdown(lines->line[0], SHUT_RDWR);
    join(run);
    serial_close(&run->line);
    if (run->console >= 0)
        close(run->console);
    return true;
}

static void run_machine(struct host_run *run, enum machine_input input, struct machine_log *log,
                        struct machine_result *result)
{
    struct lines lines;
    sigset_t before;
    pid_t qemu;

    if (!open_lines(&lines, run))
        return;
    pump_block_signals(&before);
    qemu = host_machine_start(&run->machine, lines.com1[1], lines.line[1], lines.errors[1], -1);
    close(lines.com1[1]);
    close(lines.line[1]);
    close(lines.errors[1]);
    run->pump.qemu = qemu;
    run->pump.com1 = run->promise[0];
    run->pump.com2 = lines.com1[0];
    run->pump.errors = lines.errors[0];
    run->pump.timeout = run->request->timeout;
    run->pump.input = input;
    run->pump.log = log;
    run->pump.console_ended = join;
    run->pump.context = run;
    if (qemu > 0 && !pump_machine(run, &lines, result))
        kill(qemu, SIGKILL);
    run->pump.log = NULL;
    close(run->promise[0]);
    close(lines.com1[0]);
    close(lines.line[0]);
    close(lines.errors[0]);
    pump_restore_signals(&before);
}

/* ---- what it boots ---- */

/* Writes the archive and the domain's Config. 0, or -1 with a message. */
static int fill_archive(struct host_run *run, struct boot_archive *archive, const struct image *image,
                        int root)
{
    char digest[DIGEST_TEXT];
    int part = image_boot_part(image), result;

    if (part < 0)
        return -1;
    result = boot_archive_add_image(archive, part, image->path, digest);
    json_set_text(run->config, "kernel", digest);
    close(part);
    if (result == 0 && root >= 0) {
        result = boot_archive_add_image(archive, root, "the archive of --root", digest);
        json_set_text(run->config, "ramdisk", digest);
    }
    return result;
}

static int make_archive(struct host_run *run, const struct image *image, int root)
{
    struct boot_archive *archive = NULL;
    int result = -1;

    run->machine.archive_fd = blob_create("boot archive");
    if (run->machine.archive_fd >= 0 && make_token(run->token) == 0)
        archive = boot_archive_begin(run->machine.archive_fd, run->token);
    if (archive != NULL) {
        result = fill_archive(run, archive, image, root);
        if (boot_archive_end(archive) != 0)
            result = -1;
    }
    run->machine.memory =
        host_machine_memory(run->request->guest.memory, result == 0 ? file_size(run->machine.archive_fd) : 0);
    return result;
}

/* The domain's Config, but for its files. Its input is what choose_input says. 0, or -1 with a message. */
static int make_config(struct host_run *run, const struct image *image, enum machine_input input)
{
    static const char *const events[] = {"on_poweroff", "on_reboot", "on_crash", "on_watchdog"};
    struct console_settings settings;
    struct text command = {0};
    int result;

    describe_console(&settings, input, false);
    text_add(&command, "");
    add_guest_words(&command, command_add_word, image, &run->request->guest, settings.list);
    result = check_command(&command);
    json_set_text(run->config, "name", DOMAIN);
    json_set_text(run->config, "cmdline", command.text);
    json_set_number(run->config, "memory_kib", run->request->guest.memory / KIB);
    json_set_number(run->config, "vcpus", run->request->cpus);
    json_set_flag(run->config, "paused");
    if (run->request->network.model != NULL) {
        cJSON *vifs = json_array();

        json_append_text(vifs, "bridge=br0");
        cJSON_AddItemToObject(run->config, "vif", vifs);
    }
    /* It stays until it was asked how it ended. */
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        json_set_text(run->config, events[i], "preserve");
    free(command.text);
    return result;
}

/* The disks of --disk, for QEMU and for the Config. 0, or -1 with a message. */
static int make_disks(struct host_run *run)
{
    cJSON *lines = cJSON_AddArrayToObject(run->config, "disk");
    int result = 0;

    for (unsigned i = 0; i < run->request->nr_disks && result == 0; i++)
        result = disk_images_add_option(&run->disks, run->request->disks[i], lines);
    run->machine.disks = &run->disks;
    return result;
}

/* Boots with everything opened. */
static int boot(struct host_run *run, const struct image *image, const char *symbols, const char *control)
{
    const struct run_request *request = run->request;
    struct machine_log log = {.verbose = request->verbose,
                              .host = true,
                              .symbols = {.guest = image->path, .hypervisor = symbols},
                              .control = control};
    struct machine_result result = {0};
    struct machine shown = {.kvm_problem = run->machine.kvm_problem,
                            .memory = request->guest.memory,
                            .input = choose_input(image)};
    int status;

    announce(request, &shown, symbols);
    run_machine(run, shown.input, &log, &result);
    status = judge(run, &result, &log);
    free(result.tail.text);
    machine_log_free(&log);
    return status;
}

int run_via_host(const struct run_request *request, const struct image *image)
{
    struct host_run run = {
        .request = request,
        .machine = {.kvm_problem = why_no_kvm(),
                    .cpu = request->cpu,
                    .cpus = request->cpus,
                    .options = request->options,
                    .network = &request->network,
                    .hypervisor_fd = -1,
                    .control_fd = -1,
                    .archive_fd = -1},
        .config = json_object(),
        .console = -1,
    };
    int root = request->guest.root != NULL ? make_root(request->guest.root) : -1, status = EXIT_FAILED;
    char *hypervisor = NULL, *control = NULL, *symbols = NULL;

    if (network_check(&request->network) == 0 && (request->guest.root == NULL || root >= 0) &&
        image_check_memory(image, root >= 0 ? file_size(root) : 0, request->guest.memory) == 0 &&
        make_config(&run, image, choose_input(image)) == 0 && make_disks(&run) == 0 &&
        make_archive(&run, image, root) == 0 && (hypervisor = find_hypervisor()) != NULL &&
        (control = find_control()) != NULL && host_machine_open(&run.machine, hypervisor, control) == 0) {
        symbols = find_hypervisor_symbols(hypervisor);
        status = boot(&run, image, symbols, control);
    }
    host_machine_close(&run.machine);
    disk_images_free(&run.disks);
    if (root >= 0)
        close(root);
    cJSON_Delete(run.config);
    free(run.crash);
    free(symbols);
    free(control);
    free(hypervisor);
    return status;
}
