//! The process of a container: planned before the fork, taken on in the child.

mod lookup;
mod stdio;
mod terminal;
mod user;

use std::ffi::CString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use oci_spec::runtime::{
    Linux, LinuxPersonality, LinuxPersonalityDomain, PosixRlimitType, Process,
};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, chdir, getcwd, prlimit, umask};
use rustix::termios::Winsize;
use rustix::thread::{CapabilitySet, set_no_new_privs};

use crate::capabilities::{CapabilityPlan, raise};
use crate::error::{Context, Result, RuntimeError};
use crate::seccomp::Filter;
use crate::sys;
pub(crate) use lookup::Program;
pub use stdio::Stdio;
pub(crate) use terminal::Terminal;
use user::UserPlan;

/// Everything about a process that does not depend on the file system it will see.
#[derive(Debug)]
pub(crate) struct ProcessPlan {
    arguments: Vec<CString>,
    environment: Vec<CString>,
    working_directory: PathBuf,
    user: UserPlan,
    capabilities: CapabilityPlan,
    no_new_privileges: bool,
    filter: Option<Filter>,
    limits: Vec<(Resource, Rlimit)>,
    oom_score: Option<i32>,
    personality: Option<u64>,
    /// The size of the terminal, if the process has one.
    pub(crate) terminal: Option<Winsize>,
}

impl ProcessPlan {
    /// Checks a process of the specification; `linux` is its container's.
    pub(crate) fn from_spec(process: &Process, linux: Option<&Linux>) -> Result<Self> {
        refuse_unsupported(process)?;
        let seccomp = linux.and_then(|linux| linux.seccomp().as_ref());
        let personality = linux.and_then(|linux| linux.personality().as_ref());
        let arguments = strings("argument", process.args().as_deref().unwrap_or_default())?;
        if arguments.first().is_none_or(|program| program.is_empty()) {
            return Err(RuntimeError::invalid("no command specified"));
        }
        let working_directory = process.cwd().clone();
        if !working_directory.is_absolute() {
            let path = working_directory.display();
            return Err(RuntimeError::invalid(format!("working directory {path} is not absolute")));
        }
        let limits = process.rlimits().iter().flatten().map(|limit| {
            let (soft, hard) = (Some(limit.soft()), Some(limit.hard()));
            let unlimited = |value: Option<u64>| value.filter(|value| *value != u64::MAX);
            let limits = Rlimit { current: unlimited(soft), maximum: unlimited(hard) };
            (resource(limit.typ()), limits)
        });
        Ok(Self {
            arguments,
            environment: strings(
                "environment variable",
                process.env().as_deref().unwrap_or_default(),
            )?,
            working_directory,
            user: UserPlan::from_spec(process.user()),
            capabilities: CapabilityPlan::from_spec(process.capabilities().as_ref()),
            no_new_privileges: process.no_new_privileges().unwrap_or(false),
            filter: seccomp.map(Filter::from_spec).transpose()?,
            limits: limits.collect(),
            oom_score: process.oom_score_adj(),
            personality: personality.map(domain).transpose()?,
            terminal: process.terminal().unwrap_or(false).then(|| window_size(process)),
        })
    }

    /// What needs the host's `/proc` and the host's privileges: the first thing in the child, or,
    /// where that has no privileges on the host, done to the child by its parent.
    pub(crate) fn enter(&self, child: Option<Pid>) -> Result<()> {
        if let Some(score) = self.oom_score {
            write_oom_score(child, score)?;
        }
        for (resource, limits) in &self.limits {
            prlimit(child, *resource, *limits)
                .context("set the resource limit", format_args!("{resource:?}"))?;
        }
        Ok(())
    }

    /// The working directory is made if it is missing, as root, as other runtimes do.
    pub(crate) fn create_working_directory(&self) -> Result<()> {
        let path = &self.working_directory;
        match DirBuilder::new().recursive(true).mode(0o755).create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                // A mount of another machine may be readable to the user and not to root;
                // changing into the directory will tell.
                let denied = error.kind() == ErrorKind::PermissionDenied;
                if denied { Ok(()) } else { Err(error).context("mkdir cwd", path.display()) }
            }
            _ => Ok(()),
        }
    }

    /// Becomes the container's user, with its capabilities, in its working directory; finds the
    /// program as that user sees it.
    pub(crate) fn become_user(&mut self) -> Result<Program> {
        self.user.own_stdio()?;
        self.user.set_home(&mut self.environment)?;
        self.capabilities.cut_bounding()?;
        self.user.become_user()?;
        self.capabilities.reduce(self.reserve())?;
        if let Some(personality) = self.personality {
            sys::set_personality(personality).context("set", "the personality")?;
        }
        if self.no_new_privileges {
            set_no_new_privs(true).context("set", "no_new_privs")?;
        }
        umask(Mode::from_raw_mode(self.user.umask()));
        self.change_directory()?;
        Program::find(&self.arguments[0], &self.environment)
    }

    /// Loads the filter and runs the program. Returns only if that fails.
    pub(crate) fn run(&mut self, program: &Program) -> RuntimeError {
        if let Err(error) = self.confine() {
            return error;
        }
        let error = sys::execve(program.path(), &self.arguments, &self.environment);
        program.refused(error.into())
    }

    /// The filter comes last: from here on, only what it allows can be called.
    pub(crate) fn confine(&mut self) -> Result<()> {
        let reserve = self.reserve();
        if let Some(filter) = &mut self.filter {
            if !reserve.is_empty() {
                raise(reserve)?;
            }
            filter.load()?;
        }
        if reserve.is_empty() { Ok(()) } else { self.capabilities.finish() }
    }

    /// What loading the filter needs beyond the process's own capabilities.
    fn reserve(&self) -> CapabilitySet {
        if self.filter.is_some() && !self.no_new_privileges {
            CapabilitySet::SYS_ADMIN
        } else {
            CapabilitySet::empty()
        }
    }

    /// A working directory outside the root, reached through a descriptor that leaked in, has
    /// no path (CVE-2024-21626).
    fn change_directory(&self) -> Result<()> {
        let path = self.working_directory.display();
        chdir(&self.working_directory).map_err(|errno| RuntimeError::WorkingDirectory {
            path: path.to_string(),
            source: errno.into(),
        })?;
        let reached = getcwd(Vec::new()).context("find the path of cwd", &path)?;
        if reached.as_bytes().first() == Some(&b'/') {
            return Ok(());
        }
        Err(RuntimeError::invalid(format!("cwd {path} is outside the container's root")))
    }
}

