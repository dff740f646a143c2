//! From settings and directories to what the machine crate starts.

use std::fs::OpenOptions;
use std::path::PathBuf;

use naru_ipc::Settings;
use naru_machine::{
    Accelerator, AcceleratorSetting, Arch, Carrier, MachineImage, Plan, QemuSearch,
};
use naru_protocol::{DATA_DISK_SERIAL, MUX_PORT_NAME};
use naru_transport::{Endpoint, GuestCid};
use sha2::{Digest, Sha256};

use crate::config::Environment;
use crate::{AppError, Directories};

/// The device through which the kernel carries vsock.
const VHOST_VSOCK: &str = "/dev/vhost-vsock";

/// What to start, and where it can then be reached.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) plan: Plan,
    pub(super) endpoint: Endpoint,
}

/// Puts the plan together and says in the log why it has the carrier that it has.
pub(super) fn launch(directories: &Directories, settings: &Settings) -> Result<Launch, AppError> {
    let accelerator = accelerator(&settings.accelerator)?;
    let (use_vsock, reason) = match settings.carrier.as_str() {
        "vsock" => (true, "the settings say so".to_owned()),
        "virtio-serial" => (false, "the settings say so".to_owned()),
        _ => match vsock_device() {
            Ok(()) => (true, format!("{VHOST_VSOCK} can be used")),
            Err(reason) => (false, reason),
        },
    };
    tracing::info!(carrier = if use_vsock { "vsock" } else { "virtio-serial" }, reason, "carrier");
    let cid = GuestCid::new(cid_of(directories)).map_err(AppError::Transport)?;
    let images = directories.vm_images()?;
    let arch = Arch::host();
    let kernel = match arch {
        Arch::X86_64 => "vmlinux",
        Arch::Aarch64 => "Image",
    };
    let plan = Plan {
        qemu: QemuSearch {
            setting: (!settings.qemu_path.is_empty()).then(|| PathBuf::from(&settings.qemu_path)),
            bundled_dir: None,
            path: Environment::program_path(),
        },
        accelerator,
        arch,
        cpus: settings.cpus,
        memory_mib: settings.memory_mib,
        disk_gib: settings.disk_gib,
        image: MachineImage {
            kernel: images.join(kernel),
            initramfs: images.join("initramfs.cpio"),
            disk_template: images.join("data.img"),
        },
        data_dir: directories.data.clone(),
        runtime_dir: directories.runtime.clone(),
        log_dir: directories.data.clone(),
        data_disk_serial: DATA_DISK_SERIAL.to_owned(),
        carrier: if use_vsock {
            Carrier::Vsock { cid: cid.get() }
        } else {
            Carrier::VirtioSerial { port_name: MUX_PORT_NAME.to_owned() }
        },
        extra_kernel_args: kernel_arguments(settings),
    };
    let endpoint = if use_vsock {
        Endpoint::Vsock { cid }
    } else if cfg!(windows) {
        Endpoint::MuxPipe { name: plan.channel_pipe() }
    } else {
        Endpoint::MuxUnix { path: plan.channel_socket() }
    };
    Ok(Launch { plan, endpoint })
}

/// What the guest's init is told; its part is `naru-init`'s supervision of the engine.
fn kernel_arguments(settings: &Settings) -> Vec<String> {
    let registries = settings.insecure_registries.join(",");
    if registries.is_empty() {
        return Vec::new();
    }
    vec![format!("naru_insecure_registries={registries}")]
}

fn accelerator(setting: &str) -> Result<AcceleratorSetting, AppError> {
    Ok(AcceleratorSetting::Fixed(match setting {
        "auto" => return Ok(AcceleratorSetting::Auto),
        "kvm" => Accelerator::Kvm,
        "hvf" => Accelerator::Hvf,
        "whpx" => Accelerator::Whpx,
        "tcg" => Accelerator::Tcg,
        other => {
            let reason = format!("{other:?} is not known");
            return Err(AppError::InvalidSetting { setting: "accelerator", reason });
        }
    }))
}

/// Whether this user can have vsock from the kernel; if not, why.
fn vsock_device() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("only Linux hosts have vsock".to_owned());
    }
    match OpenOptions::new().read(true).write(true).open(VHOST_VSOCK) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{VHOST_VSOCK} cannot be used: {error}")),
    }
}

/// The same machine has the same address at each start, and another home another one:
/// addresses are shared by all of the computer's machines.
fn cid_of(directories: &Directories) -> u32 {
    let hash = Sha256::digest(directories.data.as_os_str().as_encoded_bytes());
    // Well above what people give their machines by hand.
    0x4000_0000 | (u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories(home: &str) -> Directories {
        let environment = Environment { home: Some(home.into()), ..Environment::default() };
        Directories::find(&environment, Some("/images".into())).unwrap()
    }

    #[test]
    fn a_carrier_that_is_set_is_taken() {
        for (carrier, vsock) in [("vsock", true), ("virtio-serial", false)] {
            let settings = Settings { carrier: carrier.to_owned(), ..Settings::default() };
            let launch = launch(&directories("/h"), &settings).unwrap();
            assert_eq!(matches!(launch.plan.carrier, Carrier::Vsock { .. }), vsock);
            assert_eq!(matches!(launch.endpoint, Endpoint::Vsock { .. }), vsock);
        }
    }

    #[test]
    fn homes_have_addresses_of_their_own() {
        assert_ne!(cid_of(&directories("/a")), cid_of(&directories("/b")));
        assert_eq!(cid_of(&directories("/a")), cid_of(&directories("/a")));
    }

    #[test]
    fn an_unknown_accelerator_in_the_file_is_refused() {
        let settings = Settings { accelerator: "magic".to_owned(), ..Settings::default() };
        launch(&directories("/h"), &settings).unwrap_err();
    }
}
