//! The machine's own network: loopback, the uplink to QEMU's user-mode network, names.
//!
//! QEMU's user-mode network always has the same addresses, so nothing is asked for by
//! DHCP. Every failure here is reported and passed over: a machine without network
//! still runs the containers it has.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use rustix::system::sethostname;

use crate::{console, sys};

const HOST_NAME: &str = "naru";
const UPLINK: &str = "eth0";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const NETMASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

/// Kernel settings that containers need, under `/proc/sys`.
const SYSCTLS: [(&str, &str); 4] = [
    ("net/ipv4/ip_forward", "1"),
    // Databases and search engines map many files; Docker Desktop's VM has this value.
    ("vm/max_map_count", "262144"),
    // Development servers watch whole source trees.
    ("fs/inotify/max_user_watches", "524288"),
    ("fs/inotify/max_user_instances", "8192"),
];

/// Configures interfaces, name resolution and kernel settings.
pub(crate) fn configure() {
    report("set the host name", sethostname(HOST_NAME.as_bytes()).map_err(io::Error::from));
    report("bring up lo", sys::interface_up("lo"));
    report("bring up the network", uplink());
    let hosts = format!("127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t{HOST_NAME}\n");
    report("write /etc/hosts", fs::write("/etc/hosts", hosts));
    report("write /etc/resolv.conf", fs::write("/etc/resolv.conf", format!("nameserver {DNS}\n")));
    for (name, value) in SYSCTLS {
        report(&format!("set {name}"), fs::write(format!("/proc/sys/{name}"), value));
    }
}

fn uplink() -> io::Result<()> {
    sys::set_address(UPLINK, ADDRESS, NETMASK)?;
    sys::interface_up(UPLINK)?;
    sys::add_default_route(GATEWAY)
}

fn report(operation: &str, result: io::Result<()>) {
    if let Err(error) = result {
        console::error(&format!("cannot {operation}: {error}"));
    }
}
