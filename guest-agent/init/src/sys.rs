//! The calls that have no safe wrapper: interface and ext4 ioctls, and what a child
//! does between fork and exec.
#![expect(unsafe_code, reason = "these ioctls and pre_exec have no safe wrapper")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "libc's constants are wider than the fields they are for"
)]

use std::fs::File;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::SigSet;
use rustix::ioctl::{Opcode, Setter, Updater, ioctl, opcode};

/// `EXT4_IOC_RESIZE_FS` of the kernel's `fs/ext4/ext4.h`; the argument is the new
/// number of blocks.
const RESIZE_FS: Opcode = opcode::write::<u64>(b'f', 16);

const SIOCGIFFLAGS: Opcode = libc::SIOCGIFFLAGS as Opcode;
const SIOCSIFFLAGS: Opcode = libc::SIOCSIFFLAGS as Opcode;
const SIOCSIFADDR: Opcode = libc::SIOCSIFADDR as Opcode;
const SIOCSIFNETMASK: Opcode = libc::SIOCSIFNETMASK as Opcode;
const SIOCADDRT: Opcode = libc::SIOCADDRT as Opcode;

/// Grows the mounted ext4 file system that `mounted` lies on to `blocks` blocks.
pub(crate) fn resize_ext4(mounted: &File, blocks: u64) -> io::Result<()> {
    // SAFETY: the kernel reads one u64 through the pointer, which is what Setter gives it.
    let request = unsafe { Setter::<RESIZE_FS, u64>::new(blocks) };
    // SAFETY: opcode and argument type belong together (see above).
    Ok(unsafe { ioctl(mounted.as_fd(), request) }?)
}

/// Brings a network interface up.
pub(crate) fn interface_up(name: &str) -> io::Result<()> {
    let socket = control_socket()?;
    let mut request = interface_request(name)?;
    // SAFETY: SIOCGIFFLAGS reads and writes one ifreq, which is what Updater points to.
    let get = unsafe { Updater::<SIOCGIFFLAGS, libc::ifreq>::new(&mut request) };
    // SAFETY: opcode and argument type belong together (see above).
    unsafe { ioctl(socket.as_fd(), get) }?;
    // SAFETY: SIOCGIFFLAGS has just filled in the flags.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    let up = libc::c_short::try_from(libc::IFF_UP).map_err(io::Error::other)?;
    request.ifr_ifru.ifru_flags = flags | up;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which is what Setter gives it.
    let set = unsafe { Setter::<SIOCSIFFLAGS, libc::ifreq>::new(request) };
    // SAFETY: opcode and argument type belong together (see above).
    Ok(unsafe { ioctl(socket.as_fd(), set) }?)
}

/// Gives a network interface its IPv4 address and netmask.
pub(crate) fn set_address(name: &str, address: Ipv4Addr, netmask: Ipv4Addr) -> io::Result<()> {
    let socket = control_socket()?;
    let mut request = interface_request(name)?;
    request.ifr_ifru.ifru_addr = socket_address(address);
    // SAFETY: SIOCSIFADDR reads one ifreq, which is what Setter gives it.
    let set = unsafe { Setter::<SIOCSIFADDR, libc::ifreq>::new(request) };
    // SAFETY: opcode and argument type belong together (see above).
    unsafe { ioctl(socket.as_fd(), set) }?;
    request.ifr_ifru.ifru_netmask = socket_address(netmask);
    // SAFETY: SIOCSIFNETMASK reads one ifreq, which is what Setter gives it.
    let set = unsafe { Setter::<SIOCSIFNETMASK, libc::ifreq>::new(request) };
    // SAFETY: opcode and argument type belong together (see above).
    Ok(unsafe { ioctl(socket.as_fd(), set) }?)
}

/// Adds the default route through `gateway`.
pub(crate) fn add_default_route(gateway: Ipv4Addr) -> io::Result<()> {
    let socket = control_socket()?;
    // SAFETY: rtentry is plain old data, for which all zeros is a value.
    let mut route: libc::rtentry = unsafe { mem::zeroed() };
    route.rt_dst = socket_address(Ipv4Addr::UNSPECIFIED);
    route.rt_genmask = socket_address(Ipv4Addr::UNSPECIFIED);
    route.rt_gateway = socket_address(gateway);
    route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
    // SAFETY: SIOCADDRT reads one rtentry, which is what Setter gives it.
    let add = unsafe { Setter::<SIOCADDRT, libc::rtentry>::new(route) };
    // SAFETY: opcode and argument type belong together (see above).
    Ok(unsafe { ioctl(socket.as_fd(), add) }?)
}

/// Makes the child start with no signal blocked: it inherits init's mask otherwise,
/// and the engine would never see SIGTERM.
pub(crate) fn prepare_child(command: &mut Command) -> &mut Command {
    let unblock = || SigSet::empty().thread_set_mask().map_err(io::Error::from);
    // SAFETY: between fork and exec the closure makes one async-signal-safe system call.
    unsafe { command.pre_exec(unblock) }
}

/// Interface ioctls want any socket of the family; an unbound UDP one has no effect.
fn control_socket() -> io::Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
}

fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: ifreq is plain old data, for which all zeros is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // The last byte stays zero: the name is a C string.
    let room = request.ifr_name.len() - 1;
    if name.len() > room {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    Ok(request)
}

/// An IPv4 address as a `sockaddr_in` in the shape of the generic `sockaddr`.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    // sockaddr_in: two bytes of port, then the address in network byte order.
    for (to, from) in data[2..6].iter_mut().zip(address.octets()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    libc::sockaddr { sa_family: libc::AF_INET as libc::sa_family_t, sa_data: data }
}
