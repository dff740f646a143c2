//! `RUN --mount`.

use crate::boolean::boolean;
use crate::csv::fields;
use crate::error::{DockerfileError, Problem};
use crate::expand::Expander;
use crate::position::Word;
use crate::size::bytes;
use crate::suggest::nearest;

const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARINGS: [&str; 3] = ["shared", "private", "locked"];
const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

/// Something that a `RUN` has mounted while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// What kind of thing it is.
    pub kind: MountKind,
    /// The stage or image that it is of.
    pub from: Option<String>,
    /// The path in that.
    pub source: Option<String>,
    /// Where it is mounted.
    pub target: Option<String>,
    /// Whether nothing can be written.
    pub read_only: bool,
    /// The most that a tmpfs takes, in bytes.
    pub size: Option<i64>,
    /// The name of a cache, a secret or an agent.
    pub id: Option<String>,
    /// Who uses a cache at the same time.
    pub sharing: Option<Sharing>,
    /// Whether a secret or an agent that is not there is an error.
    pub required: bool,
    /// The variable that a secret is put into.
    pub env: Option<String>,
    /// The mode of a secret, an agent's socket, or a new cache.
    pub mode: Option<u32>,
    /// Their owner.
    pub uid: Option<u32>,
    /// Their group.
    pub gid: Option<u32>,
}

/// What is mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountKind {
    /// A directory of the context, a stage or an image.
    #[default]
    Bind,
    /// A directory that later builds find again.
    Cache,
    /// Memory.
    Tmpfs,
    /// A file that does not become part of the image.
    Secret,
    /// The socket of an agent.
    Ssh,
}

/// Who uses a cache at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Everybody.
    #[default]
    Shared,
    /// Each its own.
    Private,
    /// One after the other.
    Locked,
}

impl MountKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Cache => "cache",
            Self::Tmpfs => "tmpfs",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        }
    }
}

impl Mount {
    /// Reads a mount, with its variables filled in.
    pub fn read(word: &Word, expander: Expander<'_>) -> Result<Self, DockerfileError> {
        let error = |problem| DockerfileError::at(word.at, problem);
        let mut mount = Self::default();
        let mut read_only = None;
        for field in fields(&word.text).map_err(error)? {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => {
                    let value = expander.word(&word.with_text(value.to_owned()))?.text;
                    (key, Some(value))
                }
                None => (field.as_str(), None),
            };
            let key = key.to_ascii_lowercase();
            let set = mount.set(&key, value.as_deref(), &field, &mut read_only);
            set.map_err(error)?;
        }
        mount.read_only =
            read_only.unwrap_or(!matches!(mount.kind, MountKind::Cache | MountKind::Tmpfs));
        mount.check().map_err(error)?;
        Ok(mount)
    }

    fn set(
        &mut self,
        key: &str,
        value: Option<&str>,
        field: &str,
        read_only: &mut Option<bool>,
    ) -> Result<(), Problem> {
        let unexpected =
            || wrong(format!("unexpected key '{key}' for mount type '{}'", self.kind.as_str()));
        let takes_required = matches!(self.kind, MountKind::Secret | MountKind::Ssh);
        match (key, value) {
            ("readonly" | "ro", value) => *read_only = Some(switch(key, value)?),
            ("readwrite" | "rw", value) => *read_only = Some(!switch(key, value)?),
            ("required", _) if !takes_required => return Err(unexpected()),
            ("required", value) => self.required = switch(key, value)?,
            (_, None) => {
                return Err(wrong(format!("invalid field '{field}' must be a key=value pair")));
            }
            ("type", Some(value)) => self.kind = kind(value)?,
            ("from", Some(value)) => self.from = text(value),
            ("source" | "src", Some(value)) => self.source = text(value),
            ("target" | "dst" | "destination", Some(value)) => self.target = text(value),
            ("size", Some(_)) if self.kind != MountKind::Tmpfs => return Err(unexpected()),
            ("size", Some(value)) => {
                let invalid = || wrong(format!("invalid value for {key}: {value}"));
                self.size = Some(bytes(value).ok_or_else(invalid)?);
            }
            ("id", Some(value)) => self.id = text(value),
            ("sharing", Some(value)) => self.sharing = Some(sharing(value)?),
            ("mode", Some(value)) => self.mode = Some(number(key, value, 8)?),
            ("uid", Some(value)) => self.uid = Some(number(key, value, 10)?),
            ("gid", Some(value)) => self.gid = Some(number(key, value, 10)?),
            ("env", Some(value)) => self.env = Some(value.to_owned()),
            _ => {
                let message = format!("unexpected key '{key}' in '{field}'");
                return Err(misspelt(message, key, &KEYS));
            }
        }
        Ok(())
    }

    /// Refuses what the kind does not have.
    fn check(&self) -> Result<(), Problem> {
        let kind = self.kind.as_str();
        if matches!(self.kind, MountKind::Bind | MountKind::Tmpfs) {
            for (name, value) in [("mode", self.mode), ("uid", self.uid), ("gid", self.gid)] {
                if value.is_some() {
                    return Err(wrong(format!("{name} not allowed for {kind:?} type mounts")));
                }
            }
        }
        if self.kind == MountKind::Secret {
            let message = match self {
                Self { from: Some(_), .. } => "secret mount should not have a from",
                Self { sharing: Some(_), .. } => "secret mount should not define sharing",
                Self { source: None, target: None, id: None, .. } => {
                    "invalid secret mount. one of source, target required"
                }
                Self { source: Some(_), id: Some(_), .. } => "both source and id can't be set",
                _ => return Ok(()),
            };
            return Err(wrong(message.to_owned()));
        }
        if self.sharing.is_some() && self.kind != MountKind::Cache {
            return Err(wrong(format!("invalid cache sharing set for {kind} mount")));
        }
        Ok(())
    }
}

