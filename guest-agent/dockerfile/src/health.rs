//! `HEALTHCHECK`.

use crate::duration::duration;
use crate::error::{DockerfileError, Problem};
use crate::flags::Flags;
use crate::instruction::CommandLine;
use crate::parse::command_line;
use crate::text::Text;

/// Nanoseconds: no check is made more often.
const SHORTEST: i64 = 1_000_000;

/// How a container is asked whether it is well. Durations are nanoseconds, and none where nothing
/// is said or it is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `NONE`, or `CMD` or `CMD-SHELL` and what follows it.
    pub test: Vec<String>,
    /// `--interval`
    pub interval: Option<i64>,
    /// `--timeout`
    pub timeout: Option<i64>,
    /// `--start-period`
    pub start_period: Option<i64>,
    /// `--start-interval`
    pub start_interval: Option<i64>,
    /// `--retries`
    pub retries: Option<i32>,
}

pub(crate) fn healthcheck(
    flags: Result<Flags, DockerfileError>,
    text: Text<'_>,
) -> Result<Healthcheck, DockerfileError> {
    let (kind, rest) = text.first_word();
    match kind.as_str().to_uppercase().as_str() {
        "" => return Err(text.error(Problem::AtLeastOne("HEALTHCHECK"))),
        "NONE" if !rest.is_empty() => return Err(rest.error(Problem::HealthNone)),
        "NONE" => {
            flags?;
            return Ok(Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() });
        }
        _ => {}
    }
    let flags = flags?;
    let test = match kind.as_str().to_uppercase().as_str() {
        "CMD" => match command_line(rest)? {
            CommandLine::Exec(words) if !words.is_empty() => {
                [vec!["CMD".to_owned()], words].concat()
            }
            CommandLine::Shell(line) if !line.is_empty() => vec!["CMD-SHELL".to_owned(), line],
            _ => return Err(text.error(Problem::HealthWithoutCommand)),
        },
        other => return Err(kind.error(Problem::HealthType(other.to_owned()))),
    };
    Ok(Healthcheck {
        test,
        interval: time(&flags, "interval")?,
        timeout: time(&flags, "timeout")?,
        start_period: time(&flags, "start-period")?,
        start_interval: time(&flags, "start-interval")?,
        retries: retries(&flags)?,
    })
}

fn time(flags: &Flags, name: &'static str) -> Result<Option<i64>, DockerfileError> {
    let Some(word) = flags.text(name) else { return Ok(None) };
    let error = |problem| DockerfileError::at(word.at, problem);
    match duration(&word.text).map_err(error)? {
        0 => Ok(None),
        nanoseconds if nanoseconds < SHORTEST => Err(error(Problem::Interval(name))),
        nanoseconds => Ok(Some(nanoseconds)),
    }
}

fn retries(flags: &Flags) -> Result<Option<i32>, DockerfileError> {
    let Some(word) = flags.text("retries") else { return Ok(None) };
    let error = |problem| DockerfileError::at(word.at, problem);
    let retries: Result<i32, _> = word.text.parse();
    match retries.map_err(|_| error(Problem::Number(word.text.clone())))? {
        retries if retries < 0 => Err(error(Problem::NegativeRetries(retries))),
        retries => Ok(Some(retries).filter(|retries| *retries > 0)),
    }
}
