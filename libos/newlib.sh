#!/bin/bash
# SPDX-License-Identifier: MIT
# newlib.sh TARBALL WORK PREFIX FOLDER [HEADER...]: build newlib, unmodified, from TARBALL inside WORK and install it as
# PREFIX/x86_64-coracle-elf/{include,lib}. The named headers of FOLDER (paths below it) stand before newlib's own; it
# sees no others of them. libos/sysroot.mk says what the options are for.
set -euo pipefail
[ $# -ge 4 ] || { echo 'usage: newlib.sh TARBALL WORK PREFIX FOLDER [HEADER...]' >&2; exit 2; }
tarball=$1 work=$2 prefix=$3 folder=$4
shift 4
target=x86_64-coracle-elf

fail() {
    echo "newlib: $1" >&2
    [ ! -s "$work/log" ] || { tail -n 20 "$work/log" | sed 's/^/    | /' >&2; echo "    the whole log: $work/log" >&2; }
    exit 1
}

[ -r "$tarball" ] || fail "expected the sources in $tarball (Debian's newlib-source), found nothing; NEWLIB_SRC= names another tarball"
rm -rf "$work" "$prefix/$target"
mkdir -p "$work/source" "$work/object" "$work/headers" "$prefix"
work=$(cd "$work" && pwd) prefix=$(cd "$prefix" && pwd)
for header in "$@"; do
    install -D -m 644 "$folder/$header" "$work/headers/$header"
done
# Around every stdio operation newlib forbids the cancellation of the thread. libos has no asynchronous cancellation
# and no cancellation point below stdio, so that would be two calls for nothing.
cat >"$work/headers/pthread.h" <<EOF
#include_next <pthread.h>
#define pthread_setcancelstate(state, old) ((void)0)
EOF
tar -xf "$tarball" -C "$work/source" --strip-components=1 --no-same-owner >"$work/log" 2>&1 || fail "cannot unpack $tarball"

code='-std=gnu99 -w -O2 -mno-red-zone -fno-pie -ffunction-sections -fdata-sections -fno-stack-protector
    -fstack-clash-protection -fcf-protection=none -fno-asynchronous-unwind-tables'
system="-nostdinc -I$work/headers -idirafter $(gcc -print-file-name=include)
    -U__linux__ -U__linux -Ulinux -U__gnu_linux__ -U__unix__ -U__unix -Uunix"
hooks='-DHAVE_BLKSIZE -DHAVE_FCNTL -DHAVE_RENAME -D_rename=rename -DNO_EXEC'
flags=$(echo $code $system $hooks)

tools=(CC_FOR_TARGET=gcc AR_FOR_TARGET=ar AS_FOR_TARGET=as LD_FOR_TARGET=ld NM_FOR_TARGET=nm
    RANLIB_FOR_TARGET=ranlib STRIP_FOR_TARGET=strip OBJDUMP_FOR_TARGET=objdump READELF_FOR_TARGET=readelf
    MAKEINFO=: "CFLAGS_FOR_TARGET=$flags")
features=(--disable-multilib --disable-libgloss --disable-nls --disable-newlib-supplied-syscalls
    --enable-newlib-io-c99-formats --enable-newlib-io-long-long --enable-newlib-io-long-double
    --enable-newlib-io-pos-args --enable-newlib-retargetable-locking)

# Nothing of the caller's make or environment may reach newlib's own build.
clean() { env -i PATH="$PATH" HOME="${HOME:-/}" TMPDIR="${TMPDIR:-/tmp}" LC_ALL=C CONFIG_SHELL=/bin/sh "$@" >>"$work/log" 2>&1 </dev/null; }

cd "$work/object"
clean /bin/sh ../source/configure --target=$target --prefix="$prefix" "${features[@]}" "${tools[@]}" || fail 'configure failed'
clean make -j"$(nproc)" all-target-newlib MAKEINFO=: || fail 'the build failed'
clean make install-target-newlib MAKEINFO=: || fail 'the installation failed'
[ -r "$prefix/$target/lib/libc.a" ] && [ -r "$prefix/$target/lib/libm.a" ] || fail 'expected libc.a and libm.a, found none'
rm -rf "$work/source" "$work/object"
