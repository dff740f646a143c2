//! A seccomp profile as Docker's clients send it (`--security-opt seccomp=FILE`).
//!
//! It is the runtime specification's filter with conditions on top: rules that hold only with
//! a capability, on an architecture, or from a kernel version on.

use std::collections::HashSet;
use std::env::consts::ARCH;

use nix::sys::utsname::uname;
use oci_spec::runtime::{
    Arch, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag,
    LinuxSyscall,
};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::error::{EngineError, Result};

/// The document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    default_action: LinuxSeccompAction,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Option<Vec<Arch>>,
    #[serde(default)]
    arch_map: Option<Vec<ArchMap>>,
    #[serde(default)]
    flags: Option<Vec<LinuxSeccompFilterFlag>>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
}

/// An architecture with those whose programs its kernel runs too.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: Arch,
    #[serde(default)]
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    /// The older way, for one call.
    #[serde(default)]
    name: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: LinuxSeccompAction,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<LinuxSeccompArg>>,
    #[serde(default)]
    includes: Option<Condition>,
    #[serde(default)]
    excludes: Option<Condition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<KernelVersion>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct KernelVersion {
    major: u32,
    minor: u32,
}

impl KernelVersion {
    /// `4.8`, and what follows the second number of a kernel's own version.
    fn parse(text: &str) -> Option<Self> {
        let (major, rest) = text.split_once('.')?;
        let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl<'de> Deserialize<'de> for KernelVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("invalid kernel version: {text:?}")))
    }
}

/// Reads a profile; errors are Docker's.
pub(super) fn parse(text: &str) -> Result<Profile> {
    let failed =
        |why: String| EngineError::Invalid(format!("Decoding seccomp profile failed: {why}"));
    let profile: Profile = serde_json::from_str(text).map_err(|error| failed(error.to_string()))?;
    let given = |list: bool, name: bool| list && name;
    if given(
        profile.architectures.as_ref().is_some_and(|list| !list.is_empty()),
        profile.arch_map.as_ref().is_some_and(|list| !list.is_empty()),
    ) {
        return Err(EngineError::Invalid(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, use either \
             'architectures' or 'archMap'"
                .to_owned(),
        ));
    }
    for rule in profile.syscalls.iter().flatten() {
        if given(!rule.name.is_empty(), rule.names.as_ref().is_some_and(|list| !list.is_empty())) {
            return Err(EngineError::Invalid(
                "both 'name' and 'names' are specified in the seccomp profile, use either 'name' \
                 or 'names'"
                    .to_owned(),
            ));
        }
    }
    Ok(profile)
}

/// What conditions are held against.
struct Machine<'a> {
    architecture: &'static str,
    kernel: Option<KernelVersion>,
    capabilities: &'a HashSet<Capability>,
}

impl Machine<'_> {
    fn has_capability(&self, name: &str) -> bool {
        self.capabilities.iter().any(|capability| {
            // An upper-case name without its prefix; profiles write `CAP_SYS_ADMIN`.
            let known = serde_json::to_value(capability).ok();
            known.as_ref().and_then(|known| known.as_str()) == Some(name)
        })
    }

    fn is_new_enough(&self, minimum: KernelVersion) -> bool {
        self.kernel.is_some_and(|kernel| kernel >= minimum)
    }

    /// Docker's rules: one thing that is excluded is enough, all that is included must hold.
    fn applies(&self, rule: &Rule) -> bool {
        let excluded = rule.excludes.as_ref().is_some_and(|condition| {
            condition.arches.iter().flatten().any(|arch| arch == self.architecture)
                || condition.caps.iter().flatten().any(|name| self.has_capability(name))
                || condition.min_kernel.is_some_and(|minimum| self.is_new_enough(minimum))
        });
        let included = rule.includes.as_ref().is_none_or(|condition| {
            let arches = condition.arches.as_deref().unwrap_or_default();
            (arches.is_empty() || arches.iter().any(|arch| arch == self.architecture))
                && condition.caps.iter().flatten().all(|name| self.has_capability(name))
                && condition.min_kernel.is_none_or(|minimum| self.is_new_enough(minimum))
        });
        included && !excluded
    }
}