/// What can be said of a mount before its variables are known.
pub(crate) fn check_mount(word: &Word) -> Result<(), DockerfileError> {
    mount_source(word).map(drop)
}

/// The stage or image that a mount is of, which is known without variables, and where it goes, as
/// that is written.
pub(crate) fn mount_source(word: &Word) -> Result<(Option<Word>, String), DockerfileError> {
    let error = |problem| DockerfileError::at(word.at, problem);
    let (mut from, mut target) = (None, String::new());
    for field in fields(&word.text).map_err(error)? {
        let Some((key, value)) = field.split_once('=') else { continue };
        match key.to_ascii_lowercase().as_str() {
            "target" | "dst" | "destination" => value.clone_into(&mut target),
            key @ "from" if value.find('$').is_some_and(|at| at + 1 != value.len()) => {
                return Err(error(wrong(format!(
                    "'{key}' doesn't support variable expansion, define alias stage instead"
                ))));
            }
            "from" => from = text(value).map(|value| word.with_text(value)),
            _ => {}
        }
    }
    Ok((from, target))
}

fn wrong(message: String) -> Problem {
    Problem::Mount { message, nearest: None }
}

fn misspelt(message: String, value: &str, options: &[&str]) -> Problem {
    let nearest = nearest(value, options.iter().copied());
    Problem::Mount { message, nearest: nearest.map(str::to_owned) }
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn kind(value: &str) -> Result<MountKind, Problem> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "bind" => MountKind::Bind,
        "cache" => MountKind::Cache,
        "tmpfs" => MountKind::Tmpfs,
        "secret" => MountKind::Secret,
        "ssh" => MountKind::Ssh,
        _ => return Err(misspelt(format!("unsupported mount type {value:?}"), value, &TYPES)),
    })
}

fn sharing(value: &str) -> Result<Sharing, Problem> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "shared" => Sharing::Shared,
        "private" => Sharing::Private,
        "locked" => Sharing::Locked,
        _ => {
            return Err(misspelt(format!("unsupported sharing value {value:?}"), value, &SHARINGS));
        }
    })
}

/// A key without a value says yes.
fn switch(key: &str, value: Option<&str>) -> Result<bool, Problem> {
    let value = value.unwrap_or("true");
    boolean(value).ok_or_else(|| wrong(format!("invalid value for {key}: {value}")))
}

