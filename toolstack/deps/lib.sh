# SPDX-License-Identifier: MIT
# What the scripts of this folder share. Sourced by bash, never run.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

# die MESSAGE...: print each argument as a line of one error message and fail.
die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    shift
    [ $# -eq 0 ] || printf '    %s\n' "$@" >&2
    exit 1
}

# say WORD WHAT: the same progress line that the Makefile prints.
say() { printf '  %-8s %s\n' "$1" "$2"; }

# quietly LOG COMMAND...: run with all output to LOG; on failure return its status.
quietly() {
    local log=$1
    shift
    "$@" >>"$log" 2>&1 </dev/null
}

# private_apt DIR TYPE: write below DIR a copy of the system's APT sources in which every source has type TYPE
# (deb or deb-src), with its own index and cache folders, and set APT to the options that select it. The system's
# configuration (proxies, credentials, keys) stays in force and is not changed; no right of root is needed.
private_apt() {
    local dir type=$2 file
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    rm -rf "$dir/parts"
    mkdir -p "$dir/parts" "$dir/lists/partial" "$dir/cache/archives/partial"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -r "$file" ] && list_to_type "$type" <"$file" | sort -u >"$dir/parts/$(basename "$file" .list)-classic.list"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -r "$file" ] && stanzas_to_type "$type" <"$file" >"$dir/parts/$(basename "$file")"
    done
    cat >"$dir/apt.conf" <<EOF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$dir/parts";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir/cache";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::Retries "2";
EOF
    APT=(-c "$dir/apt.conf" -q)
}

# unpack_package PACKAGE DIR LOG HINT: downloads the newest version of a Debian package that a mirror has and unpacks it below
# DIR; nothing is installed. HINT: the last line of the message when that fails.
unpack_package() {
    local package=$1 dir=$2 log=$3 hint=$4
    rm -rf "$dir/deb" "$dir/tree"
    mkdir -p "$dir/deb" "$dir/tree"
    # First with the system's own package lists; without them, or when they are too old, with private ones.
    APT=(-q)
    if ! download_package "$package" "$dir/deb" "$log"; then
        private_apt "$dir/apt" deb
        quietly "$log" apt-get "${APT[@]}" update || true
        if ! download_package "$package" "$dir/deb" "$log"; then
            tail -n 15 "$log" | sed 's/^/    | /' >&2
            die "could not download the package $package." \
                'Expected a Debian 12 mirror among the sources in /etc/apt (the lines above are what apt-get said).' "$hint"
        fi
    fi
    dpkg -x "$dir"/deb/*.deb "$dir/tree"
}

# download_package PACKAGE DIR LOG: try every version that the index known to the options in APT lists, newest first.
download_package() {
    local version
    for version in $(apt-cache "${APT[@]}" madison "$1" 2>>"$3" | awk -F ' *[|] *' '{ print $2 }' | sort -rVu); do
        (cd "$2" && quietly "$3" apt-get "${APT[@]}" download "$1=$version") && return
    done
    return 1
}

# list_to_type TYPE: one-line sources from stdin with their type replaced; media that cannot be fetched are left out.
list_to_type() {
    sed -nE -e '/cdrom:/d' -e "s/^[[:space:]]*deb(-src)?[[:space:]]+/$1 /p"
}

# stanzas_to_type TYPE: deb822 sources from stdin with every Types field replaced. Comments go, since they may stand
# inside a field.
stanzas_to_type() {
    sed -E -e '/^#/d' -e "s/^[Tt]ypes:.*/Types: $1/"
}

# lists_are_fresh DIR: true when the package lists below the private folder DIR are younger than a day.
lists_are_fresh() {
    [ -n "$(find "$1/lists" -maxdepth 1 -type f -name '*_*' -mtime -1 -print -quit 2>/dev/null)" ]
}
