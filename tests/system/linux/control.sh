#!/busybox sh
# SPDX-License-Identifier: MIT
# The first process of Debian's Linux as the control domain of stock Xen. It starts Xen's store and consoles, and with xl domains
# whose images are ours: each disk is one of Linux's, each interface leads to Linux.
/busybox mkdir -p /bin /proc /dev /sys /tmp /run /var/run/xen /var/lib/xen /var/lock /var/log/xen/console /etc/xen/scripts
/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
mkdir /dev/pts
mount -t devpts pts /dev/pts
for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk \
    xen-evtchn xen-gntdev xen-privcmd xenfs xen-netback xen-blkback; do
    insmod "/modules/$module.ko" || echo "init: $module was refused"
done
mount -t xenfs xenfs /proc/xen
ip link set lo up
echo 'autoballoon="off"' >/etc/xen/xl.conf
xenstored --pid-file /run/xenstored.pid
xen-init-dom0
xenconsoled --log=guest --log-dir=/var/log/xen/console

# The scripts of devices that xl runs. Our end of the interface of 10.9.N.1 is 10.9.N.2.
cat >/etc/xen/scripts/vif <<'END'
#!/busybox sh
[ "$1" = online ] || exit 0
ip=$(xenstore read "$XENBUS_PATH/ip")
ip address add "${ip%.*}.2/24" dev "$vif"
ip link set "$vif" up
xenstore write "$XENBUS_PATH/hotplug-status" connected
END
cat >/etc/xen/scripts/block <<'END'
#!/busybox sh
[ "$1" = add ] || exit 0
device=$(xenstore read "$XENBUS_PATH/params")
xenstore write "$XENBUS_PATH/physical-device" "$(stat -c %t:%T "$device")" "$XENBUS_PATH/hotplug-status" connected
END
chmod 755 /etc/xen/scripts/*

# need WHAT COMMAND...: the command must succeed.
need() {
    what=$1
    shift
    if "$@"; then echo "init: ok $what"; else echo "init: not ok $what"; fi
}

# says NAME TEXT: waits until the domain has said it.
says() {
    until grep -q "$2" "/var/log/xen/console/guest-$1.log" 2>/dev/null; do usleep 100000; done
}

# An interface: pages of our web server, small and large.
need "to create web" xl create -q /configs/web.cfg
says web "httpd: serving"
until ping -c 1 10.9.1.1 >/dev/null; do :; done
need "a page" wget -q -O /tmp/page http://10.9.1.1/
need "the page" cmp /tmp/page /site/index.html
need "a large page" wget -q -O /tmp/large http://10.9.1.1/large
need "the large page" cmp /tmp/large /site/large
need "an end when asked" xl shutdown -w web

# What we send comes back, on two queues; and again when the interface has been taken away and another has come.
echoes() {
    until ping -c 1 10.9.2.1 >/dev/null; do :; done
    nc 10.9.2.1 7 </site/large | head -c "$(stat -c %s /site/large)" >/tmp/back
    need "what was sent" cmp /tmp/back /site/large
}
need "to create echo" xl create -q /configs/echo.cfg
says echo "echo: TCP"
echoes
vif=/local/domain/$(xl domid echo)/device/vif
need "two queues" [ "$(xenstore read $vif/0/multi-queue-num-queues)" = 2 ]
need "to take the interface" xl network-detach echo 0
need "nothing left of it" [ -z "$(xenstore list $vif)" ]
need "to give another" xl network-attach echo ip=10.9.2.1/24 script=vif
echoes
need "to destroy echo" xl destroy echo

# Disks: with rings of several pages, opened and closed again and again; one is taken away in use, and another comes.
need "to create disk" xl create -q /configs/disk.cfg
says disk holding
need "four pages" [ "$(xenstore read "/local/domain/$(xl domid disk)/device/vbd/51712/ring-page-order")" = 2 ]
need "to take the disk" xl block-detach disk xvda
need "to give it again" xl block-attach disk /dev/vda raw xvdc w
says disk done
cat /var/log/xen/console/guest-disk.log
while xl domid disk >/dev/null 2>&1; do usleep 100000; done
need "no device left" [ -z "$(xenstore list /local/domain/0/backend/vbd 2>/dev/null)$(xenstore list /local/domain/0/backend/vif 2>/dev/null)" ]

echo "init: end of steps"
reboot -f
