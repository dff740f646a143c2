//! The parts of the machine, each with its QEMU arguments.

use std::path::{Path, PathBuf};

use super::argv::{Argv, Render};
use crate::spec::{Accelerator, Arch, Carrier, HostOs, MachineSpec};

/// A path as the value of a QEMU option, in which a comma is doubled.
fn value(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// The board, and nothing that was not asked for.
pub(super) struct Basics {
    arch: Arch,
    accelerator: Accelerator,
}

impl Basics {
    pub(super) fn of(spec: &MachineSpec) -> Self {
        Self { arch: spec.draft().arch, accelerator: spec.draft().accelerator }
    }
}

impl Render for Basics {
    fn render(&self, argv: &mut Argv) {
        argv.flag("-nodefaults");
        argv.flag("-no-user-config");
        argv.option("-display", "none");
        // The guest's panic and its reboot both end QEMU, which the driver notices.
        argv.flag("-no-reboot");
        argv.option("-name", "naru");
        argv.option(
            "-machine",
            match self.arch {
                Arch::X86_64 => "q35",
                Arch::Aarch64 => "virt,gic-version=3",
            },
        );
        argv.option(
            "-accel",
            match self.accelerator {
                // WHPX loses message-signalled interrupts with its own irqchip.
                Accelerator::Whpx => "whpx,kernel-irqchip=off",
                other => other.as_str(),
            },
        );
    }
}

/// The virtual processors.
pub(super) struct Processor {
    arch: Arch,
    accelerator: Accelerator,
    count: u32,
}

impl Processor {
    pub(super) fn of(spec: &MachineSpec) -> Self {
        let draft = spec.draft();
        Self { arch: draft.arch, accelerator: draft.accelerator, count: draft.cpus }
    }

    fn model(&self) -> &'static str {
        match (self.arch, self.accelerator) {
            // WHPX refuses models with features that it does not know.
            (Arch::X86_64, Accelerator::Whpx) => "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt",
            // Translated, pointer authentication alone costs a third of the boot.
            (Arch::Aarch64, Accelerator::Tcg) => "cortex-a72",
            (Arch::Aarch64, _) => "host",
            (Arch::X86_64, _) => "max",
        }
    }
}

impl Render for Processor {
    fn render(&self, argv: &mut Argv) {
        argv.option("-cpu", self.model());
        argv.option("-smp", self.count.to_string());
    }
}

/// The memory; shared with a device that is another process.
pub(super) struct Memory {
    mib: u32,
    shared: bool,
}

impl Memory {
    pub(super) fn of(spec: &MachineSpec) -> Self {
        let shared = matches!(spec.draft().carrier, Carrier::VhostUserVsock { .. });
        Self { mib: spec.draft().memory_mib, shared }
    }
}

impl Render for Memory {
    fn render(&self, argv: &mut Argv) {
        argv.option("-m", format!("{}M", self.mib));
        if self.shared {
            let backend = format!("memory-backend-memfd,id=memory,size={}M,share=on", self.mib);
            argv.option("-object", backend);
            argv.option("-numa", "node,memdev=memory");
        }
    }
}

/// The kernel, its initramfs and its command line.
pub(super) struct Boot {
    arch: Arch,
    accelerator: Accelerator,
    tsc_khz: Option<u32>,
    kernel: PathBuf,
    initramfs: PathBuf,
    extra: Vec<String>,
}

impl Boot {
    /// Quiet, no self-tests, and power off rather than hang when the kernel panics.
    const EVERYWHERE: [&str; 4] =
        ["quiet", "panic=-1", "rcupdate.rcu_expedited=1", "cryptomgr.notests"];

    /// The emulated timers need no probing.
    const X86_64: [&str; 2] = ["tsc=reliable", "no_timer_check"];

    /// Defences against speculative execution guard a real processor's shortcuts.
    /// Translated code has none of them, and pays for the barriers in full. Under
    /// hardware acceleration they stay on.
    const TRANSLATED: [&str; 2] = ["mitigations=off", "nokaslr"];

    pub(super) fn of(spec: &MachineSpec) -> Self {
        let draft = spec.draft();
        Self {
            arch: draft.arch,
            accelerator: draft.accelerator,
            tsc_khz: draft.tsc_khz,
            kernel: draft.kernel.clone(),
            initramfs: draft.initramfs.clone(),
            extra: draft.extra_kernel_args.clone(),
        }
    }

    fn command_line(&self) -> String {
        let mut words = Self::EVERYWHERE.map(str::to_owned).to_vec();
        if self.arch == Arch::X86_64 {
            words.extend(Self::X86_64.map(str::to_owned));
        }
        if !self.accelerator.is_hardware() {
            words.extend(Self::TRANSLATED.map(str::to_owned));
            words.extend(self.tsc_khz.map(|khz| format!("tsc_early_khz={khz}")));
        }
        let console = match self.arch {
            Arch::X86_64 => "console=ttyS0",
            Arch::Aarch64 => "console=ttyAMA0",
        };
        words.push(console.to_owned());
        words.extend(self.extra.iter().cloned());
        words.join(" ")
    }
}

