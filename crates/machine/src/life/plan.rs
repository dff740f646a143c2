//! What machine is wanted, before anything is known of this computer.

use std::path::PathBuf;

use crate::qemu::accelerator::AcceleratorSetting;
use crate::qemu::locate::QemuSearch;
use crate::spec::{Accelerator, Arch, Carrier, HostOs, MachineSpec, MachineSpecDraft};
use crate::spec::{channel_pipe, channel_socket};
use crate::{MachineError, Qemu};

/// The files that the machine is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineImage {
    /// The kernel.
    pub kernel: PathBuf,
    /// Its initial ram file system.
    pub initramfs: PathBuf,
    /// The formatted, sparse image that a new data disk is copied from.
    pub disk_template: PathBuf,
}

/// Everything a start needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to look for QEMU.
    pub qemu: QemuSearch,
    /// The user's choice of accelerator.
    pub accelerator: AcceleratorSetting,
    /// The guest's architecture.
    pub arch: Arch,
    /// Virtual processors.
    pub cpus: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// The least size of the data disk, in GiB. It never shrinks.
    pub disk_gib: u32,
    /// The files that the machine is made from.
    pub image: MachineImage,
    /// Where the data disk and its lock are. Made if missing, private to the user.
    pub data_dir: PathBuf,
    /// Where the sockets are. Made if missing, private to the user. Short: a socket's
    /// whole path has room for about 100 bytes.
    pub runtime_dir: PathBuf,
    /// Where the serial log is. Made if missing, private to the user.
    pub log_dir: PathBuf,
    /// The serial number by which the guest finds its data disk.
    pub data_disk_serial: String,
    /// What carries the streams.
    pub carrier: Carrier,
    /// Further kernel arguments.
    pub extra_kernel_args: Vec<String>,
}

impl Plan {
    /// The data disk.
    pub fn data_disk(&self) -> PathBuf {
        self.data_dir.join("data.img")
    }

    /// What the guest's console printed, over all boots.
    pub fn serial_log(&self) -> PathBuf {
        self.log_dir.join("serial.log")
    }

    /// The socket of the virtio-serial port (unix hosts).
    pub fn channel_socket(&self) -> PathBuf {
        channel_socket(&self.runtime_dir)
    }

    /// The full name of the virtio-serial port's pipe (Windows).
    pub fn channel_pipe(&self) -> String {
        format!(r"\\.\pipe\{}", channel_pipe(&self.runtime_dir))
    }

    /// The specification on this computer, whose time stamp counter has this rate.
    pub(super) fn spec(
        &self,
        qemu: &Qemu,
        accelerator: Accelerator,
        tsc_khz: Option<u32>,
    ) -> Result<MachineSpec, MachineError> {
        MachineSpecDraft {
            os: HostOs::current(),
            arch: self.arch,
            accelerator,
            tsc_khz,
            qemu: qemu.program.clone(),
            cpus: self.cpus,
            memory_mib: self.memory_mib,
            kernel: self.image.kernel.clone(),
            initramfs: self.image.initramfs.clone(),
            extra_kernel_args: self.extra_kernel_args.clone(),
            data_disk: self.data_disk(),
            data_disk_serial: self.data_disk_serial.clone(),
            carrier: self.carrier.clone(),
            runtime_dir: self.runtime_dir.clone(),
            serial_log: self.serial_log(),
        }
        .validate()
    }
}
