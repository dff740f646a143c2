//! What a source of `ADD`, or a context, is: a path, something to download, or a repository.

use crate::boolean::boolean;
use crate::error::Problem;

/// Where files are, as far as the text says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the context.
    Path,
    /// On a server: one file.
    Http,
    /// In a repository.
    Git(GitSource),
}

/// A repository, and what of it is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitSource {
    /// What `git` is told; it never begins like an option.
    pub remote: String,
    /// A branch, a tag or a commit; neither does it.
    pub reference: Option<String>,
    /// The directory that is meant.
    pub directory: Option<String>,
    /// The commit that it must be.
    pub checksum: Option<String>,
    /// Whether `.git` is kept, if that is said.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are fetched, if that is said.
    pub submodules: Option<bool>,
}

impl Place {
    /// A source of `ADD`.
    pub fn of(text: &str) -> Result<Self, Problem> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        match scheme.map(str::to_ascii_lowercase).as_deref() {
            Some("http" | "https") if is_repository(text) => {
                GitSource::read(text)?.checked().map(Self::Git)
            }
            // As it is written: in other letters it is not known as a URL.
            Some("http" | "https") if text.starts_with("http") => Ok(Self::Http),
            Some("git" | "ssh") => GitSource::read(text)?.checked().map(Self::Git),
            None if is_ssh(text) => GitSource::read(text)?.checked().map(Self::Git),
            _ => Ok(Self::Path),
        }
    }

    /// What `docker build` is given for a context; there the best known host needs no scheme.
    pub fn of_context(text: &str) -> Result<Self, Problem> {
        if text.starts_with("github.com/") {
            return GitSource::read(&format!("https://{text}"))?.checked().map(Self::Git);
        }
        Self::of(text)
    }
}

/// Whether the path of a URL ends as repositories do.
fn is_repository(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.strip_suffix(".git").is_some()
}

/// `user@host:path`, as of `scp`.
fn is_ssh(text: &str) -> bool {
    let Some((user, rest)) = text.split_once('@') else { return false };
    let Some((host, _)) = rest.split_once(':') else { return false };
    let is_name = |text: &str, more: &[u8]| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
        !text.is_empty() && text.bytes().all(is_known)
    };
    is_name(user, b"-_") && is_name(host, b"-.") && !text.starts_with('-')
}

impl GitSource {
    fn read(text: &str) -> Result<Self, Problem> {
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (remote, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut git = Self { remote: remote.to_owned(), ..Self::default() };
        // In the form of `scp` it is as it is written.
        let is_url = remote.contains("://");
        let fragment = if is_url { decoded(fragment) } else { fragment.to_owned() };
        let (reference, directory) = fragment.split_once(':').unwrap_or((&fragment, ""));
        git.reference = some(reference);
        git.directory = some(&inside(directory));
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = match pair.split_once('=') {
                Some((name, value)) => (decoded(name), decoded(&value.replace('+', " "))),
                None => (decoded(pair), String::new()),
            };
            git.set(&name, &value)?;
        }
        Ok(git)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let wrong = |message: String| Err(Problem::Git(message));
        let switch = || {
            let said = if value.is_empty() { Some(true) } else { boolean(value) };
            let invalid = || Problem::Git(format!("invalid {name} value: {value:?}"));
            said.map(Some).ok_or_else(invalid)
        };
        match name {
            "keep-git-dir" => self.keep_git_dir = switch()?,
            "submodules" => self.submodules = switch()?,
            "ref" | "tag" | "branch" | "subdir" | "checksum" | "commit" if value.is_empty() => {
                return wrong(format!("query {name:?} has no value"));
            }
            "ref" => return self.refer(value),
            "tag" => return self.refer(&prefixed(value, "refs/tags/")),
            "branch" => return self.refer(&prefixed(value, "refs/heads/")),
            "subdir" => {
                let directory = inside(value);
                match &self.directory {
                    Some(known) if *known != directory => {
                        return wrong(format!("subdir conflicts: {known:?} vs {directory:?}"));
                    }
                    _ => self.directory = some(&directory),
                }
            }
            "checksum" | "commit" => self.checksum = some(value),
            _ => return wrong(format!("unexpected query {name:?}")),
        }
        Ok(())
    }

    fn refer(&mut self, reference: &str) -> Result<(), Problem> {
        match &self.reference {
            Some(known) if known != reference => {
                Err(Problem::Git(format!("ref conflicts: {known:?} vs {reference:?}")))
            }
            _ => {
                self.reference = some(reference);
                Ok(())
            }
        }
    }

