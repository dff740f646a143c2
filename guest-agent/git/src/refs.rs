//! Which commit a name means.

use std::io::Read;

use crate::error::GitError;
use crate::object::ObjectId;
use crate::packet::{DELIMITER, FLUSH, Packet, push, read, text};

/// More branches and tags are not looked through.
const REFS_MAX: usize = 1_000_000;

/// That a server speaks the protocol, and the kind of objects, that is spoken here.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities(());

impl Capabilities {
    /// Reads the answer to `GET info/refs?service=git-upload-pack`, asked with the header
    /// `Git-Protocol: version=2`.
    pub fn parse(mut answer: impl Read) -> Result<Self, GitError> {
        const OLD: GitError = GitError::Unsupported("a server without git's protocol version 2");
        let (mut is_two, mut format) = (false, "sha1".to_owned());
        while let Some(packet) = read(&mut answer)? {
            let Packet::Data(data) = packet else { continue };
            let line = text(&data);
            match line.split_once('=') {
                Some(("object-format", found)) => found.clone_into(&mut format),
                _ if line == "version 2" => is_two = true,
                _ if line.starts_with("# service=") || is_two => {}
                _ => return Err(OLD),
            }
        }
        match (is_two, format.as_str()) {
            (false, _) => Err(OLD),
            (true, "sha1") => Ok(Self(())),
            (true, _) => Err(GitError::Unsupported("a repository with other hashes than SHA-1")),
        }
    }
}

/// What a reference may be: as it is written, a branch, a tag.
fn candidates(reference: &str) -> [String; 3] {
    let of =
        |prefix: &str| format!("{prefix}{}", reference.strip_prefix(prefix).unwrap_or(reference));
    [of("refs/"), of("refs/heads/"), of("refs/tags/")]
}

/// Asks what a branch or tag is; what the repository is at, if none is named.
pub fn refs_request(reference: Option<&str>) -> Vec<u8> {
    let mut request = Vec::new();
    push(&mut request, "command=ls-refs");
    push(&mut request, "object-format=sha1");
    request.extend_from_slice(DELIMITER);
    push(&mut request, "peel");
    match reference {
        None => {
            push(&mut request, "symrefs");
            push(&mut request, "ref-prefix HEAD");
        }
        Some(reference) => {
            for name in candidates(reference) {
                push(&mut request, &format!("ref-prefix {name}"));
            }
        }
    }
    request.extend_from_slice(FLUSH);
    request
}

/// Branches and tags with their commits.
#[derive(Clone, Debug, Default)]
pub struct Refs(Vec<(String, Found)>);

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The whole name: `refs/heads/main`. What is no name but an id has none.
    pub name: Option<String>,
    /// The commit.
    pub commit: ObjectId,
    /// The tag that is of the commit, where there is one; else the commit.
    pub object: ObjectId,
}

impl Refs {
    /// Reads the answer to a [`refs_request`].
    pub fn parse(mut answer: impl Read) -> Result<Self, GitError> {
        let mut refs = Vec::new();
        while let Some(Packet::Data(data)) = read(&mut answer)? {
            let line = text(&data);
            if let Some(message) = line.strip_prefix("ERR ") {
                return Err(GitError::Refused(message.to_owned()));
            }
            let mut words = line.split(' ');
            let (Some(id), Some(name)) = (words.next(), words.next()) else {
                return Err(GitError::Broken("a reference has no name"));
            };
            let object = id.parse()?;
            let mut found = Found { name: Some(name.to_owned()), commit: object, object };
            for word in words {
                match word.split_once(':') {
                    Some(("peeled", commit)) => found.commit = commit.parse()?,
                    Some(("symref-target", target)) => found.name = Some(target.to_owned()),
                    _ => {}
                }
            }
            refs.push((name.to_owned(), found));
            if refs.len() > REFS_MAX {
                return Err(GitError::Broken("it has too many references"));
            }
        }
        Ok(Self(refs))
    }

    /// The commit that is meant: a branch before a tag, and what is no name but an id is itself.
    pub fn find(&self, reference: Option<&str>) -> Result<Found, GitError> {
        let named = |wanted: &str| {
            self.0.iter().find(|(name, _)| name == wanted).map(|(_, found)| found.clone())
        };
        let Some(reference) = reference else {
            return named("HEAD").ok_or_else(|| GitError::NoSuchRef("HEAD".to_owned()));
        };
        let found = candidates(reference).iter().find_map(|name| named(name));
        let commit = || reference.parse().ok();
        let found =
            found.or_else(|| commit().map(|commit| Found { name: None, commit, object: commit }));
        found.ok_or_else(|| GitError::NoSuchRef(reference.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(lines: &[&str]) -> Vec<u8> {
        let mut answer = Vec::new();
        for line in lines {
            match *line {
                "0000" => answer.extend_from_slice(FLUSH),
                line => push(&mut answer, line),
            }
        }
        answer
    }

    #[test]
    fn a_server_speaks_version_2() {
        let answer = ["# service=git-upload-pack", "0000", "version 2", "ls-refs", "fetch=shallow"];
        Capabilities::parse(packets(&answer).as_slice()).unwrap();
        let other = [&answer[..], &["object-format=sha256", "0000"]].concat();
        let error = Capabilities::parse(packets(&other).as_slice()).unwrap_err().to_string();
        assert!(error.contains("SHA-1"), "{error}");
        for old in [&["# service=git-upload-pack", "0000", "00 HEAD"][..], &[]] {
            let error = Capabilities::parse(packets(old).as_slice()).unwrap_err().to_string();
            assert!(error.contains("version 2"), "{error}");
        }
    }

    #[test]
    fn a_name_is_a_branch_before_it_is_a_tag() {
        let id = |digit: &str| digit.repeat(40);
        let lines = [
            format!("{} HEAD symref-target:refs/heads/main", id("1")),
            format!("{} refs/heads/main", id("1")),
            format!("{} refs/heads/both", id("2")),
            format!("{} refs/tags/both", id("3")),
            format!("{} refs/tags/v1 peeled:{}", id("4"), id("5")),
            format!("{} refs/pull/7/head", id("6")),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let refs = Refs::parse(packets(&[&lines[..], &["0000"]].concat()).as_slice()).unwrap();
        for (reference, digit) in [
            (None, "1"),
            (Some("both"), "2"),
            (Some("refs/tags/both"), "3"),
            (Some("v1"), "5"),
            (Some("pull/7/head"), "6"),
            (Some("7777777777777777777777777777777777777777"), "7"),
        ] {
            assert_eq!(
                refs.find(reference).unwrap().commit.to_string(),
                id(digit),
                "{reference:?}"
            );
        }
        let tag = refs.find(Some("v1")).unwrap();
        let name = Some("refs/tags/v1".to_owned());
        assert_eq!((tag.name, tag.object.to_string()), (name, id("4")));
        assert_eq!(refs.find(None).unwrap().name.unwrap(), "refs/heads/main");
        let error = refs.find(Some("nothing")).unwrap_err().to_string();
        assert_eq!(error, "repository does not contain ref nothing");
        Refs::default().find(None).unwrap_err();
    }
}
