//! `--security-opt`.

use std::collections::HashSet;

use bollard_stubs::models::HostConfig;
use naru_dockerfile::boolean;
use oci_spec::runtime::{Capability, LinuxSeccomp, Process};

use super::profile::{self, Profile};
use super::seccomp;
use crate::error::{EngineError, Result};

/// What the options come to.
#[derive(Debug, Default)]
pub(super) struct Security {
    pub(super) no_new_privileges: bool,
    pub(super) writable_cgroups: bool,
    seccomp: Seccomp,
}

#[derive(Debug, Default)]
enum Seccomp {
    #[default]
    Builtin,
    Unconfined,
    Profile(Box<Profile>),
}

impl Security {
    /// Reads the options; what makes no sense is refused in Docker's words.
    pub(super) fn parse(host_config: &HostConfig) -> Result<Self> {
        let mut security = Self {
            writable_cgroups: host_config.privileged.unwrap_or_default(),
            ..Self::default()
        };
        for option in host_config.security_opt.iter().flatten() {
            security.add(option)?;
        }
        Ok(security)
    }

    fn add(&mut self, option: &str) -> Result<()> {
        // Docker's order: a profile, which is JSON, has colons of its own.
        let separator = if option.contains('=') { '=' } else { ':' };
        let Some((key, value)) = option.split_once(separator) else {
            return match option {
                "no-new-privileges" => {
                    self.no_new_privileges = true;
                    Ok(())
                }
                "disable" => Ok(()),
                _ => Err(EngineError::Invalid(format!("invalid --security-opt 1: {option:?}"))),
            };
        };
        let flag = || {
            boolean(value).ok_or_else(|| {
                EngineError::Invalid(format!("invalid --security-opt 2: {option:?}"))
            })
        };
        match (key, value) {
            ("no-new-privileges", _) => self.no_new_privileges = flag()?,
            ("writable-cgroups", _) => self.writable_cgroups = flag()?,
            ("seccomp", "unconfined") => self.seccomp = Seccomp::Unconfined,
            ("seccomp", "builtin" | "") => self.seccomp = Seccomp::Builtin,
            ("seccomp", text) => {
                self.seccomp = Seccomp::Profile(Box::new(profile::parse(text)?));
            }
            ("apparmor", "unconfined" | "") | ("label", "disable") => {}
            ("apparmor" | "label", _) => {
                return Err(EngineError::Unsupported(format!(
                    "security option \"{key}\" with this value is not supported: the kernel has \
                     neither AppArmor nor SELinux"
                )));
            }
            _ => {
                return Err(EngineError::Invalid(format!("invalid --security-opt 2: {option:?}")));
            }
        }
        Ok(())
    }

    /// The filter of a container with this process. A privileged one has none but of its own.
    pub(super) fn filter(self, privileged: bool, process: &Process) -> Option<LinuxSeccomp> {
        let capabilities = process.capabilities().as_ref().and_then(|all| all.bounding().clone());
        let capabilities: HashSet<Capability> = capabilities.unwrap_or_default();
        match self.seccomp {
            Seccomp::Unconfined => None,
            Seccomp::Builtin if privileged => None,
            Seccomp::Builtin => Some(seccomp::default_profile(&capabilities)),
            Seccomp::Profile(profile) => Some(profile.filter(&capabilities)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[&str]) -> Result<Security> {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Security::parse(&HostConfig { security_opt: Some(options), ..HostConfig::default() })
    }

    #[test]
    fn options_are_read_as_docker_reads_them() {
        assert!(parse(&["no-new-privileges"]).unwrap().no_new_privileges);
        assert!(
            !parse(&["no-new-privileges:true", "no-new-privileges=0"]).unwrap().no_new_privileges
        );
        assert!(parse(&["writable-cgroups=true"]).unwrap().writable_cgroups);
        parse(&["seccomp=unconfined", "apparmor=unconfined", "label=disable"]).unwrap();
    }

    #[test]
    fn nonsense_is_refused_in_dockers_words() {
        for (option, message) in [
            ("nonsense", "invalid --security-opt 1: \"nonsense\""),
            ("foo=bar", "invalid --security-opt 2: \"foo=bar\""),
            ("no-new-privileges=maybe", "invalid --security-opt 2: \"no-new-privileges=maybe\""),
            ("seccomp={", "Decoding seccomp profile failed: "),
        ] {
            let error = parse(&[option]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
