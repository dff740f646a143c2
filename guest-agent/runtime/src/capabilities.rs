//! Capability sets, and the order in which a process takes them on.
//!
//! The order is forced from several sides: the bounding set can only be cut while `CAP_SETPCAP`
//! is there, `setuid` clears the effective set, a seccomp filter without `no_new_privs` needs
//! `CAP_SYS_ADMIN`, and a filter may forbid nearly every call. Hence two steps: [`CapabilityPlan::reduce`]
//! around the change of user, after which the process acts with its own capabilities and only
//! keeps `CAP_SYS_ADMIN` in reserve if the filter will need it; and [`CapabilityPlan::finish`].

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use crate::error::{Context, Result};

/// The five sets of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CapabilityPlan {
    bounding: CapabilitySet,
    effective: CapabilitySet,
    permitted: CapabilitySet,
    inheritable: CapabilitySet,
    ambient: CapabilitySet,
}

impl CapabilityPlan {
    /// A process without `capabilities` gets none.
    pub(crate) fn from_spec(capabilities: Option<&LinuxCapabilities>) -> Self {
        let set = |get: fn(&LinuxCapabilities) -> &Option<Capabilities>| {
            let names = capabilities.and_then(|capabilities| get(capabilities).as_ref());
            names.into_iter().flatten().fold(CapabilitySet::empty(), |set, name| set | bit(*name))
        };
        Self {
            bounding: set(LinuxCapabilities::bounding),
            effective: set(LinuxCapabilities::effective),
            permitted: set(LinuxCapabilities::permitted),
            inheritable: set(LinuxCapabilities::inheritable),
            ambient: set(LinuxCapabilities::ambient),
        }
    }

    /// Leaves out what the caller does not have itself: asking for it would fail, and a host
    /// that withholds a capability means it.
    fn within(self, held: CapabilitySet) -> Self {
        Self {
            bounding: self.bounding & held,
            effective: self.effective & held,
            permitted: self.permitted & held,
            inheritable: self.inheritable & held,
            ambient: self.ambient & held,
        }
    }

    /// Cuts the bounding set. To be called before the user changes.
    pub(crate) fn cut_bounding(&self) -> Result<()> {
        for number in 0..u64::BITS {
            let capability = CapabilitySet::from_bits_retain(1 << number);
            match capability_is_in_bounding_set(capability) {
                Ok(true) if !self.bounding.contains(capability) => {
                    remove_capability_from_bounding_set(capability)
                        .context("drop from the bounding set", number)?;
                }
                Ok(_) => {}
                // Past the kernel's last capability.
                Err(Errno::INVAL) => break,
                Err(errno) => return Err(errno).context("read", "the bounding set"),
            }
        }
        Ok(())
    }

    /// Takes on the sets, after the user has changed with its permitted set kept. With `reserve`
    /// the permitted set holds that capability on top.
    pub(crate) fn reduce(&self, reserve: CapabilitySet) -> Result<()> {
        let held = capabilities(None).context("read", "the capabilities")?.permitted;
        let plan = self.within(held);
        set_capabilities(
            None,
            CapabilitySets {
                effective: plan.effective,
                permitted: plan.permitted | (reserve & held),
                inheritable: plan.inheritable,
            },
        )
        .context("set", "the capabilities")?;
        clear_ambient_capability_set().context("clear", "the ambient capabilities")?;
        for capability in plan.ambient & plan.permitted & plan.inheritable {
            configure_capability_in_ambient_set(capability, true)
                .context("set", "the ambient capabilities")?;
        }
        Ok(())
    }

    /// Lets go of what was held in reserve.
    pub(crate) fn finish(&self) -> Result<()> {
        let held = capabilities(None).context("read", "the capabilities")?.permitted;
        let plan = self.within(held);
        let sets = CapabilitySets {
            effective: plan.effective,
            permitted: plan.permitted,
            inheritable: plan.inheritable,
        };
        set_capabilities(None, sets).context("set", "the capabilities")
    }
}