    /// Nothing of it can be taken for an option of `git`.
    fn checked(self) -> Result<Self, Problem> {
        // A host that begins so is an option of `ssh`.
        let authority =
            self.remote.split_once("://").map_or(self.remote.as_str(), |(_, rest)| rest);
        let host = authority.split('/').next().unwrap_or(authority);
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        if host.starts_with('-') || self.remote.contains(char::is_control) {
            return Err(Problem::Git(format!("invalid git remote: {:?}", self.remote)));
        }
        for text in [self.reference.as_deref(), self.checksum.as_deref()].into_iter().flatten() {
            if text.starts_with('-') || text.contains(char::is_control) {
                return Err(Problem::Git(format!("invalid git ref: {text:?}")));
            }
        }
        Ok(self)
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn prefixed(text: &str, prefix: &str) -> String {
    if text.starts_with(prefix) { text.to_owned() } else { format!("{prefix}{text}") }
}

/// A path that does not lead out of where it counts from.
fn inside(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// `%2F` is a slash.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| str::from_utf8(hex).ok());
        let byte = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let byte = byte.filter(|_| *first == b'%');
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
        bytes.push(byte.unwrap_or(*first));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(remote: &str) -> GitSource {
        GitSource { remote: remote.to_owned(), ..GitSource::default() }
    }

    #[test]
    fn a_source_is_a_path_a_file_or_a_repository() {
        let text = |text: &str| Some(text.to_owned());
        for path in ["a", "./.git", ".git", "github.com/a/b", "a.xyz/b.git", "a@b", "ftp://a/b.git"]
        {
            assert_eq!(Place::of(path), Ok(Place::Path), "{path}");
        }
        let urls =
            ["https://example.com/", "http://a.b/c.git/", "http://a.b/c.git:#d", "https://a/b?c#d"];
        for url in urls {
            assert_eq!(Place::of(url), Ok(Place::Http), "{url}");
        }
        for (source, expected) in [
            ("https://a.b/c.git", git("https://a.b/c.git")),
            ("git://a.b/c", git("git://a.b/c")),
            ("ssh://u@a.b/c", git("ssh://u@a.b/c")),
            ("git@a.b:c/d.git", git("git@a.b:c/d.git")),
            (
                "https://u:p@a.b/c.git#release/1.2:x/../y/../../z",
                GitSource {
                    reference: text("release/1.2"),
                    directory: text("z"),
                    ..git("https://u:p@a.b/c.git")
                },
            ),
            (
                "https://a.b/c.git#:x",
                GitSource { directory: text("x"), ..git("https://a.b/c.git") },
            ),
            (
                "git@a.b:c?branch=x%2Fy&subdir=/d&commit=00&keep-git-dir&submodules=false",
                GitSource {
                    reference: text("refs/heads/x/y"),
                    directory: text("d"),
                    checksum: text("00"),
                    keep_git_dir: Some(true),
                    submodules: Some(false),
                    ..git("git@a.b:c")
                },
            ),
            (
                "https://a.b/c.git?tag=v1#refs/tags/v1",
                GitSource { reference: text("refs/tags/v1"), ..git("https://a.b/c.git") },
            ),
        ] {
            assert_eq!(Place::of(source), Ok(Place::Git(expected)), "{source}");
        }
        let short = GitSource { reference: text("main"), ..git("https://github.com/a/b") };
        assert_eq!(Place::of_context("github.com/a/b#main"), Ok(Place::Git(short)));
        assert_eq!(Place::of_context("dir"), Ok(Place::Path));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (query, message) in [
            ("?ref=a#b", "ref conflicts: \"b\" vs \"a\""),
            ("?tag=a&branch=a", "ref conflicts: \"refs/tags/a\" vs \"refs/heads/a\""),
            ("?subdir=x#:y", "subdir conflicts: \"y\" vs \"x\""),
            ("?tag", "query \"tag\" has no value"),
            ("?invalid=1", "unexpected query \"invalid\""),
            ("?submodules=x", "invalid submodules value: \"x\""),
            ("#--upload-pack=x", "invalid git ref: \"--upload-pack=x\""),
            ("?commit=-x", "invalid git ref: \"-x\""),
        ] {
            let error = Place::of(&format!("https://a.b/c.git{query}")).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        for remote in ["ssh://-oProxyCommand=x/y", "ssh://u@-x/y", "u@-x:y"] {
            let error = Place::of(remote).unwrap_err().to_string();
            assert_eq!(error, format!("invalid git remote: {remote:?}"));
        }
    }
}
