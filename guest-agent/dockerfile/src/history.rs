//! What an image's history says of an instruction, as BuildKit writes it.

use crate::instruction::{Command, Transfer};
use crate::scope::Scope;
use crate::words::Pair;

/// Said of what made a layer.
const MARK: &str = " # buildkit";

/// What came of an instruction, as far as its words do not say it.
#[derive(Clone, Copy, Debug)]
pub enum Came<'a> {
    /// Its words say it all.
    Nothing,
    /// The program and its arguments, or the ports.
    Words(&'a [String]),
    /// The directory.
    Directory(&'a str),
    /// What the names are worth.
    Arguments(&'a [(String, Option<String>)]),
}

/// What the history says of an instruction whose variables are filled in; none of one that is not
/// in it.
pub fn created_by(command: &Command, came: Came<'_>, scope: &Scope) -> Option<String> {
    let words = match came {
        Came::Words(words) => words,
        Came::Nothing | Came::Directory(_) | Came::Arguments(_) => &[],
    };
    let name = command.keyword().as_str();
    let rest = match command {
        Command::Add(files) | Command::Copy(files) => transfer(files),
        Command::Arg(_) => arguments(came),
        Command::Cmd(_) | Command::Entrypoint(_) => quoted(words),
        Command::Env(pairs) | Command::Label(pairs) => joined(pairs),
        Command::Expose(_) | Command::Shell(_) => format!("[{}]", words.join(" ")),
        Command::From(_) | Command::OnBuild(_) => return None,
        Command::Healthcheck(check) => {
            let time = |nanoseconds: Option<i64>| go_duration(nanoseconds.unwrap_or_default());
            format!(
                "{{Test:[{}] Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
                check.test.join(" "),
                time(check.interval),
                time(check.timeout),
                time(check.start_period),
                time(check.start_interval),
                check.retries.unwrap_or_default()
            )
        }
        Command::Maintainer(word) | Command::StopSignal(word) | Command::User(word) => {
            word.text.clone()
        }
        Command::Run(_) => {
            let words: Vec<String> =
                scope.history().into_iter().chain(words.iter().cloned()).collect();
            words.join(" ") + MARK
        }
        Command::Volume(volumes) => {
            let volumes: Vec<&str> = volumes.iter().map(|volume| volume.text.as_str()).collect();
            format!("[{}]", volumes.join(" "))
        }
        Command::WorkDir(word) => match came {
            Came::Directory(directory) => directory.to_owned(),
            Came::Nothing | Came::Words(_) | Came::Arguments(_) => word.text.clone(),
        },
    };
    Some(format!("{name} {rest}"))
}

fn transfer(files: &Transfer) -> String {
    let mut said = Vec::new();
    if files.parents {
        said.push("--parents".to_owned());
    }
    for (flag, value) in [("chown", &files.chown), ("chmod", &files.chmod)] {
        said.extend(value.as_ref().map(|value| format!("--{flag}={}", value.text)));
    }
    said.extend(files.sources.iter().map(|source| source.text.clone()));
    said.extend(files.documents.iter().map(|document| format!("<<{}", document.name)));
    said.push(files.destination.text.clone());
    said.join(" ") + MARK
}

fn arguments(came: Came<'_>) -> String {
    let Came::Arguments(arguments) = came else { return String::new() };
    let said = arguments.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    });
    said.collect::<Vec<_>>().join(" ")
}

fn joined(pairs: &[Pair]) -> String {
    let said = pairs.iter().map(|pair| format!("{}={}", pair.name.text, pair.value.text));
    said.collect::<Vec<_>>().join(" ")
}

/// As Go's `%q` writes a list of texts.
fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| go_quoted(word)).collect();
    format!("[{}]", words.join(" "))
}

fn go_quoted(text: &str) -> String {
    let characters = text.chars().map(|character| match character {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        other if other.is_ascii_control() => format!("\\x{:02x}", u32::from(other)),
        other if other.is_control() => format!("\\u{:04x}", u32::from(other)),
        other => other.to_string(),
    });
    format!("\"{}\"", characters.collect::<String>())
}

