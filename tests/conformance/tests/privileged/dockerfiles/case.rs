//! A case as its file has it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::side::Builder;

/// A Dockerfile with what it is built from, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// Set to the table's name.
    #[serde(skip)]
    pub(super) name: String,
    pub(super) dockerfile: String,
    /// What BuildKit builds in its place, because the language of 20.10 cannot say it. Only what
    /// comes out is compared then, not the words in the history.
    pub(super) docker: Option<String>,
    /// Where the Dockerfile is put; options have to name it, if that is to be used.
    #[serde(default = "usual_name")]
    pub(super) file: String,
    /// Files that are there beside the usual ones. See `context.rs`.
    #[serde(default)]
    pub(super) context: BTreeMap<String, Content>,
    /// Of `docker build`.
    #[serde(default)]
    pub(super) options: Vec<String>,
    /// Its options are for a session, which the classic way does not have.
    #[serde(default)]
    pub(super) session: bool,
    /// The builders of Docker that it is not compared with.
    #[serde(default)]
    pub(super) without: Vec<Builder>,
    /// Why.
    #[serde(default)]
    pub(super) because: String,
    /// What must come out, whoever builds: a file's path and what it is, or a way through the
    /// outcome and the text there.
    #[serde(default)]
    pub(super) expect: BTreeMap<String, String>,
    /// It fails, and every client is shown these.
    #[serde(default)]
    pub(super) fails: Vec<String>,
    /// Naru's is shown these too.
    #[serde(default)]
    pub(super) naru_says: Vec<String>,
    /// Why Naru does not build it as it should: it has to fail until then.
    #[serde(default)]
    pub(super) not_yet: String,
    /// What is done and built afterwards, one after the other.
    #[serde(default)]
    pub(super) then: Vec<Change>,
}

/// What is changed before the next build.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) dockerfile: Option<String>,
    /// Files that are written; the same content makes a file newer.
    #[serde(default)]
    pub(super) write: BTreeMap<String, Content>,
    #[serde(default)]
    pub(super) remove: Vec<String>,
    /// In place of those before.
    pub(super) options: Option<Vec<String>>,
}

/// What is in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Archive {
        tar: BTreeMap<String, String>,
        /// A program of which the tar goes through.
        #[serde(default)]
        through: Option<String>,
    },
}

fn usual_name() -> String {
    "Dockerfile".to_owned()
}

/// All that there are, in order of name.
pub(super) fn all() -> anyhow::Result<Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dockerfiles");
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let read: BTreeMap<String, Case> =
            toml::from_str(&text).with_context(|| path.display().to_string())?;
        for (name, mut case) in read {
            case.name.clone_from(&name);
            case.check().with_context(|| name.clone())?;
            ensure!(cases.insert(name.clone(), case).is_none(), "{name} is there twice");
        }
    }
    Ok(cases.into_values().collect())
}

impl Case {
    /// With the address of files that are served in place of `@URL@`.
    pub(super) fn at(&self, url: &str) -> Self {
        let fill = |text: &mut String| *text = text.replace("@URL@", url);
        let mut case = self.clone();
        fill(&mut case.dockerfile);
        case.docker.iter_mut().for_each(fill);
        case.options.iter_mut().for_each(fill);
        case
    }

    pub(super) fn is_compared_with(&self, builder: Builder) -> bool {
        if builder.is_naru() {
            return builder == Builder::Buildx || !self.session;
        }
        // One of Docker's is enough to say what files come of another Dockerfile.
        let is_enough = builder == Builder::Classic && self.docker.is_some();
        !is_enough && !self.without.contains(&builder)
    }

    /// Each case must be able to fail.
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.without.is_empty() == self.because.is_empty(),
            "what it is not compared with, and why, come together"
        );
        ensure!(!self.without.iter().any(|builder| builder.is_naru()), "Naru is what is tested");
        ensure!(
            !self.session || self.without.contains(&Builder::Classic),
            "the classic builder has no sessions"
        );
        let compared =
            self.is_compared_with(Builder::Classic) || self.is_compared_with(Builder::BuildKit);
        ensure!(
            compared
                || !self.expect.is_empty()
                || !self.fails.is_empty()
                || !self.naru_says.is_empty(),
            "it neither is compared nor expects anything"
        );
        Ok(())
    }
}
