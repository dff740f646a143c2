//! BPF programs that decide about devices.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// Loads a program of type `BPF_PROG_TYPE_CGROUP_DEVICE`.
pub(crate) fn load_device_program(program: &[u64]) -> io::Result<OwnedFd> {
    /// `union bpf_attr` for `BPF_PROG_LOAD`, as far as it is used; the kernel takes the rest
    /// for zero.
    #[repr(C)]
    struct Load {
        kind: u32,
        instructions_count: u32,
        instructions: u64,
        license: u64,
    }
    let attributes = Load {
        kind: 15,
        instructions_count: u32::try_from(program.len())
            .map_err(|_| io::ErrorKind::InvalidInput)?,
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
    };
    let descriptor = bpf(5, &attributes)?;
    // SAFETY: the kernel returned a descriptor that nobody else knows of.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Puts a device program on a cgroup, beside those that the group's parents have.
pub(crate) fn attach_device_program(
    program: BorrowedFd<'_>,
    cgroup: BorrowedFd<'_>,
) -> io::Result<()> {
    /// `union bpf_attr` for `BPF_PROG_ATTACH`.
    #[repr(C)]
    struct Attach {
        cgroup: RawFd,
        program: RawFd,
        kind: u32,
        flags: u32,
    }
    let attributes = Attach {
        cgroup: cgroup.as_raw_fd(),
        program: program.as_raw_fd(),
        kind: 6,  // BPF_CGROUP_DEVICE
        flags: 2, // BPF_F_ALLOW_MULTI
    };
    bpf(8, &attributes).map(drop)
}

/// `bpf(2)`; `attributes` is the part of `union bpf_attr` that belongs to the command.
fn bpf<T>(command: i32, attributes: &T) -> io::Result<RawFd> {
    // SAFETY: the kernel reads as many bytes as the structure has, and the pointers in it are to
    // memory that the caller keeps for the time of the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_ref(attributes), size_of::<T>()) };
    i32::try_from(result).ok().filter(|result| *result >= 0).ok_or_else(io::Error::last_os_error)
}
