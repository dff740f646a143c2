//! The emulator of the other architecture's programs, which the kernel runs them with.
//!
//! It is QEMU's user-mode emulator, as Debian builds it (`qemu-user-static`). The kernel is told
//! of it through `binfmt_misc` (its documentation, "Kernel Support for miscellaneous Binary
//! Formats") once for all containers, which need nothing of it in their images.

use std::fs;
use std::io;

use rustix::mount::{MountFlags, mount};

use crate::console;

/// Where the image has it.
const PROGRAM: &str =
    if cfg!(target_arch = "aarch64") { "/usr/bin/qemu-x86_64" } else { "/usr/bin/qemu-aarch64" };
const NAME: &str = if cfg!(target_arch = "aarch64") { "qemu-x86_64" } else { "qemu-aarch64" };
/// `e_machine` of the programs that it is for (`elf(5)`), as the kernel unescapes it.
const MACHINE: &str = if cfg!(target_arch = "aarch64") { r"\x3e" } else { r"\xb7" };

const DIRECTORY: &str = "/proc/sys/fs/binfmt_misc";
/// `P`: the program is told its own name as it was called. `O`, `C`: it is opened by the kernel,
/// and has the rights that its own file gives it, as a program of the machine's architecture has.
/// `F`: the kernel opens the emulator now, so that it is the same one in every container.
const FLAGS: &str = "POCF";

/// Tells the kernel of it. Without it programs of the other architecture do not run, and all else
/// does.
pub(crate) fn register() {
    if let Err(error) = mounted_and_registered() {
        console::error(&format!("cannot register {PROGRAM} with the kernel: {error}"));
    }
}

fn mounted_and_registered() -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("binfmt_misc", DIRECTORY, "binfmt_misc", flags, c"")?;
    fs::write(format!("{DIRECTORY}/register"), rule())
}

/// Programs and shared objects of 64 bits, the least byte first, of any system's ABI: so have
/// Debian's own rules it.
fn rule() -> String {
    let magic =
        format!(r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00{MACHINE}\x00");
    let mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
    format!(":{NAME}:M::{magic}:{mask}:{PROGRAM}:{FLAGS}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magic_and_mask_are_equally_long() {
        let rule = rule();
        let fields: Vec<&str> = rule.split(':').collect();
        assert_eq!((fields[0], fields[1], fields[2], fields.len()), ("", NAME, "M", 8));
        let length = |field: &str| {
            let escaped = field.matches(r"\x").count();
            escaped + field.len() - 4 * escaped
        };
        assert_eq!((length(fields[4]), length(fields[5])), (20, 20));
    }
}
