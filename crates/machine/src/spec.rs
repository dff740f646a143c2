//! What machine is to be started, down to the last file.

use std::fmt::{Display, Formatter, Result as FmtResult};
use std::path::{Path, PathBuf};

use crate::MachineError;

/// The guest's processor architecture. It is always the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// `x86_64`.
    X86_64,
    /// `aarch64`, also called arm64.
    Aarch64,
}

impl Arch {
    /// This computer's.
    pub fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 }
    }

    /// The name in file names: of QEMU's program, of the VM image's folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

/// The operating system that QEMU runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostOs {
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl HostOs {
    /// This computer's.
    pub fn current() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Linux
        }
    }
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accelerator {
    /// Linux's.
    Kvm,
    /// macOS's Hypervisor framework.
    Hvf,
    /// Windows Hypervisor Platform.
    Whpx,
    /// None: QEMU translates the instructions. Works everywhere, slowly.
    Tcg,
}

impl Accelerator {
    /// QEMU's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Hvf => "hvf",
            Self::Whpx => "whpx",
            Self::Tcg => "tcg",
        }
    }

    /// Whether the processor itself runs the guest.
    pub fn is_hardware(self) -> bool {
        self != Self::Tcg
    }
}

impl Display for Accelerator {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        f.write_str(self.as_str())
    }
}

/// What carries the byte streams between host and guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The kernel's vhost-vsock (Linux hosts).
    Vsock {
        /// The guest's address, 3 or higher.
        cid: u32,
    },
    /// A virtio-serial port of this name, on a character device in the runtime folder.
    VirtioSerial {
        /// The name by which the guest finds the port.
        port_name: String,
    },
    /// A user-space vsock device; for tests on hosts without the kernel's.
    VhostUserVsock {
        /// The device's vhost-user socket.
        socket: PathBuf,
    },
}

/// A specification as it is put together, not yet checked.
#[derive(Clone, Debug)]
pub struct MachineSpecDraft {
    /// The operating system QEMU runs on.
    pub os: HostOs,
    /// The guest's architecture.
    pub arch: Arch,
    /// What executes it.
    pub accelerator: Accelerator,
    /// The rate of the host's time stamp counter, where it has one: a translated guest
    /// reads that counter.
    pub tsc_khz: Option<u32>,
    /// The QEMU program.
    pub qemu: PathBuf,
    /// Virtual processors.
    pub cpus: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// An uncompressed `vmlinux` with a PVH entry on `x86_64`, an `Image` on `aarch64`.
    pub kernel: PathBuf,
    /// The initial ram file system.
    pub initramfs: PathBuf,
    /// Further kernel arguments, after Naru's own.
    pub extra_kernel_args: Vec<String>,
    /// The raw image of the data disk.
    pub data_disk: PathBuf,
    /// The serial number by which the guest finds that disk, at most 20 bytes.
    pub data_disk_serial: String,
    /// What carries the streams.
    pub carrier: Carrier,
    /// Where the sockets are made. Private to the user.
    pub runtime_dir: PathBuf,
    /// Where the serial console is appended to.
    pub serial_log: PathBuf,
}

/// A specification that can be started.
#[derive(Clone, Debug)]
pub struct MachineSpec(MachineSpecDraft);

impl MachineSpecDraft {
    /// With less the kernel does not unpack its initramfs reliably.
    pub const LEAST_MEMORY_MIB: u32 = 256;
    /// What QEMU's `q35` and `virt` take without further options.
    pub const MOST_CPUS: u32 = 255;
    /// What the virtio specification has room for.
    const LONGEST_SERIAL: usize = 20;
    /// `sun_path` of macOS, the shortest of the hosts'.
    const LONGEST_SOCKET_PATH: usize = 103;

    /// Checks every value.
    pub fn validate(self) -> Result<MachineSpec, MachineError> {
        if !(1..=Self::MOST_CPUS).contains(&self.cpus) {
            return Err(invalid("processors", self.cpus, format!("1 to {}", Self::MOST_CPUS)));
        }
        if self.memory_mib < Self::LEAST_MEMORY_MIB {
            let bound = format!("at least {} MiB", Self::LEAST_MEMORY_MIB);
            return Err(invalid("memory", format!("{} MiB", self.memory_mib), bound));
        }
        let serial = &self.data_disk_serial;
        if serial.is_empty() || serial.len() > Self::LONGEST_SERIAL {
            return Err(invalid("disk serial", serial, "1 to 20 bytes".to_owned()));
        }
        for argument in &self.extra_kernel_args {
            if argument.chars().any(char::is_control) {
                let reason = "it contains a control character".to_owned();
                return Err(invalid("kernel argument", format!("{argument:?}"), reason));
            }
        }
        let files = [&self.kernel, &self.initramfs, &self.data_disk, &self.serial_log];
        for path in files.into_iter().chain([&self.runtime_dir]) {
            if path.to_str().is_none_or(|text| text.chars().any(char::is_control)) {
                let reason = "QEMU takes UTF-8 without control characters".to_owned();
                return Err(invalid("path", path.display(), reason));
            }
        }
        if let Carrier::Vsock { cid } = self.carrier
            && !(3..u32::MAX).contains(&cid)
        {
            return Err(invalid("vsock address", cid, "3 to 4294967294".to_owned()));
        }
        let spec = MachineSpec(self);
        for socket in [spec.qmp_socket(), spec.channel_socket()] {
            if socket.as_os_str().len() > Self::LONGEST_SOCKET_PATH {
                let reason = format!("more than {} bytes", Self::LONGEST_SOCKET_PATH);
                return Err(invalid("socket path", socket.display(), reason));
            }
        }
        Ok(spec)
    }
}

fn invalid(field: &'static str, value: impl Display, reason: String) -> MachineError {
    MachineError::InvalidSpec { field, value: value.to_string(), reason }
}

impl MachineSpec {
    /// The checked values.
    pub fn draft(&self) -> &MachineSpecDraft {
        &self.0
    }

    /// QEMU's monitor (unix hosts).
    pub fn qmp_socket(&self) -> PathBuf {
        self.0.runtime_dir.join("qmp.sock")
    }

    /// The host's end of the virtio-serial port (unix hosts).
    pub fn channel_socket(&self) -> PathBuf {
        channel_socket(&self.0.runtime_dir)
    }

    /// The same on Windows: the pipe's name without its `\\.\pipe\`.
    pub fn channel_pipe(&self) -> String {
        channel_pipe(&self.0.runtime_dir)
    }
}

pub(crate) fn channel_socket(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("channel.sock")
}

/// Pipes have one namespace for all users and programs, so the folder is in the name.
pub(crate) fn channel_pipe(runtime_dir: &Path) -> String {
    let folder = runtime_dir.to_string_lossy();
    let safe: String =
        folder.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("naru-{}-channel", safe.trim_matches('-'))
}
