//! The system calls that neither `rustix` nor `nix` offers as safe functions.
#![expect(unsafe_code, reason = "raw system calls; each block says why it is sound")]

use std::ffi::{CStr, CString};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// `linux/sched.h`; the C library's constant is an `int`, which the value does not fit.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a fork this is.
#[derive(Debug)]
pub(crate) enum Forked {
    /// The new process.
    Child,
    /// The one that asked.
    Parent {
        /// The child's id in the caller's PID namespace.
        pid: Pid,
        /// A descriptor that stays true to the child when the id is used again.
        pidfd: OwnedFd,
    },
}

/// Forks with `clone3(2)`: into new namespaces (`flags`) and into a cgroup.
///
/// The process must have one thread, because the child goes on running ordinary Rust; the
/// caller checks this.
pub(crate) fn fork(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    // SAFETY: `clone_args` is plain integers, for which zero is a valid value.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = ptr::from_mut(&mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::try_from(cgroup.as_raw_fd()).unwrap_or_default();
    }
    // SAFETY: without CLONE_VM this is a fork: the child gets a copy of the memory, `args` is
    // read and `pidfd` written during the call only. The process has one thread (see above), so
    // no lock can be held by a thread that the child lacks.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of_val(&args)) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => {
            // SAFETY: the kernel stored a descriptor that nobody else knows of.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            pid.map(|pid| Forked::Parent { pid, pidfd }).ok_or_else(|| io::ErrorKind::Other.into())
        }
    }
}

/// Ends the process at once: no destructor and no exit handler of the parent's copy runs.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` takes any number and touches no memory.
    unsafe { libc::_exit(status) }
}

/// Moves the calling thread into new namespaces.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES), "descriptors stay shared");
    // SAFETY: descriptors are not unshared, so every descriptor keeps its meaning.
    unsafe { unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// What to change on a mount (`mount_setattr(2)`); the fields are the kernel's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MountAttributes {
    /// `MOUNT_ATTR_*` to set.
    pub(crate) set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub(crate) clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0.
    pub(crate) propagation: u64,
}

/// Changes a mount, and with `recursive` those below it.
pub(crate) fn mount_setattr(
    mount: BorrowedFd<'_>,
    recursive: bool,
    attributes: MountAttributes,
) -> io::Result<()> {
    let mut attr = libc::mount_attr {
        attr_set: attributes.set,
        attr_clr: attributes.clear,
        propagation: attributes.propagation,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string and `attr` a structure of the length given; both are read
    // during the call only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw mut attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes every descriptor from `first` on close when the process execs.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: marking descriptors closes none of them now, and touches no memory.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Loads a seccomp filter for the calling thread. Needs `no_new_privs` or `CAP_SYS_ADMIN`.
pub(crate) fn load_seccomp(program: &mut [libc::sock_filter], flags: u32) -> io::Result<()> {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: `filter` points to `len` instructions, which the kernel copies.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::c_ulong::from(flags),
            &raw const filter,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Signals that the kernel has, real-time ones included (`_NSIG`).
const SIGNALS: i32 = 64;

/// Puts every signal back to its default action and lets all of them through, as a program
/// expects to find them.
pub(crate) fn reset_signals() -> io::Result<()> {
    // All zero means SIG_DFL, no flags and no mask. The kernel is asked directly, because the C
    // library refuses the two numbers that it uses itself, and a parent can have them ignored.
    let default = [0_u64; 4];
    for signal in 1..=SIGNALS {
        // SAFETY: `default` is as large as the kernel's `sigaction` on every architecture, and
        // sets no handler. SIGKILL and SIGSTOP are refused, which is as it should be.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null::<u64>(),
                size_of::<u64>(),
            )
        };
    }
    // SAFETY: an all-zero `sigset_t` is valid memory for `sigemptyset` to fill.
    let mut none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `none` is a set of our own.
    unsafe { libc::sigemptyset(&raw mut none) };
    // SAFETY: `none` is initialised, and the old set is not asked for.
    let result = unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Replaces the process; returns only if that fails.
pub(crate) fn execve(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
    };
    let arguments = pointers(arguments);
    let environment = pointers(environment);
    // SAFETY: both arrays end with a null pointer, and the strings they point to outlive the
    // call, being borrowed by this function.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Sends a signal by number; real-time signals have no names in `rustix`.
pub(crate) fn pidfd_send_signal(process: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: no `siginfo` is given, so that only integers are passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

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
