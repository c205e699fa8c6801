#!/busybox sh
# SPDX-License-Identifier: MIT
# The first process of Debian's Linux as an ordinary domain. Each line of its console is a command, most of them one of the
# functions below; "init: COMMAND ended STATUS" is said of each.
/busybox mkdir -p /proc /dev /sys /tmp /bin
/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys

# need WHAT COMMAND...: the command must succeed.
need() {
    what=$1
    shift
    "$@" && return
    echo "init: expected: $what"
    status=1
}

await() {
    until [ -e "$1" ]; do usleep 100000; done
}

# load MODULE PARAMETER...
load() {
    module=$1
    shift
    need "to load $module" insmod "/modules/$module.ko" "$@"
}

# same FILE SKIP UNIT COUNT: what the disk holds there is what the file holds; not what Linux remembers of it.
same() {
    echo 3 >/proc/sys/vm/drop_caches
    dd if=/dev/xvda bs="$3" skip="$2" count="$4" 2>/tmp/log | cmp - "$1"
}

# A word more behind a command makes another line of it, that can be told from the first.

# disk QUEUES: what blkback offers is used; reading, writing (direct, in large requests, from both processors), flushing.
disk() {
    await /dev/xvda
    queue=/sys/block/xvda/queue
    need "a disk that must be flushed" grep -q 'write back' $queue/write_cache
    need "$1 queues" [ "$(ls /sys/block/xvda/mq | wc -l)" = "$1" ]
    need "indirect segments" [ "$(cat $queue/max_segments)" -ge 32 ]
    # The first MiB, and behind it its sum.
    sum=$(dd if=/dev/xvda bs=64 skip=16384 count=1 2>/tmp/log)
    need "the disk's content" [ "$(dd if=/dev/xvda bs=1M count=1 2>/tmp/log | sha256sum | cut -c -64)" = "$sum" ]
    dd if=/dev/urandom of=/tmp/data bs=64k count=16 2>/tmp/log
    taskset 1 dd if=/tmp/data of=/dev/xvda bs=128k seek=32 oflag=direct conv=fsync 2>/tmp/log &
    taskset 2 dd if=/tmp/data of=/dev/xvda bs=4k seek=2048 conv=fsync 2>/tmp/log2
    wait
    need "what was written directly" same /tmp/data 4 1M 1
    need "what was written" same /tmp/data 2048 4k 256
    need "to write for the host to see" dd if=/busybox of=/dev/xvda bs=64k seek=192 conv=sync,fsync
}

discard() {
    need "to discard" blkdiscard -o $((2 << 20)) -l $((1 << 20)) /dev/xvda
}

read_only() {
    await /dev/xvdb
    need "a disk that is read-only" [ "$(cat /sys/block/xvdb/ro)" = 1 ]
    need "its content" [ "$(dd if=/dev/xvdb bs=9 count=1 2>/tmp/log)" = "read-only" ]
    ! dd if=/dev/zero of=/dev/xvdb count=1 2>/tmp/log || need "no writing" false
}

# gone NAME...: there are no such interfaces and disks any more.
gone() {
    for name in "$@"; do
        while [ -e "/sys/class/net/$name" ] || [ -e "/sys/block/$name" ]; do usleep 100000; done
    done
}

# eth0 is on the bridge with a card: an address from the network behind it.
dhcp() {
    await /sys/class/net/eth0
    ip link set eth0 up
    printf '#!/busybox sh\n[ "$1" != bound ] || /busybox ifconfig $interface $ip netmask $subnet up\n' >/tmp/udhcpc
    chmod 755 /tmp/udhcpc
    need "an address" udhcpc -i eth0 -n -q -t 20 -s /tmp/udhcpc
    need "an answer to ping" ping -c 1 10.0.2.2
}

# A server that is an image of ours, on the bridge of eth1: a large transfer there and back.
echoes() {
    await /sys/class/net/eth1
    ip address add 10.9.0.2/24 dev eth1
    ip link set eth1 up
    [ -e /tmp/data ] || dd if=/dev/urandom of=/tmp/data bs=64k count=16 2>/tmp/log
    nc 10.9.0.1 7 </tmp/data | head -c 1048576 >/tmp/back
    need "what was sent" cmp /tmp/data /tmp/back
}

# eth2, on the same bridge, in a network of its own: what goes between it and eth1 passes through the backend.
between() {
    await /sys/class/net/eth2
    unshare -n /busybox sleep 100000 &
    other=$!
    httpd -p 80 -h /tmp
    until nsenter -t $other -n httpd -p 80 -h /tmp; do usleep 100000; done 2>/tmp/log
    until ip link set eth2 netns "$other" 2>/tmp/log; do usleep 100000; done
    nsenter -t $other -n ip address add 10.9.0.3/24 dev eth2
    nsenter -t $other -n ip link set eth2 up
}

# Large pages, in frames of many segments, and nothing but acknowledgements the other way.
from_eth2() {
    need "a page from eth2" wget -q -O /tmp/there http://10.9.0.3/data
    need "eth2's page" cmp /tmp/data /tmp/there
}

from_eth1() {
    need "a page from eth1" nsenter -t $other -n wget -q -O /tmp/here http://10.9.0.2/data
    need "eth1's page" cmp /tmp/data /tmp/here
}

# The driver lets go of eth1 and takes it again, which connects anew. (That of disks takes only new ones.)
rebind() {
    need "to unbind eth1" sh -c "echo vif-1 >/sys/bus/xen/drivers/vif/unbind"
    gone eth1
    need "to bind eth1" sh -c "echo vif-1 >/sys/bus/xen/drivers/vif/bind"
}

run() {
    status=0
    "$@" || status=1
    echo "init: $* ended $status"
}

load xen-netfront
load xen-blkfront max_ring_page_order=2
echo "init: runs on $(uname -s) with $(grep -c ^processor /proc/cpuinfo) processors in $(cat /sys/hypervisor/type)"
while read -r line; do
    run $line
done
