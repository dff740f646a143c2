//! The system calls that neither `rustix` nor `nix` offers as safe functions.
#![expect(unsafe_code, reason = "raw system calls; each block says why it is sound")]

mod devices;
mod mounts;

use std::ffi::{CStr, CString};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::sys::signal::SigSet;
use rustix::process::Pid;
use rustix::thread::{UnshareFlags, unshare_unsafe};

pub(crate) use devices::{attach_device_program, load_device_program};
pub(crate) use mounts::{MountAttributes, map_ids, mount_setattr};

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

/// Makes every descriptor from `first` on close when the process execs.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: marking descriptors closes none of them now, and touches no memory.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Closes every descriptor from `first` on, whoever owns it: for a process that uses none of
/// them any more and drops nothing.
pub(crate) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: no memory is touched, and the caller never uses a descriptor of these again.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives the process a session keyring of its own, so that it cannot see its parent's.
pub(crate) fn join_new_keyring() -> io::Result<()> {
    /// `KEYCTL_JOIN_SESSION_KEYRING` of `linux/keyctl.h`.
    const JOIN_SESSION_KEYRING: libc::c_int = 1;
    let anonymous = ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for a keyring without one; no memory is touched.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, anonymous) };
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets the process's execution domain (`personality(2)`).
pub(crate) fn set_personality(domain: u64) -> io::Result<()> {
    // SAFETY: an integer is passed; what it changes shows only in later system calls.
    let result = unsafe { libc::syscall(libc::SYS_personality, domain) };
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
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

/// Waits for one of the signals, which must be blocked; gives its number. Real-time signals,
/// which have no names in `nix`, are numbers like others.
pub(crate) fn await_signal(signals: &SigSet) -> io::Result<i32> {
    // SAFETY: the set is initialised, and no `siginfo` is asked for.
    let signal = unsafe { libc::sigwaitinfo(signals.as_ref(), ptr::null_mut()) };
    if signal > 0 { Ok(signal) } else { Err(io::Error::last_os_error()) }
}

/// Sends a signal by number to a child of this process that it has not yet waited for.
pub(crate) fn kill(child: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: only integers are passed.
    let result = unsafe { libc::kill(child.as_raw_pid(), signal) };
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
