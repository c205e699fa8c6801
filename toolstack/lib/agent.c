/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/agent.h"
#include "toolstack/lib/host_end.h"
#include "toolstack/lib/agent_disks.h"
#include "toolstack/lib/log_file.h"
#include "toolstack/lib/relay.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct agent {
    struct watches watches;
    struct watch signals, com1, errors, starter;
    struct log_file console;
    struct host_end end;
    struct relay *relay;
    pid_t qemu;
    bool told;  /* to end QEMU */
    int status; /* QEMU's, as waitpid tells it */
};

/* ---- what happens ---- */

static void line_lost(void *context)
{
    /* QEMU is about to end, and SIGCHLD says so. */
    (void)context;
}

static void end_machine(struct agent *agent)
{
    agent->told = true;
    kill(agent->qemu, SIGKILL);
}

static void signal_ready(struct watch *watch, uint32_t events)
{
    struct agent *agent = (struct agent *)((char *)watch - offsetof(struct agent, signals));
    struct signalfd_siginfo info;

    (void)events;
    if (read(watch->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo != SIGCHLD) {
        report("ended by signal %u", info.ssi_signo);
        end_machine(agent);
    } else if (waitpid(agent->qemu, &agent->status, WNOHANG) == agent->qemu) {
        agent->qemu = -1;
        agent->watches.stop = true;
    }
}

/* Reads what there is; false at the end. */
static bool copy_to_log(struct agent *agent, int fd)
{
    char piece[4096];
    ssize_t count = read(fd, piece, sizeof(piece));

    if (count > 0) {
        log_file_add(&agent->console, piece, (size_t)count);
        host_end_read(&agent->end, piece, (size_t)count);
    }
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

static void com1_ready(struct watch *watch, uint32_t events)
{
    struct agent *agent = (struct agent *)((char *)watch - offsetof(struct agent, com1));

    (void)events;
    if (!copy_to_log(agent, watch->fd))
        watch_remove(&agent->watches, watch);
}

/* What QEMU itself says goes to agent.log, which is stderr here. */
static void errors_ready(struct watch *watch, uint32_t events)
{
    struct agent *agent = (struct agent *)((char *)watch - offsetof(struct agent, errors));
    char piece[1024];
    ssize_t count = read(watch->fd, piece, sizeof(piece));

    (void)events;
    /* On a full disk what it says is lost; the machine runs on. */
    if (count > 0)
        dprintf(STDERR_FILENO, "%.*s", (int)count, piece);
    else if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
        watch_remove(&agent->watches, watch);
}

/* Whoever started the host has seen it answer, or is gone. */
static void starter_ready(struct watch *watch, uint32_t events)
{
    struct agent *agent = (struct agent *)((char *)watch - offsetof(struct agent, starter));
    char byte;
    ssize_t count = read(watch->fd, &byte, 1);

    (void)events;
    if (count < 0 && errno == EINTR)
        return;
    watch_remove(&agent->watches, watch);
    if (count != 1) {
        report("the start was given up");
        end_machine(agent);
    }
}

/* ---- start and end ---- */

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool open_pair(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        report("cannot connect to QEMU: socketpair: %s", strerror(errno));
        return false;
    }
    /* QEMU's end stays as it is: it expects what it always gets. */
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return true;
}

/* Starts QEMU and watches all; false with a message. Descriptors are closed by the end of the process. */
static bool begin(struct agent *agent, const struct agent_setup *setup)
{
    int signals = open_signals();
    int com1[2], line[2], errors[2], monitor[2];

    agent->signals.ready = signal_ready;
    agent->com1.ready = com1_ready;
    agent->errors.ready = errors_ready;
    agent->starter.ready = starter_ready;
    if (signals < 0 || watches_open(&agent->watches) != 0 || !open_pair(com1) || !open_pair(line) ||
        !open_pair(errors) || !open_pair(monitor))
        return false;
    agent->qemu = host_machine_start(setup->machine, com1[1], line[1], errors[1], monitor[1]);
    close(com1[1]);
    close(line[1]);
    close(errors[1]);
    close(monitor[1]);
    if (agent->qemu < 0)
        return false;
    agent->relay = relay_create(&agent->watches, line[0], setup->listener, line_lost, agent);
    return agent->relay != NULL &&
           agent_disks_create(&agent->watches, setup->place, monitor[0], setup->disks) != NULL &&
           watch_add(&agent->watches, &agent->signals, signals, EPOLLIN) == 0 &&
           watch_add(&agent->watches, &agent->starter, setup->starter, EPOLLIN) == 0 &&
           watch_add(&agent->watches, &agent->com1, com1[0], EPOLLIN) == 0 &&
           watch_add(&agent->watches, &agent->errors, errors[0], EPOLLIN) == 0;
}

/*
 * Why the machine is no more, unless that was wanted. Clients wait meanwhile: their connections end with us.
 */
static void note_end(struct agent *agent, const struct agent_setup *setup)
{
    char control[64], otherwise[64] = "nothing says why";
    struct symbol_files symbols = {.guest = control, .hypervisor = setup->hypervisor_symbols};

    if (agent->told)
        return;
    snprintf(control, sizeof(control), "/proc/%d/fd/%d", (int)getpid(), setup->machine->control_fd);
    if (WIFSIGNALED(agent->status))
        snprintf(otherwise, sizeof(otherwise), "QEMU was ended by signal %d", WTERMSIG(agent->status));
    else if (WEXITSTATUS(agent->status) != 0)
        snprintf(otherwise, sizeof(otherwise), "QEMU ended with status %d", WEXITSTATUS(agent->status));
    host_end_write(&agent->end, setup->place, &symbols, otherwise);
}

static int run(const struct agent_setup *setup)
{
    struct agent agent = {.qemu = -1};
    char *path = host_file(setup->place, "console.log");
    int opened = log_file_open(&agent.console, path);

    free(path);
    if (opened != 0)
        return EXIT_FAILED;
    if (begin(&agent, setup)) {
        watches_run(&agent.watches);
        /* What QEMU wrote before it ended is still in the sockets. */
        while (recv(agent.com1.fd, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
            copy_to_log(&agent, agent.com1.fd);
        while (recv(agent.errors.fd, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
            errors_ready(&agent.errors, EPOLLIN);
        note_end(&agent, setup);
    }
    if (agent.qemu > 0)
        kill(agent.qemu, SIGKILL);
    host_clean(setup->place);
    return EXIT_DONE;
}

/* In the child: away from the terminal, with stderr in the log. */
static void become_daemon(const struct agent_setup *setup)
{
    char *path = host_file(setup->place, "agent.log");
    int log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    free(path);
    setsid();
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(log >= 0 ? log : null, STDERR_FILENO);
}

pid_t agent_start(const struct agent_setup *setup, int starter_end)
{
    pid_t agent;

    fflush(NULL);
    agent = fork();
    if (agent < 0)
        report("cannot start the host's agent: fork: %s", strerror(errno));
    if (agent != 0)
        return agent;
    close(starter_end);
    become_daemon(setup);
    _exit(run(setup));
}