/// Raises a reserved capability for the one call that needs it.
pub(crate) fn raise(reserve: CapabilitySet) -> Result<()> {
    let mut sets = capabilities(None).context("read", "the capabilities")?;
    sets.effective |= reserve & sets.permitted;
    set_capabilities(None, sets).context("raise", "the capabilities")
}

/// A capability's bit (`linux/capability.h`).
fn bit(capability: Capability) -> CapabilitySet {
    use Capability as Named;
    use CapabilitySet as Set;

    match capability {
        Named::AuditControl => Set::AUDIT_CONTROL,
        Named::AuditRead => Set::AUDIT_READ,
        Named::AuditWrite => Set::AUDIT_WRITE,
        Named::BlockSuspend => Set::BLOCK_SUSPEND,
        Named::Bpf => Set::BPF,
        Named::CheckpointRestore => Set::CHECKPOINT_RESTORE,
        Named::Chown => Set::CHOWN,
        Named::DacOverride => Set::DAC_OVERRIDE,
        Named::DacReadSearch => Set::DAC_READ_SEARCH,
        Named::Fowner => Set::FOWNER,
        Named::Fsetid => Set::FSETID,
        Named::IpcLock => Set::IPC_LOCK,
        Named::IpcOwner => Set::IPC_OWNER,
        Named::Kill => Set::KILL,
        Named::Lease => Set::LEASE,
        Named::LinuxImmutable => Set::LINUX_IMMUTABLE,
        Named::MacAdmin => Set::MAC_ADMIN,
        Named::MacOverride => Set::MAC_OVERRIDE,
        Named::Mknod => Set::MKNOD,
        Named::NetAdmin => Set::NET_ADMIN,
        Named::NetBindService => Set::NET_BIND_SERVICE,
        Named::NetBroadcast => Set::NET_BROADCAST,
        Named::NetRaw => Set::NET_RAW,
        Named::Perfmon => Set::PERFMON,
        Named::Setgid => Set::SETGID,
        Named::Setfcap => Set::SETFCAP,
        Named::Setpcap => Set::SETPCAP,
        Named::Setuid => Set::SETUID,
        Named::SysAdmin => Set::SYS_ADMIN,
        Named::SysBoot => Set::SYS_BOOT,
        Named::SysChroot => Set::SYS_CHROOT,
        Named::SysModule => Set::SYS_MODULE,
        Named::SysNice => Set::SYS_NICE,
        Named::SysPacct => Set::SYS_PACCT,
        Named::SysPtrace => Set::SYS_PTRACE,
        Named::SysRawio => Set::SYS_RAWIO,
        Named::SysResource => Set::SYS_RESOURCE,
        Named::SysTime => Set::SYS_TIME,
        Named::SysTtyConfig => Set::SYS_TTY_CONFIG,
        Named::Syslog => Set::SYSLOG,
        Named::WakeAlarm => Set::WAKE_ALARM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_come_from_the_specification_by_name() -> anyhow::Result<()> {
        let spec: LinuxCapabilities =
            serde_json::from_str(r#"{"bounding": ["CAP_CHOWN", "CAP_KILL"], "effective": []}"#)?;
        let plan = CapabilityPlan::from_spec(Some(&spec));
        assert_eq!(plan.bounding, CapabilitySet::CHOWN | CapabilitySet::KILL);
        assert_eq!(plan.effective, CapabilitySet::empty());
        assert_eq!(plan.permitted, CapabilitySet::empty());
        Ok(())
    }

    #[test]
    fn what_the_host_withholds_is_left_out() {
        let all = CapabilitySet::CHOWN | CapabilitySet::SYS_RESOURCE;
        let plan = CapabilityPlan {
            bounding: all,
            effective: all,
            permitted: all,
            inheritable: all,
            ambient: all,
        };
        assert_eq!(plan.within(CapabilitySet::CHOWN).permitted, CapabilitySet::CHOWN);
    }
}
