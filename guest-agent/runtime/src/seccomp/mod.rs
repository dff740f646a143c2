//! `linux.seccomp` as a filter program.
//!
//! The program is made here rather than by a library, for three things that the specification
//! can ask and that `seccompiler` cannot say: several actions in one filter (a profile that
//! allows most calls and answers `ENOSYS` to one of them), 32-bit programs on a 64-bit kernel,
//! and loading without `no_new_privs`.

mod bpf;
mod syscalls;

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag, LinuxSyscall,
};

use crate::error::{Context, Result, RuntimeError};
use crate::sys;
use bpf::{Architecture, Rule};

/// A filter, ready to be loaded.
#[derive(Debug)]
pub(crate) struct Filter {
    program: Vec<libc::sock_filter>,
    flags: u32,
}

impl Filter {
    /// Translates a filter. System calls that no kernel of the architecture knows are skipped:
    /// profiles name the calls of all of them.
    pub(crate) fn from_spec(seccomp: &LinuxSeccomp) -> Result<Self> {
        let default = action(seccomp.default_action(), seccomp.default_errno_ret())?;
        let rules = seccomp.syscalls().as_deref().unwrap_or_default();
        let mut architectures = vec![Architecture {
            audit: syscalls::NATIVE_AUDIT,
            rules: rules_for(rules, syscalls::native)?,
        }];
        let named = seccomp.architectures().as_deref().unwrap_or_default();
        if let Some((arch, audit, number)) = syscalls::COMPAT
            && named.iter().any(|candidate| is_same(*candidate, arch))
        {
            architectures.push(Architecture { audit, rules: rules_for(rules, number)? });
        }
        let program = bpf::compile(&architectures, default)
            .ok_or_else(|| RuntimeError::invalid("the seccomp filter is too long"))?;
        let flags =
            seccomp.flags().iter().flatten().copied().map(flag).collect::<Result<Vec<u32>>>()?;
        Ok(Self { program, flags: flags.into_iter().fold(0, |all, flag| all | flag) })
    }

    /// Loads the filter for this process. From here on its rules hold.
    pub(crate) fn load(&mut self) -> Result<()> {
        sys::load_seccomp(&mut self.program, self.flags).context("load", "the seccomp filter")
    }
}

fn is_same(a: Arch, b: Arch) -> bool {
    a as u32 == b as u32
}

/// The rules of an architecture, in the order of the specification: the first that fits wins.
fn rules_for(syscalls: &[LinuxSyscall], number: fn(&str) -> Option<u32>) -> Result<Vec<Rule<'_>>> {
    let mut rules = Vec::new();
    for syscall in syscalls {
        let action = action(syscall.action(), syscall.errno_ret())?;
        let conditions = syscall.args().as_deref().unwrap_or_default();
        if conditions.iter().any(|condition| condition.index() > 5) {
            return Err(RuntimeError::invalid("a seccomp argument's index is above 5"));
        }
        for number in syscall.names().iter().filter_map(|name| number(name)) {
            rules.push(Rule { number, conditions, action });
        }
    }
    Ok(rules)
}

/// What the kernel calls an action (`seccomp(2)`).
fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<u32> {
    // The specification's default for both is EPERM.
    let data = || errno.unwrap_or(libc::EPERM.unsigned_abs()) & libc::SECCOMP_RET_DATA;
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => {
            libc::SECCOMP_RET_KILL_THREAD
        }
        LinuxSeccompAction::ScmpActKillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        LinuxSeccompAction::ScmpActTrap => libc::SECCOMP_RET_TRAP,
        LinuxSeccompAction::ScmpActErrno => libc::SECCOMP_RET_ERRNO | data(),
        LinuxSeccompAction::ScmpActTrace => libc::SECCOMP_RET_TRACE | data(),
        LinuxSeccompAction::ScmpActLog => libc::SECCOMP_RET_LOG,
        LinuxSeccompAction::ScmpActAllow => libc::SECCOMP_RET_ALLOW,
        LinuxSeccompAction::ScmpActNotify => {
            return Err(RuntimeError::unsupported("the seccomp action SCMP_ACT_NOTIFY"));
        }
    })
}

fn flag(flag: LinuxSeccompFilterFlag) -> Result<u32> {
    let bits = match flag {
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => libc::SECCOMP_FILTER_FLAG_LOG,
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => libc::SECCOMP_FILTER_FLAG_TSYNC,
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => {
            return Err(RuntimeError::unsupported("the seccomp flag WAIT_KILLABLE_RECV"));
        }
    };
    Ok(u32::try_from(bits).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(json: &str) -> anyhow::Result<Result<Filter>> {
        Ok(Filter::from_spec(&serde_json::from_str(json)?))
    }

    #[test]
    fn unknown_names_are_skipped() -> anyhow::Result<()> {
        let with = compile(
            r#"{"defaultAction": "SCMP_ACT_ERRNO",
                "syscalls": [{"names": ["read", "no_such_call"], "action": "SCMP_ACT_ALLOW"}]}"#,
        )??;
        let without = compile(
            r#"{"defaultAction": "SCMP_ACT_ERRNO",
                "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#,
        )??;
        assert_eq!(with.program.len(), without.program.len());
        Ok(())
    }

    #[test]
    fn a_listener_is_refused_by_name() -> anyhow::Result<()> {
        let error = compile(r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#)?.map(drop);
        let expected = RuntimeError::unsupported("the seccomp action SCMP_ACT_NOTIFY");
        assert_eq!(error, Err(expected));
        Ok(())
    }

    #[test]
    fn an_argument_that_does_not_exist_is_refused() -> anyhow::Result<()> {
        let filter = compile(
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"],
                "action": "SCMP_ACT_ERRNO",
                "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]}"#,
        )?;
        let expected = RuntimeError::invalid("a seccomp argument's index is above 5");
        assert_eq!(filter.map(drop), Err(expected));
        Ok(())
    }
}