/// As Go writes a duration: `1m30s`, `1.5s`, `3ms`.
fn go_duration(nanoseconds: i64) -> String {
    let decimal = |whole: i64, unit: &str| {
        let text =
            format!("{}.{:09}", nanoseconds / whole, nanoseconds % whole * (1_000_000_000 / whole));
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => decimal(1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(1_000_000, "ms"),
        _ => {
            let (minutes, rest) = (nanoseconds / 60_000_000_000, nanoseconds % 60_000_000_000);
            let seconds = format!("{}.{:09}", rest / 1_000_000_000, rest % 1_000_000_000);
            let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Dockerfile;

    fn said(instruction: &str, came: Came<'_>) -> Option<String> {
        let mut file = Dockerfile::parse(&format!("FROM x\n{instruction}")).unwrap();
        let command = file.stages.remove(0).instructions.remove(0).command;
        created_by(&command, came, &Scope::default())
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_is_said_is_what_buildkit_says() {
        for (instruction, expected) in [
            ("ENV a=b c=d", "ENV a=b c=d"),
            ("LABEL a=b", "LABEL a=b"),
            ("USER a:b", "USER a:b"),
            ("STOPSIGNAL SIGINT", "STOPSIGNAL SIGINT"),
            ("MAINTAINER me", "MAINTAINER me"),
            ("VOLUME /a /b", "VOLUME [/a /b]"),
            (
                "COPY --from=y --link --chmod=0755 --parents --chown=1:2 a b /c",
                "COPY --parents --chown=1:2 --chmod=0755 a b /c # buildkit",
            ),
            ("ADD a <<E /c\nE", "ADD a <<E /c # buildkit"),
            (
                "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=3ms --retries=2 CMD a b",
                "HEALTHCHECK {Test:[CMD-SHELL a b] Interval:1m30s Timeout:1.5s StartPeriod:3ms \
                 StartInterval:0s Retries:2}",
            ),
        ] {
            assert_eq!(said(instruction, Came::Nothing).as_deref(), Some(expected));
        }
        assert_eq!(said("ONBUILD RUN x", Came::Nothing), None);
    }

    #[test]
    fn what_came_of_it_is_said() {
        let words = texts(&["/bin/sh", "-c", "echo \"a\"\t\u{1}"]);
        let expected = "CMD [\"/bin/sh\" \"-c\" \"echo \\\"a\\\"\\t\\x01\"]";
        assert_eq!(said("CMD x", Came::Words(&words)).as_deref(), Some(expected));
        let words = texts(&["/bin/sh", "-c", "make  all"]);
        let expected = "RUN /bin/sh -c make  all # buildkit";
        assert_eq!(said("RUN make  all", Came::Words(&words)).as_deref(), Some(expected));
        let ports = texts(&["80/tcp", "90/udp"]);
        let expected = Some("EXPOSE [80/tcp 90/udp]");
        assert_eq!(said("EXPOSE 80 90/udp", Came::Words(&ports)).as_deref(), expected);
        let directory = said("WORKDIR b", Came::Directory("/a/b"));
        assert_eq!(directory.as_deref(), Some("WORKDIR /a/b"));
        let arguments = [("a".to_owned(), Some("1".to_owned())), ("b".to_owned(), None)];
        let expected = Some("ARG a=1 b");
        assert_eq!(said("ARG a=1 b", Came::Arguments(&arguments)).as_deref(), expected);
    }

    #[test]
    fn durations_are_as_go_writes_them() {
        for text in ["0s", "7ns", "1.5µs", "3ms", "1s", "1m0s", "1h0m0.25s", "25h1m1s"] {
            let nanoseconds = crate::duration::duration(text).unwrap();
            assert_eq!(go_duration(nanoseconds), text);
        }
    }
}