impl Render for Boot {
    fn render(&self, argv: &mut Argv) {
        argv.option("-kernel", self.kernel.to_string_lossy());
        argv.option("-initrd", self.initramfs.to_string_lossy());
        argv.option("-append", self.command_line());
    }
}

/// The console, to a file.
pub(super) struct SerialConsole {
    log: PathBuf,
}

impl SerialConsole {
    pub(super) fn of(spec: &MachineSpec) -> Self {
        Self { log: spec.draft().serial_log.clone() }
    }
}

impl Render for SerialConsole {
    fn render(&self, argv: &mut Argv) {
        argv.option("-chardev", format!("file,id=serial,path={},append=on", value(&self.log)));
        argv.option("-serial", "chardev:serial");
    }
}

/// QEMU's own control channel.
pub(super) struct Monitor {
    os: HostOs,
    socket: PathBuf,
}

impl Monitor {
    pub(super) fn of(spec: &MachineSpec) -> Self {
        Self { os: spec.draft().os, socket: spec.qmp_socket() }
    }
}

impl Render for Monitor {
    fn render(&self, argv: &mut Argv) {
        argv.option(
            "-chardev",
            match self.os {
                // A pipe of QEMU's would make it wait for its client before it boots.
                HostOs::Windows => "stdio,id=monitor,signal=off".to_owned(),
                HostOs::Linux | HostOs::MacOs => {
                    format!("socket,id=monitor,path={},server=on,wait=off", value(&self.socket))
                }
            },
        );
        argv.option("-mon", "chardev=monitor,mode=control");
    }
}

/// The disk with everything that outlives a boot.
pub(super) struct DataDisk {
    path: PathBuf,
    serial: String,
}

impl DataDisk {
    pub(super) fn of(spec: &MachineSpec) -> Self {
        let draft = spec.draft();
        Self { path: draft.data_disk.clone(), serial: draft.data_disk_serial.clone() }
    }
}

impl Render for DataDisk {
    fn render(&self, argv: &mut Argv) {
        // Discarded and zeroed blocks become holes in the host's file again.
        argv.option(
            "-drive",
            format!(
                "if=none,id=data,file={},format=raw,discard=unmap,detect-zeroes=unmap",
                value(&self.path)
            ),
        );
        argv.option("-device", format!("virtio-blk-pci,drive=data,serial={}", self.serial));
    }
}

/// The way to the outside: no privileges, and it follows the host's routes and names.
pub(super) struct Network;

impl Render for Network {
    fn render(&self, argv: &mut Argv) {
        argv.option("-netdev", "user,id=net,ipv6=off");
        // No boot from the network, so no boot ROM to load.
        argv.option("-device", "virtio-net-pci,netdev=net,romfile=");
    }
}

/// Randomness from the host.
pub(super) struct Random;

impl Render for Random {
    fn render(&self, argv: &mut Argv) {
        argv.option("-object", "rng-builtin,id=rng");
        argv.option("-device", "virtio-rng-pci,rng=rng");
    }
}

/// Gives memory that the guest has freed back to the host.
pub(super) struct Balloon;

impl Render for Balloon {
    fn render(&self, argv: &mut Argv) {
        argv.option("-device", "virtio-balloon-pci,free-page-reporting=on,deflate-on-oom=on");
    }
}

/// What carries the streams between host and guest.
pub(super) struct Channel {
    os: HostOs,
    carrier: Carrier,
    socket: PathBuf,
    pipe: String,
}

impl Channel {
    pub(super) fn of(spec: &MachineSpec) -> Self {
        Self {
            os: spec.draft().os,
            carrier: spec.draft().carrier.clone(),
            socket: spec.channel_socket(),
            pipe: spec.channel_pipe(),
        }
    }
}

impl Render for Channel {
    fn render(&self, argv: &mut Argv) {
        match &self.carrier {
            Carrier::Vsock { cid } => {
                argv.option("-device", format!("vhost-vsock-pci,guest-cid={cid}"));
            }
            Carrier::VhostUserVsock { socket } => {
                argv.option("-chardev", format!("socket,id=vsock,path={}", value(socket)));
                argv.option("-device", "vhost-user-vsock-pci,chardev=vsock");
            }
            Carrier::VirtioSerial { port_name } => {
                // The port and number 0, which is a console's: each costs two queues, which
                // the guest looks through at every interrupt that they share.
                argv.option("-device", "virtio-serial-pci,max_ports=2");
                argv.option(
                    "-chardev",
                    match self.os {
                        HostOs::Windows => format!("pipe,id=channel,path={}", self.pipe),
                        HostOs::Linux | HostOs::MacOs => {
                            let path = value(&self.socket);
                            format!("socket,id=channel,path={path},server=on,wait=off")
                        }
                    },
                );
                argv.option("-device", format!("virtserialport,chardev=channel,name={port_name}"));
            }
        }
    }
}
