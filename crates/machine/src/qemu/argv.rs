//! A specification becomes QEMU's arguments.

use super::devices::{
    Balloon, Basics, Boot, Channel, DataDisk, Memory, Monitor, Network, Processor, Random,
    SerialConsole,
};
use crate::spec::MachineSpec;

/// The arguments being put together.
#[derive(Debug, Default)]
pub(crate) struct Argv(Vec<String>);

impl Argv {
    /// A flag without a value.
    pub(crate) fn flag(&mut self, flag: &str) {
        self.0.push(flag.to_owned());
    }

    /// A flag and its value.
    pub(crate) fn option(&mut self, flag: &str, value: impl Into<String>) {
        self.0.push(flag.to_owned());
        self.0.push(value.into());
    }
}

/// A part of the machine that knows its own arguments.
pub(crate) trait Render {
    /// Appends them.
    fn render(&self, argv: &mut Argv);
}

/// QEMU's arguments for this machine, without the program's own name.
pub fn render(spec: &MachineSpec) -> Vec<String> {
    let parts: [&dyn Render; 11] = [
        &Basics::of(spec),
        &Processor::of(spec),
        &Memory::of(spec),
        &Boot::of(spec),
        &SerialConsole::of(spec),
        &Monitor::of(spec),
        &DataDisk::of(spec),
        &Network,
        &Random,
        &Balloon,
        &Channel::of(spec),
    ];
    let mut argv = Argv::default();
    for part in parts {
        part.render(&mut argv);
    }
    argv.0
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::spec::{Accelerator, Arch, Carrier, HostOs, MachineSpecDraft};

    fn draft(os: HostOs, arch: Arch, accelerator: Accelerator) -> MachineSpecDraft {
        MachineSpecDraft {
            os,
            arch,
            accelerator,
            tsc_khz: (arch == Arch::X86_64).then_some(2_600_000),
            qemu: PathBuf::from("qemu"),
            cpus: 4,
            memory_mib: 2048,
            kernel: "/image/vmlinux".into(),
            initramfs: "/image/initramfs.cpio".into(),
            extra_kernel_args: vec!["naru.debug=1".into()],
            data_disk: "/data, mine/data.img".into(),
            data_disk_serial: "naru-data".into(),
            carrier: Carrier::VirtioSerial { port_name: "naru.mux".into() },
            runtime_dir: "/run/naru".into(),
            serial_log: "/log/serial.log".into(),
        }
    }

    /// One option a line.
    fn text(draft: MachineSpecDraft) -> String {
        let argv = render(&draft.validate().unwrap());
        let mut text = String::new();
        for argument in argv {
            let separator = if argument.starts_with('-') { '\n' } else { ' ' };
            text.push(separator);
            text.push_str(&argument);
        }
        text.trim_start().to_owned()
    }

    #[test]
    fn argv_of_every_host_and_accelerator() {
        let machines = [
            (HostOs::Linux, Arch::X86_64, Accelerator::Kvm),
            (HostOs::Linux, Arch::X86_64, Accelerator::Tcg),
            (HostOs::Linux, Arch::Aarch64, Accelerator::Kvm),
            (HostOs::Linux, Arch::Aarch64, Accelerator::Tcg),
            (HostOs::MacOs, Arch::Aarch64, Accelerator::Hvf),
            (HostOs::MacOs, Arch::X86_64, Accelerator::Hvf),
            (HostOs::Windows, Arch::X86_64, Accelerator::Whpx),
            (HostOs::Windows, Arch::X86_64, Accelerator::Tcg),
        ];
        for (os, arch, accelerator) in machines {
            let name = format!("{os:?}_{}_{accelerator}", arch.as_str()).to_lowercase();
            insta::assert_snapshot!(name, text(draft(os, arch, accelerator)));
        }
    }

    #[test]
    fn argv_of_the_vsock_carriers() {
        let base = draft(HostOs::Linux, Arch::X86_64, Accelerator::Kvm);
        let vsock = MachineSpecDraft { carrier: Carrier::Vsock { cid: 42 }, ..base.clone() };
        insta::assert_snapshot!("carrier_vsock", text(vsock));
        let socket = "/run/naru/vhost.sock".into();
        let vhost = MachineSpecDraft { carrier: Carrier::VhostUserVsock { socket }, ..base };
        insta::assert_snapshot!("carrier_vhost_user_vsock", text(vhost));
    }

    #[test]
    fn a_specification_out_of_bounds_names_the_value() {
        let good = draft(HostOs::Linux, Arch::X86_64, Accelerator::Kvm);
        let long = "x".repeat(100);
        let bad = [
            (MachineSpecDraft { cpus: 0, ..good.clone() }, "processors cannot be 0"),
            (MachineSpecDraft { cpus: 256, ..good.clone() }, "processors cannot be 256"),
            (MachineSpecDraft { memory_mib: 64, ..good.clone() }, "memory cannot be 64 MiB"),
            (
                MachineSpecDraft { data_disk_serial: long.clone(), ..good.clone() },
                "disk serial cannot be",
            ),
            (
                MachineSpecDraft { extra_kernel_args: vec!["a\nb".into()], ..good.clone() },
                "kernel argument cannot be",
            ),
            (
                MachineSpecDraft { carrier: Carrier::Vsock { cid: 2 }, ..good.clone() },
                "vsock address cannot be 2",
            ),
            (
                MachineSpecDraft { runtime_dir: format!("/{long}").into(), ..good },
                "socket path cannot be",
            ),
        ];
        for (draft, expected) in bad {
            let message = draft.validate().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
