/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/process.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Opened before fork, written by the child only when exec fails: the parent reads errno or the end of file.
 */
struct start_pipe {
    int ends[2];
};

/* In the child: dies with the parent, and has no signal blocked or ignored. */
static void become_child(pid_t parent)
{
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILED);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
}

/* In the child: never returns. */
static void execute(const char *const argv[], const struct start_pipe *start)
{
    int error;
    ssize_t ignored;

    execvp(argv[0], (char *const *)argv);
    error = errno;
    ignored = write(start->ends[1], &error, sizeof(error));
    (void)ignored;
    _exit(EXIT_FAILED);
}

/* In the parent: 0 when exec worked, else its errno. Closes the pipe. */
static int wait_for_exec(struct start_pipe *start)
{
    int error = 0;

    close(start->ends[1]);
    while (read(start->ends[0], &error, sizeof(error)) < 0 && errno == EINTR)
        ;
    close(start->ends[0]);
    return error;
}

static bool prepare(struct start_pipe *start)
{
    if (pipe2(start->ends, O_CLOEXEC) == 0)
        return true;
    report("cannot start a program: pipe: %s", strerror(errno));
    return false;
}

/* Collects a child that could not become argv[0]. */
static void bury(pid_t child, const char *name, int error)
{
    if (child > 0)
        waitpid(child, NULL, 0);
    report("cannot start %s: %s", name, strerror(error));
}

pid_t process_start(const char *const argv[], int output_fd, const int *keep_fds)
{
    struct start_pipe start;
    pid_t parent = getpid();
    pid_t child;
    int error;

    if (!prepare(&start))
        return -1;
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);

        become_child(parent);
        setsid();
        dup2(null, STDIN_FILENO);
        dup2(output_fd, STDOUT_FILENO);
        dup2(output_fd, STDERR_FILENO);
        for (; keep_fds != NULL && *keep_fds >= 0; keep_fds++)
            fcntl(*keep_fds, F_SETFD, 0);
        execute(argv, &start);
    }
    error = child < 0 ? errno : 0;
    if (error == 0)
        error = wait_for_exec(&start);
    if (error == 0)
        return child;
    bury(child, argv[0], error);
    return -1;
}

/* Waits for the end of child and returns its status as a shell would. */
static int collect(pid_t child)
{
    int status;

    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int process_run(const char *const argv[], int output_fd)
{
    struct start_pipe start;
    pid_t parent = getpid();
    pid_t child;
    int error;

    if (!prepare(&start))
        return -1;
    child = fork();
    if (child == 0) {
        become_child(parent);
        if (output_fd >= 0) {
            dup2(output_fd, STDOUT_FILENO);
            dup2(output_fd, STDERR_FILENO);
        }
        execute(argv, &start);
    }
    error = child < 0 ? errno : 0;
    if (error == 0)
        error = wait_for_exec(&start);
    if (error == 0)
        return collect(child);
    bury(child, argv[0], error);
    return -1;
}

size_t process_read_output(const char *const argv[], char *output, size_t size)
{
    pid_t parent = getpid();
    size_t length = 0;
    ssize_t count;
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return 0;
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);

        become_child(parent);
        dup2(null, STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execvp(argv[0], (char *const *)argv);
        _exit(EXIT_FAILED);
    }
    close(ends[1]);
    while (child > 0 && length < size && (count = read(ends[0], output + length, size - length)) > 0)
        length += (size_t)count;
    close(ends[0]);
    if (child < 0 || collect(child) != 0)
        return 0;
    return length;
}
