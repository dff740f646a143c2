//! Numbers of system calls, for the architecture and for the 32-bit one that its kernel runs too.

use std::str::FromStr;

use oci_spec::runtime::Arch;
use syscalls::Sysno;

/// An architecture with its audit number (`linux/audit.h`) and its table of calls.
pub(super) type Table = (Arch, u32, fn(&str) -> Option<u32>);

#[cfg(target_arch = "x86_64")]
pub(super) const NATIVE_AUDIT: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub(super) const NATIVE_AUDIT: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
pub(super) const NATIVE_AUDIT: u32 = 0xc000_00f3;

#[cfg(target_arch = "x86_64")]
pub(super) const COMPAT: Option<Table> = Some((Arch::ScmpArchX86, 0x4000_0003, x86));
#[cfg(target_arch = "aarch64")]
pub(super) const COMPAT: Option<Table> = Some((Arch::ScmpArchArm, 0x4000_0028, arm));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) const COMPAT: Option<Table> = None;

pub(super) fn native(name: &str) -> Option<u32> {
    Sysno::from_str(name).ok().and_then(|number| u32::try_from(number.id()).ok())
}

#[cfg(target_arch = "x86_64")]
fn x86(name: &str) -> Option<u32> {
    let number = syscalls::x86::Sysno::from_str(name).ok()?;
    u32::try_from(number.id()).ok()
}

#[cfg(target_arch = "aarch64")]
fn arm(name: &str) -> Option<u32> {
    let number = syscalls::arm::Sysno::from_str(name).ok()?;
    u32::try_from(number.id()).ok()
}
