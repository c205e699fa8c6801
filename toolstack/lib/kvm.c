/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/kvm.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROBE_TIMEOUT_MS 2000
#define PAGE             4096
#define OPCODE_HLT       0xf4

bool cpuinfo_has_virtualization(const char *cpuinfo_path)
{
    FILE *file = fopen(cpuinfo_path, "re");
    char *line = NULL;
    size_t size = 0;
    bool found = false;

    if (file == NULL)
        return false;
    while (!found && getline(&line, &size, file) > 0) {
        char *save = NULL;

        if (strncmp(line, "flags", 5) != 0)
            continue;
        for (char *word = strtok_r(line, " \t\n", &save); word != NULL; word = strtok_r(NULL, " \t\n", &save))
            found |= strcmp(word, "vmx") == 0 || strcmp(word, "svm") == 0;
    }
    free(line);
    fclose(file);
    return found;
}

/* Gives the machine one page at address 0 that holds HLT. */
static bool give_memory(int machine)
{
    uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = {.memory_size = PAGE};

    if (page == MAP_FAILED)
        return false;
    page[0] = OPCODE_HLT;
    region.userspace_addr = (uintptr_t)page;
    return ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region) == 0;
}

/* Starts the vCPU in real mode at 0:0. */
static bool set_start(int vcpu)
{
    struct kvm_sregs sregs;
    struct kvm_regs regs = {.rip = 0, .rflags = 2};

    if (ioctl(vcpu, KVM_GET_SREGS, &sregs) != 0)
        return false;
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    return ioctl(vcpu, KVM_SET_SREGS, &sregs) == 0 && ioctl(vcpu, KVM_SET_REGS, &regs) == 0;
}

/* The steps of the probe; every descriptor ends with the process. The text says which step failed. */
static const char *run_one_halt(const char *device_path)
{
    int device = open(device_path, O_RDWR | O_CLOEXEC);
    int machine, vcpu, size;
    struct kvm_run *run;

    if (device < 0)
        return "the KVM device cannot be opened (no such device, or no permission)";
    if (ioctl(device, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        return "the KVM device does not answer as KVM";
    machine = ioctl(device, KVM_CREATE_VM, 0);
    if (machine < 0)
        return "the KVM device opens, but creates no virtual machine";
    size = ioctl(device, KVM_GET_VCPU_MMAP_SIZE, 0);
    vcpu = ioctl(machine, KVM_CREATE_VCPU, 0);
    if (vcpu < 0 || size < (int)sizeof(struct kvm_run))
        return "the KVM device opens, but creates no virtual processor";
    run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED || !give_memory(machine) || !set_start(vcpu))
        return "the KVM device opens, but the virtual processor cannot be set up";
    if (ioctl(vcpu, KVM_RUN, 0) != 0 || run->exit_reason != KVM_EXIT_HLT)
        return "the KVM device opens, but runs no guest";
    return NULL;
}

/* What a child does: sends "+" or the phrase through the pipe. */
static void probe_child(const char *device_path, int pipe_fd)
{
    const char *problem;
    ssize_t ignored;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    problem = run_one_halt(device_path);
    if (problem == NULL)
        problem = "+";
    ignored = write(pipe_fd, problem, strlen(problem));
    (void)ignored;
    _exit(0);
}

const char *probe_kvm(const char *device_path)
{
    static char answer[256];
    struct pollfd ready;
    ssize_t length = -1;
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return "the probe cannot start (no pipe)";
    child = fork();
    if (child == 0)
        probe_child(device_path, ends[1]);
    close(ends[1]);
    ready = (struct pollfd){.fd = ends[0], .events = POLLIN};
    if (child > 0 && poll(&ready, 1, PROBE_TIMEOUT_MS) > 0)
        length = read(ends[0], answer, sizeof(answer) - 1);
    close(ends[0]);
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    if (length <= 0)
        return "the KVM device opens, but a guest that only halts does not come back";
    answer[length] = '\0';
    return strcmp(answer, "+") == 0 ? NULL : answer;
}

const char *why_no_kvm(void)
{
    if (!cpuinfo_has_virtualization("/proc/cpuinfo"))
        return "the processor shows neither vmx nor svm";
    return probe_kvm("/dev/kvm");
}
