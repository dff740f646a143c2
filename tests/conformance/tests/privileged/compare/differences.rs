//! What differs, and what may.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::ensure;
use serde::Deserialize;
use serde_json::Value;

/// Each answer by the name of its case.
pub(crate) type Answers = BTreeMap<String, Value>;

/// A place at which the answers are not alike.
#[derive(Debug, PartialEq)]
pub(crate) struct Difference {
    /// The case, and the way through its answer: `inspect/running:body/State/Pid`.
    path: String,
    docker: Option<Value>,
    naru: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| {
            value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string)
        };
        write!(f, "{} docker={} naru={}", self.path, shown(&self.docker), shown(&self.naru))
    }
}

/// Docker, as far as it matters for what may differ.
pub(crate) struct Peer {
    pub(crate) version: String,
    pub(crate) has_old_cgroups: bool,
}

/// All that differs between the answers of two engines.
pub(crate) fn between(docker: &Answers, naru: &Answers) -> Vec<Difference> {
    let mut found = Vec::new();
    let cases: BTreeSet<&String> = docker.keys().chain(naru.keys()).collect();
    for case in cases {
        walk(format!("{case}:"), docker.get(case), naru.get(case), &mut found);
    }
    found
}

fn walk(path: String, docker: Option<&Value>, naru: Option<&Value>, found: &mut Vec<Difference>) {
    let below = |key: &str| format!("{path}{}{key}", if path.ends_with(':') { "" } else { "/" });
    match (docker, naru) {
        (Some(Value::Object(docker)), Some(Value::Object(naru))) => {
            let keys: BTreeSet<&String> = docker.keys().chain(naru.keys()).collect();
            for key in keys {
                walk(below(key), docker.get(key), naru.get(key), found);
            }
        }
        (Some(Value::Array(docker)), Some(Value::Array(naru))) if docker.len() == naru.len() => {
            for (index, (docker, naru)) in docker.iter().zip(naru).enumerate() {
                walk(below(&index.to_string()), Some(docker), Some(naru), found);
            }
        }
        (docker, naru) if docker == naru => {}
        (docker, naru) => {
            found.push(Difference { path, docker: docker.cloned(), naru: naru.cloned() });
        }
    }
}

/// `differences.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    #[serde(default)]
    difference: Vec<Entry>,
    /// The places of entries that were found to differ.
    #[serde(skip)]
    seen: BTreeMap<usize, BTreeSet<usize>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    reason: String,
    /// Places, with `*` for anything.
    at: Vec<String>,
    /// Beginnings of the versions of Docker that it is about; all of them if there are none.
    #[serde(default)]
    docker: Vec<String>,
    /// The versions of the API that it is about; all of them if there are none.
    #[serde(default)]
    api: Vec<String>,
    /// Only on machines whose controllers are bound to cgroup v1.
    #[serde(default)]
    old_cgroups: bool,
}

impl Entry {
    fn concerns(&self, peer: &Peer, api: &str) -> bool {
        (self.docker.is_empty() || self.docker.iter().any(|of| peer.version.starts_with(of)))
            && (self.api.is_empty() || self.api.iter().any(|of| of == api))
            && (!self.old_cgroups || peer.has_old_cgroups)
    }
}

impl Table {
    pub(crate) fn read(text: &str) -> anyhow::Result<Self> {
        let table: Self = toml::from_str(text)?;
        for entry in &table.difference {
            ensure!(!entry.reason.is_empty() && !entry.at.is_empty(), "{entry:?} says too little");
        }
        Ok(table)
    }

    /// Whether a difference is one that may be.
    pub(crate) fn covers(&mut self, found: &Difference, peer: &Peer, api: &str) -> bool {
        let mut covered = false;
        for (number, entry) in self.difference.iter().enumerate() {
            if !entry.concerns(peer, api) {
                continue;
            }
            for (place, pattern) in entry.at.iter().enumerate() {
                if fits(pattern, &found.path) {
                    self.seen.entry(number).or_default().insert(place);
                    covered = true;
                }
            }
        }
        covered
    }

    /// The places that concern these Dockers and at which nothing differed.
    pub(crate) fn stale(&self, peers: &[Peer], apis: &[&str]) -> Vec<String> {
        let mut stale = Vec::new();
        for (number, entry) in self.difference.iter().enumerate() {
            let concerns = |peer| apis.iter().any(|api| entry.concerns(peer, api));
            if peers.iter().any(concerns) {
                let seen = self.seen.get(&number);
                let places = entry.at.iter().enumerate();
                let unseen =
                    places.filter(|(place, _)| seen.is_none_or(|seen| !seen.contains(place)));
                stale.extend(unseen.map(|(_, pattern)| pattern.clone()));
            }
        }
        stale
    }
}

/// Whether a path is what a pattern says, `*` being any text.
fn fits(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((start, rest)) => path.strip_prefix(start).is_some_and(|path| {
            let ends = path.char_indices().map(|(at, _)| at).chain([path.len()]);
            ends.into_iter().any(|at| fits(rest, &path[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers(value: Value) -> Answers {
        Answers::from([("case".to_owned(), value)])
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        let docker = json!({ "a": 1, "b": null, "c": [1, 2], "d": { "e": "x" }, "same": [{}] });
        let naru = json!({ "a": "1", "c": [1], "d": { "e": "y" }, "f": 0, "same": [{}] });
        let found = between(&answers(docker), &answers(naru));
        let paths: Vec<&str> = found.iter().map(|found| found.path.as_str()).collect();
        assert_eq!(paths, ["case:a", "case:b", "case:c", "case:d/e", "case:f"]);
        assert_eq!(found[1].to_string(), "case:b docker=null naru=nothing");
    }

    #[test]
    fn an_entry_that_is_not_met_is_stale_where_it_should_be() -> anyhow::Result<()> {
        let mut table: Table = toml::from_str(
            "[[difference]]\nreason = \"r\"\nat = [\"case:a*\", \"case:z\"]\ndocker = [\"20.\"]\n",
        )?;
        let peer = |version: &str| Peer { version: version.to_owned(), has_old_cgroups: false };
        let found =
            Difference { path: "case:a/b".to_owned(), docker: None, naru: Some(Value::Null) };
        assert!(!table.covers(&found, &peer("28.5"), "1.40"));
        assert!(table.covers(&found, &peer("20.10"), "1.40"));
        assert_eq!(table.stale(&[peer("20.10")], &["1.40"]), ["case:z"]);
        assert_eq!(table.stale(&[peer("28.5")], &["1.40"]), [""; 0]);
        Ok(())
    }

    #[test]
    fn a_star_is_any_text() {
        for (pattern, path, expected) in [
            ("a*:b", "a/x:b", true),
            ("a*:b", "a:bc", false),
            ("*", "", true),
            ("*b*d", "abcd", true),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
    }
}
