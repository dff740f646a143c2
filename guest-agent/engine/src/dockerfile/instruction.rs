//! One line becomes one instruction that changes a configuration.

use bollard_stubs::models::HealthConfig;

use super::error::DockerfileError;
use super::words::{first_word, flags, json, pairs};
use crate::go_duration;

/// An instruction that `docker commit --change` takes. Words still have their quotes and
/// variables, except where a shell or nobody takes them away.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Instruction {
    Cmd(Command),
    Entrypoint(Command),
    Env(Vec<(String, String)>),
    Expose(Vec<String>),
    Healthcheck(HealthConfig),
    Label(Vec<(String, String)>),
    /// The trigger, as it was written.
    OnBuild(String),
    StopSignal(String),
    User(String),
    Volume(Vec<String>),
    WorkDir(String),
}

/// A command: its words, or a line for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Words(Vec<String>),
    Shell(String),
}

impl Instruction {
    pub(super) fn parse(line: &str, escape: char) -> Result<Self, DockerfileError> {
        let (name, rest) = first_word(line);
        let keyword = name.to_ascii_uppercase();
        let (flags, rest) = flags(rest);
        if keyword == "HEALTHCHECK" {
            return healthcheck(&flags, rest).map(Self::Healthcheck);
        }
        let instruction = match keyword.as_str() {
            "CMD" => Self::Cmd(command(rest)?),
            "ENTRYPOINT" => Self::Entrypoint(command(rest)?),
            "ENV" => Self::Env(pairs(rest, escape, "ENV")?),
            "EXPOSE" => Self::Expose(listed(words(rest), "EXPOSE")?),
            "LABEL" => Self::Label(pairs(rest, escape, "LABEL")?),
            "ONBUILD" => Self::OnBuild(trigger(rest)?),
            "STOPSIGNAL" => Self::StopSignal(single(rest, "STOPSIGNAL")?),
            "USER" => Self::User(single(rest, "USER")?),
            "VOLUME" => {
                let volumes = json(rest)?.unwrap_or_else(|| words(rest));
                let volumes = listed(volumes, "VOLUME")?;
                if volumes.iter().any(|volume| volume.trim().is_empty()) {
                    return Err(DockerfileError::EmptyVolume);
                }
                Self::Volume(volumes)
            }
            "WORKDIR" => Self::WorkDir(single(rest, "WORKDIR")?),
            _ => return Err(DockerfileError::NotAChange(name.to_owned())),
        };
        match flags.first() {
            Some(flag) => Err(unknown(flag)),
            None => Ok(instruction),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn listed(words: Vec<String>, name: &'static str) -> Result<Vec<String>, DockerfileError> {
    if words.is_empty() { Err(DockerfileError::AtLeastOne(name)) } else { Ok(words) }
}

fn single(text: &str, name: &'static str) -> Result<String, DockerfileError> {
    if text.is_empty() { Err(DockerfileError::ExactlyOne(name)) } else { Ok(text.to_owned()) }
}

fn command(text: &str) -> Result<Command, DockerfileError> {
    Ok(json(text)?.map_or_else(|| Command::Shell(text.to_owned()), Command::Words))
}

fn trigger(text: &str) -> Result<String, DockerfileError> {
    match first_word(text).0.to_ascii_uppercase().as_str() {
        "" => Err(DockerfileError::AtLeastOne("ONBUILD")),
        "ONBUILD" => Err(DockerfileError::ChainedTrigger),
        keyword @ ("MAINTAINER" | "FROM") => Err(DockerfileError::Trigger(keyword.to_owned())),
        _ => Ok(text.to_owned()),
    }
}

fn unknown(flag: &str) -> DockerfileError {
    let name = flag.split('=').next().unwrap_or_default();
    DockerfileError::UnknownFlag(name.to_owned())
}

fn healthcheck(flags: &[&str], text: &str) -> Result<HealthConfig, DockerfileError> {
    let (kind, rest) = first_word(text);
    let mut check = HealthConfig::default();
    let test = match kind.to_ascii_uppercase().as_str() {
        "" => return Err(DockerfileError::AtLeastOne("HEALTHCHECK")),
        "NONE" if !rest.is_empty() => return Err(DockerfileError::HealthNone),
        "NONE" => vec!["NONE".to_owned()],
        "CMD" => match command(rest)? {
            Command::Words(words) if !words.is_empty() => [vec!["CMD".to_owned()], words].concat(),
            Command::Shell(line) if !line.is_empty() => vec!["CMD-SHELL".to_owned(), line],
            _ => return Err(DockerfileError::HealthWithoutCommand),
        },
        other => return Err(DockerfileError::HealthType(other.to_owned())),
    };
    for flag in flags {
        let (name, value) = flag
            .split_once('=')
            .ok_or_else(|| DockerfileError::FlagWithoutValue((*flag).to_owned()))?;
        match name {
            "interval" => check.interval = Some(time("interval", value)?),
            "timeout" => check.timeout = Some(time("timeout", value)?),
            "start-period" => check.start_period = Some(time("start-period", value)?),
            "start-interval" => check.start_interval = Some(time("start-interval", value)?),
            "retries" => {
                let retries = value.parse().ok().filter(|retries: &i32| *retries >= 0);
                let retries = retries.ok_or_else(|| invalid("retries", value))?;
                check.retries = Some(retries.into());
            }
            _ => return Err(unknown(flag)),
        }
    }
    check.test = Some(test);
    Ok(check)
}

fn invalid(name: &'static str, value: &str) -> DockerfileError {
    DockerfileError::FlagValue { name, value: value.to_owned() }
}

/// Nanoseconds: none, or at least a millisecond.
fn time(name: &'static str, value: &str) -> Result<i64, DockerfileError> {
    const SHORTEST: i64 = 1_000_000;
    let duration = go_duration::parse(value);
    let nanoseconds = duration.and_then(|duration| i64::try_from(duration.as_nanos()).ok());
    let fits = |nanoseconds: &i64| *nanoseconds == 0 || *nanoseconds >= SHORTEST;
    nanoseconds.filter(fits).ok_or_else(|| invalid(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Instruction, String> {
        Instruction::parse(line, '\\').map_err(|error| error.to_string())
    }

    #[test]
    fn commands_are_words_or_for_the_shell() {
        let words = Command::Words(vec!["a".into(), "b c".into()]);
        assert_eq!(parsed(r#"cmd ["a", "b c"]"#), Ok(Instruction::Cmd(words)));
        let shell = Command::Shell("a  $B ".trim().to_owned());
        assert_eq!(parsed("ENTRYPOINT a  $B "), Ok(Instruction::Entrypoint(shell)));
    }

    #[test]
    fn a_health_check_has_flags() {
        let Ok(Instruction::Healthcheck(check)) =
            parsed("HEALTHCHECK --interval=1m30s --retries=3 CMD test -f /x")
        else {
            panic!("it is one");
        };
        assert_eq!((check.interval, check.retries), (Some(90_000_000_000), Some(3)));
        assert_eq!(check.test, Some(vec!["CMD-SHELL".into(), "test -f /x".into()]));
        for (line, message) in [
            ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
            ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
            ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
            ("HEALTHCHECK PING x", "Unknown type \"PING\" in HEALTHCHECK (try CMD)"),
            ("HEALTHCHECK --often=1 CMD x", "unknown flag: often"),
            ("HEALTHCHECK --timeout CMD x", "missing a value on flag: timeout"),
            ("HEALTHCHECK --timeout=1us CMD x", "invalid value for flag timeout: \"1us\""),
            ("HEALTHCHECK --retries=-1 CMD x", "invalid value for flag retries: \"-1\""),
        ] {
            assert_eq!(parsed(line), Err(message.to_owned()), "{line}");
        }
    }

    #[test]
    fn what_is_no_change_is_refused_by_name() {
        for (line, message) in [
            ("RUN true", "RUN is not a valid change command"),
            ("from x", "from is not a valid change command"),
            ("USER", "USER requires exactly one argument"),
            ("EXPOSE", "EXPOSE requires at least one argument"),
            ("VOLUME [\"\"]", "VOLUME specified can not be an empty string"),
            ("USER --x y", "unknown flag: x"),
            ("ONBUILD", "ONBUILD requires at least one argument"),
            ("ONBUILD onbuild RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
            ("ONBUILD from x", "FROM isn't allowed as an ONBUILD trigger"),
        ] {
            assert_eq!(parsed(line), Err(message.to_owned()), "{line}");
        }
        assert_eq!(parsed("onbuild RUN  x"), Ok(Instruction::OnBuild("RUN  x".to_owned())));
    }
}
