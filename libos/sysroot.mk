# SPDX-License-Identifier: MIT
# The guests' C library: newlib, unmodified, built with the host's gcc for target x86_64-coracle-elf (libos/newlib.sh).
#
#   $(SYSROOT)/x86_64-coracle-elf/{include,lib}   newlib as it installs itself: headers, libc.a, libm.a
#   $(SYSROOT)/include                            copy of libos/include; before newlib's headers in every include path
#   $(SYSROOT)/lib                                libcoracle.a, start.o, notes.o, guest.ld
#
# What libos/ and pvboot/ use from here:
#   $(SYSROOT_CFLAGS)   add to GUEST_CFLAGS of code that includes C library headers
#   $(SYSROOT_HEADERS)  stamp: order-only prerequisite of such objects
#   $(LIBCORACLE)       $(SYSROOT)/lib/libcoracle.a; libos/build.mk holds its rule
#   $(SYSROOT_READY)    everything that coracle-cc needs; prerequisite of what it builds
#
# Conventions between newlib and libos
# - newlib's own thread-safe entries (_write_r and the like) call plain POSIX names, since newlib is built with
#   MISSING_SYSCALL_NAMES: libos defines close fcntl fstat getpid gettimeofday isatty kill link lseek open read
#   rename sbrk stat times unlink write _exit, with the prototypes of the headers, setting errno. fork, wait and
#   execve are not asked for (NO_EXEC: system() says ENOSYS).
# - The libraries are linked as one group with libcoracle.a first, so a function that libos defines replaces newlib's
#   of the same name (raise, signal, malloc ...). Then libos must define every name of that newlib object that any
#   program may use, or the linker finds two definitions: `nm -A libc.a` tells which.
# - struct _reent belongs to a thread: __getreent() comes from libos. The first thread's must be _impure_ptr, since
#   exit() and the list of open files use that one. libos/include/sys/config.h makes the standard streams global.
# - Locks: newlib is built with retargetable locking. libos defines struct __lock, the nine objects
#   __lock___{sinit_recursive,sfp_recursive,atexit_recursive,at_quick_exit,malloc_recursive,env_recursive,tz,dd_hash,
#   arc4random}_mutex and all ten __retarget_lock_* functions (libc/misc/lock.c of newlib lists them). They may be
#   called before the first thread switch and from any thread. __malloc_lock and __malloc_unlock use them too.
# - A thread is never cancelled inside stdio (newlib.sh takes newlib's pthread_setcancelstate calls out).
# - mkstemp and friends use open and getpid; arc4random asks getentropy; aligned_alloc asks posix_memalign.
# - newlib declares but lacks on this target, so libos defines what it supports of: flockfile ftrylockfile funlockfile,
#   sigaction and the other signal-mask functions, pthread_*, sem_*, sched_*, clock_*, nanosleep, usleep, sleep, opendir
#   and family, dup, dup2, pipe, access, chdir, getcwd, ftruncate, fsync, realpath, regcomp, glob, popen, getpw*.
# - libos runs .preinit_array, .init_array and .fini_array itself.
# - stat.st_blksize is the size of a FILE's buffer.
# - _Thread_local is local-exec: the thread pointer is the base of fs, the block as pvboot/guest.ld describes it.
# - The compiler defines neither __linux__ nor __unix__ for newlib; coracle-cc defines __unix__ and __coracle__.
# - Long double has 80 bits in printf, scanf and strtold. newlib 3.3's libm has few long double functions here.

SYSROOT := $(BUILD)/sysroot
NEWLIB_SRC ?= /usr/src/newlib/newlib-3.3.0.tar.xz
NEWLIB_DIR := $(SYSROOT)/x86_64-coracle-elf
NEWLIB_STAMP := $(BUILD)/newlib/stamp
LIBCORACLE := $(SYSROOT)/lib/libcoracle.a
SYSROOT_HEADERS := $(SYSROOT)/include/.stamp

GCC_INCLUDE = $(eval GCC_INCLUDE := $(shell $(GUEST_CC) -print-file-name=include))$(GCC_INCLUDE)
SYSROOT_CFLAGS = -nostdinc -isystem libos/include -isystem $(NEWLIB_DIR)/include -isystem $(GCC_INCLUDE) \
	-U__linux__ -U__linux -Ulinux -U__gnu_linux__ -D__coracle__=1 -D_GNU_SOURCE

# The headers of libos/include that newlib itself is compiled with: those that fix layouts or features. A change of one
# builds newlib anew; the others are for libos and programs only.
NEWLIB_HEADERS := $(patsubst libos/include/%,%,$(wildcard libos/include/machine/*.h \
	$(addprefix libos/include/sys/,_pthreadtypes.h _types.h config.h features.h select.h stat.h types.h)))

$(NEWLIB_STAMP): libos/newlib.sh $(addprefix libos/include/,$(NEWLIB_HEADERS))
	$(call say,NEWLIB,C library for guests - about a minute; log: $(BUILD)/newlib/log)
	$(Q)libos/newlib.sh $(NEWLIB_SRC) $(@D) $(SYSROOT) libos/include $(NEWLIB_HEADERS)
	@touch $@

$(SYSROOT_HEADERS): $(NEWLIB_STAMP) $(shell find libos/include -name '*.h')
	@rm -rf $(@D) && mkdir -p $(@D) && cp -R libos/include/. $(@D)/
	@touch $@

$(SYSROOT)/lib/%.o: $(BUILD)/pvboot/%.o
	@mkdir -p $(@D) && cp $< $@

$(SYSROOT)/lib/guest.ld: pvboot/guest.ld
	@mkdir -p $(@D) && cp $< $@

SYSROOT_READY := $(LIBCORACLE) $(SYSROOT_HEADERS) $(addprefix $(SYSROOT)/lib/,start.o notes.o guest.ld)
ALL += $(SYSROOT_READY)
