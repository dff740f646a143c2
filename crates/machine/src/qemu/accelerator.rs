//! Which accelerator this computer has, and whether it really works.
//!
//! A device node that opens proves little: inside another virtual machine KVM may
//! open, accept a guest, and then fail on its first instructions. So a failure seen at
//! a boot is written down for this kernel and this QEMU, and the next probe knows.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::locate::{Qemu, ask};
use crate::disk::write_atomically;
use crate::spec::{Accelerator, HostOs};
use crate::{Hint, MachineError};

/// What QEMU prints when the accelerator, not the guest, has failed.
pub(crate) const FAILURE_MARKS: &[&str] = &[
    "KVM internal error",
    "failed to initialize kvm",
    "Could not access KVM kernel module",
    "kvm run failed",
    "failed to set MSR",
    "/kvm/kvm",
    "failed to initialize hvf",
    "failed to initialize whpx",
    "WHPX: No accelerator found",
    "WHPX: Unexpected VP exit code",
    "HV_ERROR",
    "HV_UNSUPPORTED",
];

/// The user's setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcceleratorSetting {
    /// The best that works.
    #[default]
    Auto,
    /// This one, or the start fails.
    Fixed(Accelerator),
}

/// Why an accelerator was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceleratorChoice {
    /// The choice.
    pub accelerator: Accelerator,
    /// Why, in one sentence; a warning to show when it is [`Accelerator::Tcg`].
    pub reason: String,
    /// What a person can do to have a better one.
    pub hint: Option<Hint>,
}

/// Why an accelerator is not used.
#[derive(Debug)]
struct Unusable {
    reason: String,
    hint: Option<Hint>,
}

impl From<String> for Unusable {
    fn from(reason: String) -> Self {
        Self { reason, hint: None }
    }
}

/// The accelerator of this operating system.
fn candidate(os: HostOs) -> Accelerator {
    match os {
        HostOs::Linux => Accelerator::Kvm,
        HostOs::MacOs => Accelerator::Hvf,
        HostOs::Windows => Accelerator::Whpx,
    }
}

/// Chooses for this computer. Never fails: without acceleration there is TCG.
pub(crate) async fn probe(
    setting: AcceleratorSetting,
    qemu: &Qemu,
    failures: &Failures,
) -> AcceleratorChoice {
    if let AcceleratorSetting::Fixed(accelerator) = setting {
        let reason = "the settings say so".to_owned();
        return AcceleratorChoice { accelerator, reason, hint: None };
    }
    let accelerator = candidate(HostOs::current());
    match usable(accelerator, qemu, failures).await {
        Ok(()) => {
            let reason = format!("{accelerator} is available");
            AcceleratorChoice { accelerator, reason, hint: None }
        }
        Err(Unusable { reason, hint }) => {
            AcceleratorChoice { accelerator: Accelerator::Tcg, reason, hint }
        }
    }
}

async fn usable(
    accelerator: Accelerator,
    qemu: &Qemu,
    failures: &Failures,
) -> Result<(), Unusable> {
    if failures.contains(accelerator, qemu) {
        return Err(format!("{accelerator} failed at an earlier start on this computer").into());
    }
    host_has(accelerator).await?;
    let offered = ask(&qemu.program, &["-accel", "help"]).await?;
    if offered.lines().any(|line| line.trim() == accelerator.as_str()) {
        Ok(())
    } else {
        Err(format!("this QEMU was built without {accelerator}").into())
    }
}

async fn host_has(accelerator: Accelerator) -> Result<(), Unusable> {
    match accelerator {
        Accelerator::Kvm => {
            let device = Path::new("/dev/kvm");
            let opened = fs::OpenOptions::new().read(true).write(true).open(device);
            opened.map(drop).map_err(|error| closed(device, &error))
        }
        Accelerator::Hvf => {
            let said = ask(Path::new("/usr/sbin/sysctl"), &["-n", "kern.hv_support"]).await?;
            if said.trim() == "1" {
                Ok(())
            } else {
                Err("this Mac has no Hypervisor framework".to_owned().into())
            }
        }
        // QEMU alone can tell, by failing, which is then remembered.
        Accelerator::Whpx | Accelerator::Tcg => Ok(()),
    }
}

/// Why KVM's device does not open: one that is there, but not for this user, can be had.
fn closed(device: &Path, error: &io::Error) -> Unusable {
    let hint = (error.kind() == ErrorKind::PermissionDenied).then_some(Hint::JoinKvmGroup);
    Unusable { reason: format!("{} cannot be opened: {error}", device.display()), hint }
}

/// The accelerators that failed here, in a file of the data folder.
#[derive(Debug)]
pub(crate) struct Failures {
    path: PathBuf,
}

impl Failures {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join("accelerator-failures.json") }
    }

    /// An unreadable file is an empty one: the worst is one more failing boot.
    fn read(&self) -> BTreeSet<String> {
        let text = fs::read(&self.path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn contains(&self, accelerator: Accelerator, qemu: &Qemu) -> bool {
        self.read().contains(&key(accelerator, qemu))
    }

    /// Remembers a failure until the kernel or QEMU changes.
    pub(crate) fn record(&self, accelerator: Accelerator, qemu: &Qemu) -> Result<(), MachineError> {
        let mut failures = self.read();
        failures.insert(key(accelerator, qemu));
        let text = serde_json::to_vec(&failures).expect("a set of strings is always JSON");
        write_atomically(&self.path, &text)
    }
}

fn key(accelerator: Accelerator, qemu: &Qemu) -> String {
    // Empty where there is no such file; then a new QEMU alone makes a new attempt.
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{accelerator} qemu-{} kernel-{}", qemu.version, kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::locate::QemuVersion;

    #[test]
    fn who_may_not_open_kvm_is_told_how_to_be_let_in() {
        let refused = |kind: ErrorKind| closed(Path::new("/dev/kvm"), &kind.into()).hint;
        assert_eq!(refused(ErrorKind::PermissionDenied), Some(Hint::JoinKvmGroup));
        assert_eq!(refused(ErrorKind::NotFound), None, "this computer has none to be let in to");
    }

    #[test]
    fn a_failure_is_remembered_for_this_qemu_only() {
        let folder = tempfile::tempdir().unwrap();
        let failures = Failures::new(folder.path());
        let qemu = Qemu { program: "qemu".into(), version: QemuVersion::OLDEST };
        let newer =
            Qemu { version: QemuVersion { major: 99, ..QemuVersion::OLDEST }, ..qemu.clone() };
        assert!(!failures.contains(Accelerator::Kvm, &qemu));
        failures.record(Accelerator::Kvm, &qemu).unwrap();
        failures.record(Accelerator::Hvf, &qemu).unwrap();
        assert!(failures.contains(Accelerator::Kvm, &qemu));
        assert!(!failures.contains(Accelerator::Kvm, &newer));
        assert!(!failures.contains(Accelerator::Whpx, &qemu));
    }
}