fn write_oom_score(child: Option<Pid>, score: i32) -> Result<()> {
    let process = child.map_or_else(|| "self".to_owned(), |pid| pid.as_raw_pid().to_string());
    let path = format!("/proc/{process}/oom_score_adj");
    let write = |mut file: File| file.write_all(score.to_string().as_bytes());
    OpenOptions::new().write(true).open(&path).and_then(write).context("write", path)
}

/// What the kernel calls a personality (`linux/personality.h`).
fn domain(personality: &LinuxPersonality) -> Result<u64> {
    if personality.flags().as_ref().is_some_and(|flags| !flags.is_empty()) {
        return Err(RuntimeError::unsupported("linux.personality.flags"));
    }
    Ok(match personality.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    })
}

fn refuse_unsupported(process: &Process) -> Result<()> {
    let apparmor = process.apparmor_profile().as_deref().unwrap_or_default();
    if !apparmor.is_empty() && apparmor != "unconfined" {
        return Err(RuntimeError::unsupported("process.apparmorProfile"));
    }
    if process.selinux_label().as_ref().is_some_and(|label| !label.is_empty()) {
        return Err(RuntimeError::unsupported("process.selinuxLabel"));
    }
    if process.io_priority().is_some() || process.scheduler().is_some() {
        return Err(RuntimeError::unsupported("process.ioPriority and process.scheduler"));
    }
    Ok(())
}

fn strings(what: &str, list: &[String]) -> Result<Vec<CString>> {
    let convert = |text: &String| {
        CString::new(text.as_str())
            .map_err(|_| RuntimeError::invalid(format!("{what} {text:?} contains a zero byte")))
    };
    list.iter().map(convert).collect()
}

fn window_size(process: &Process) -> Winsize {
    let cells = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    let size = process.console_size();
    Winsize {
        ws_row: size.map_or(0, |size| cells(size.height())),
        ws_col: size.map_or(0, |size| cells(size.width())),
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn resource(typ: PosixRlimitType) -> Resource {
    match typ {
        PosixRlimitType::RlimitCpu => Resource::Cpu,
        PosixRlimitType::RlimitFsize => Resource::Fsize,
        PosixRlimitType::RlimitData => Resource::Data,
        PosixRlimitType::RlimitStack => Resource::Stack,
        PosixRlimitType::RlimitCore => Resource::Core,
        PosixRlimitType::RlimitRss => Resource::Rss,
        PosixRlimitType::RlimitNproc => Resource::Nproc,
        PosixRlimitType::RlimitNofile => Resource::Nofile,
        PosixRlimitType::RlimitMemlock => Resource::Memlock,
        PosixRlimitType::RlimitAs => Resource::As,
        PosixRlimitType::RlimitLocks => Resource::Locks,
        PosixRlimitType::RlimitSigpending => Resource::Sigpending,
        PosixRlimitType::RlimitMsgqueue => Resource::Msgqueue,
        PosixRlimitType::RlimitNice => Resource::Nice,
        PosixRlimitType::RlimitRtprio => Resource::Rtprio,
        PosixRlimitType::RlimitRttime => Resource::Rttime,
    }
}

/// Says that a chmod or chown of this kind of descriptor is refused for good reason.
fn is_refusal(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::PERM | Errno::ROFS | Errno::OPNOTSUPP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(json: &str) -> anyhow::Result<Result<ProcessPlan>> {
        Ok(ProcessPlan::from_spec(&serde_json::from_str(json)?, None))
    }

    #[test]
    fn a_process_without_a_command_is_refused() -> anyhow::Result<()> {
        let process = r#"{"cwd": "/", "args": [], "user": {"uid": 0, "gid": 0}}"#;
        let error = plan(process)?.map(drop);
        assert_eq!(error, Err(RuntimeError::invalid("no command specified")));
        Ok(())
    }

    #[test]
    fn a_relative_working_directory_is_refused() -> anyhow::Result<()> {
        let process = r#"{"cwd": "tmp", "args": ["x"], "user": {"uid": 0, "gid": 0}}"#;
        let expected = RuntimeError::invalid("working directory tmp is not absolute");
        assert_eq!(plan(process)?.map(drop), Err(expected));
        Ok(())
    }

    #[test]
    fn the_terminal_has_the_size_of_the_specification() -> anyhow::Result<()> {
        let plan = plan(
            r#"{"cwd": "/", "args": ["x"], "user": {"uid": 0, "gid": 0}, "terminal": true,
                "consoleSize": {"height": 30, "width": 120}}"#,
        )??;
        let size = plan.terminal.map(|size| (size.ws_row, size.ws_col));
        assert_eq!(size, Some((30, 120)));
        Ok(())
    }
}
