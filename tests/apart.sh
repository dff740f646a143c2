#!/bin/sh
# Runs a program in a network of its own, where all interfaces, rules and ports are its own:
# cases of conformance, e2e and the window that run side by side do not meet. Other tests are
# run as they are.
set -eu
case "${NEXTEST_BINARY_ID-}" in
naru-conformance::* | naru-desktop-tests::* | naru-e2e::*) ;;
*) exec "$@" ;;
esac
# /sys shows the interfaces of the network that it was mounted in.
exec unshare --net --mount -- sh -euc '
    ip link set lo up
    mount --rbind /sys/fs/cgroup /mnt
    mount -t sysfs sysfs /sys
    mount --rbind /mnt /sys/fs/cgroup
    umount -l /mnt
    exec "$@"' sh "$@"