fn number(key: &str, value: &str, radix: u32) -> Result<u32, Problem> {
    let invalid = || wrong(format!("invalid value {value} for {key}"));
    // Rust would take a sign.
    if !value.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(invalid());
    }
    u32::from_str_radix(value, radix).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Mount, String> {
        let value = |name: &str| (name == "A").then(|| "one".to_owned());
        let word = Word { text: text.to_owned(), ..Word::default() };
        check_mount(&word).map_err(|error| error.to_string())?;
        Mount::read(&word, Expander::new('\\', &value)).map_err(|error| error.to_string())
    }

    #[test]
    fn each_kind_has_keys_of_its_own() {
        let text = |text: &str| Some(text.to_owned());
        for (mount, expected) in [
            (
                "target=/$A,from=b,source=c",
                Mount {
                    target: text("/one"),
                    from: text("b"),
                    source: text("c"),
                    read_only: true,
                    ..Mount::default()
                },
            ),
            ("type=bind,rw,dst=/a", Mount { target: text("/a"), ..Mount::default() }),
            ("destination=/a,ro=false", Mount { target: text("/a"), ..Mount::default() }),
            (
                "type=Cache,id=${A}x,target=/a,sharing=LOCKED,mode=0700,uid=1,gid=2,readwrite=0",
                Mount {
                    kind: MountKind::Cache,
                    id: text("onex"),
                    target: text("/a"),
                    sharing: Some(Sharing::Locked),
                    mode: Some(0o700),
                    uid: Some(1),
                    gid: Some(2),
                    read_only: true,
                    ..Mount::default()
                },
            ),
            (
                "type=tmpfs,target=/a,size=1m",
                Mount {
                    kind: MountKind::Tmpfs,
                    target: text("/a"),
                    size: Some(1 << 20),
                    ..Mount::default()
                },
            ),
            (
                "type=secret,id=a,env=TOKEN,required",
                Mount {
                    kind: MountKind::Secret,
                    id: text("a"),
                    env: text("TOKEN"),
                    required: true,
                    read_only: true,
                    ..Mount::default()
                },
            ),
            (
                "type=ssh,required=true",
                Mount { kind: MountKind::Ssh, required: true, read_only: true, ..Mount::default() },
            ),
            (
                "\"target=/a,b\",\"src=\"\"c\"",
                Mount {
                    target: text("/a,b"),
                    source: text("\"c"),
                    read_only: true,
                    ..Mount::default()
                },
            ),
        ] {
            // A quote in a field that is filled in is one of the shell's.
            let mount = mount.replace("src=\"\"c", "src=\\\"\"c");
            assert_eq!(read(&mount), Ok(expected), "{mount}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (mount, message) in [
            ("type=bnd", "unsupported mount type \"bnd\" (did you mean bind?)"),
            ("tagret=/a", "unexpected key 'tagret' in 'tagret=/a' (did you mean target?)"),
            ("target", "invalid field 'target' must be a key=value pair"),
            ("required", "unexpected key 'required' for mount type 'bind'"),
            ("size=1", "unexpected key 'size' for mount type 'bind'"),
            ("type=tmpfs,size=x", "invalid value for size: x"),
            ("ro=x", "invalid value for ro: x"),
            (
                "type=cache,sharing=share",
                "unsupported sharing value \"share\" (did you mean shared?)",
            ),
            ("type=cache,mode=9", "invalid value 9 for mode"),
            ("type=cache,uid=+1", "invalid value +1 for uid"),
            ("mode=0700", "mode not allowed for \"bind\" type mounts"),
            ("type=tmpfs,gid=1", "gid not allowed for \"tmpfs\" type mounts"),
            ("sharing=locked", "invalid cache sharing set for bind mount"),
            ("type=secret", "invalid secret mount. one of source, target required"),
            ("type=secret,id=a,src=b", "both source and id can't be set"),
            ("type=secret,id=a,from=b", "secret mount should not have a from"),
            ("type=secret,id=a,sharing=shared", "secret mount should not define sharing"),
            ("from=$A", "'from' doesn't support variable expansion, define alias stage instead"),
            ("", "failed to parse csv mounts: EOF"),
            (
                "a\"b",
                "failed to parse csv mounts: parse error on line 1, column 2: bare \" in non-quoted-field",
            ),
            (
                "\"a",
                "failed to parse csv mounts: parse error on line 1, column 2: extraneous or missing \" in quoted-field",
            ),
        ] {
            assert_eq!(read(mount), Err(message.to_owned()), "{mount}");
        }
    }
}