impl Profile {
    /// The filter for a container with these capabilities on this machine.
    pub(super) fn filter(self, capabilities: &HashSet<Capability>) -> LinuxSeccomp {
        let release = uname().ok().and_then(|names| names.release().to_str().map(str::to_owned));
        let machine = Machine {
            architecture: go_architecture(),
            kernel: release.as_deref().and_then(KernelVersion::parse),
            capabilities,
        };
        self.filter_for(&machine)
    }

    fn filter_for(self, machine: &Machine<'_>) -> LinuxSeccomp {
        let rules = self.syscalls.into_iter().flatten().filter(|rule| machine.applies(rule));
        let rules = rules.map(|rule| {
            let names =
                if rule.name.is_empty() { rule.names.unwrap_or_default() } else { vec![rule.name] };
            let mut call = LinuxSyscall::default();
            call.set_names(names)
                .set_action(rule.action)
                .set_errno_ret(rule.errno_ret)
                .set_args(rule.args.filter(|arguments| !arguments.is_empty()));
            call
        });
        let rules: Vec<LinuxSyscall> = rules.collect();
        let native = native_arch();
        let mapped =
            self.arch_map.into_iter().flatten().find(|map| Some(map.architecture) == native);
        let mapped = mapped.map(|map| {
            let mut all = vec![map.architecture];
            all.extend(map.sub_architectures.into_iter().flatten());
            all
        });
        let mut filter = LinuxSeccomp::default();
        filter
            .set_default_action(self.default_action)
            .set_default_errno_ret(self.default_errno_ret)
            .set_architectures(mapped.or(self.architectures))
            .set_flags(self.flags)
            .set_syscalls(Some(rules));
        filter
    }
}

fn go_architecture() -> &'static str {
    match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn native_arch() -> Option<Arch> {
    match ARCH {
        "x86_64" => Some(Arch::ScmpArchX86_64),
        "aarch64" => Some(Arch::ScmpArchAarch64),
        "riscv64" => Some(Arch::ScmpArchRiscv64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(profile: &str, capabilities: &[Capability]) -> Vec<String> {
        let capabilities = capabilities.iter().copied().collect();
        let machine = Machine {
            architecture: "amd64",
            kernel: KernelVersion::parse("6.12.3-naru"),
            capabilities: &capabilities,
        };
        let filter = parse(profile).unwrap().filter_for(&machine);
        filter.syscalls().iter().flatten().flat_map(|rule| rule.names().clone()).collect()
    }

    #[test]
    fn rules_hold_only_under_their_conditions() {
        let profile = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {"names": ["always"], "action": "SCMP_ACT_ALLOW", "args": null},
            {"name": "older", "action": "SCMP_ACT_ALLOW", "comment": "one call"},
            {"names": ["admin"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["user"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["arm"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
            {"names": ["intel"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
            {"names": ["newer"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.13"}},
            {"names": ["new"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}}]}"#;
        assert_eq!(names(profile, &[]), ["always", "older", "user", "intel", "new"]);
        let admin = [Capability::SysAdmin];
        assert_eq!(names(profile, &admin), ["always", "older", "admin", "intel", "new"]);
    }

    #[test]
    fn a_profile_that_contradicts_itself_is_refused() {
        for (profile, message) in [
            (r#"{"defaultAction": "SCMP_ACT_FOO"}"#, "Decoding seccomp profile failed: unknown"),
            (
                r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
                    [{"name": "a", "names": ["b"], "action": "SCMP_ACT_ERRNO"}]}"#,
                "both 'name' and 'names' are specified",
            ),
            (
                r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"],
                    "archMap": [{"architecture": "SCMP_ARCH_X86_64"}]}"#,
                "both 'architectures' and 'archMap' are specified",
            ),
            (
                r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a",
                    "action": "SCMP_ACT_ERRNO", "includes": {"minKernel": "new"}}]}"#,
                "Decoding seccomp profile failed: invalid kernel version: \"new\"",
            ),
        ] {
            let error = parse(profile).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
