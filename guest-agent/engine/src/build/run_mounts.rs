//! `RUN --mount`: what is asked for, and what that is in the key of the step.

use naru_dockerfile::{
    DockerfileError, Expander, Fingerprint, Mount, MountKind, MountStep, Mounted, Problem, Run,
    Sharing,
};

use super::building::Building;
use super::cache::CacheMount;
use super::copy;
use super::error::BuildError;
use super::origin::Source;
use super::stage::Stage;
use super::workspace::Workspace;

/// Where secrets are, unless it is said.
const SECRETS: &str = "/run/secrets";
const AGENT: &str = "/run/buildkit/ssh_agent";
const DEFAULT_AGENT: &str = "default";

/// What a `RUN` is to have mounted.
#[derive(Debug, Default)]
pub(super) struct RunMounts(pub(super) Vec<Asked>);

/// One of those, all of whose defaults are filled in.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) mount: Mount,
    /// None of a secret that is a variable only.
    pub(super) target: Option<String>,
    pub(super) what: What,
}

/// What it is.
#[derive(Debug)]
pub(super) enum What {
    /// Files, the path of them, and what they are.
    Files {
        source: Source,
        path: String,
        key: Fingerprint,
    },
    /// A cache, and what it begins with.
    Cache {
        wanted: CacheMount,
        seed: Option<(Source, String, Fingerprint)>,
    },
    Memory,
    Secret {
        id: String,
    },
    Agent {
        id: String,
    },
}

impl RunMounts {
    /// Reads them, and waits for what they are of.
    pub(super) async fn read(
        building: &Building,
        stage: &Stage,
        run: &Run,
        (number, instruction): (usize, usize),
    ) -> Result<Self, BuildError> {
        let mut all = Self::default();
        for (index, word) in run.mounts.iter().enumerate() {
            let scope = stage.scope.clone();
            let value = |name: &str| scope.value(name);
            let expander = Expander::new(building.file.directives.escape, &value);
            let mount = Mount::read(word, expander)?;
            let wrong = |message: String| {
                let problem = Problem::Mount { message, nearest: None };
                BuildError::Dockerfile(DockerfileError {
                    problem,
                    at: Some(word.at),
                    keyword: Some(naru_dockerfile::Keyword::Run),
                })
            };
            let target = target(&mount, stage, all.0.len());
            if target.as_deref() == Some("/") {
                return Err(wrong("invalid mount target \"/\"".to_owned()));
            }
            let place = (number, instruction, index);
            let what = building.what(&mount, target.as_deref().unwrap_or_default(), place).await?;
            all.0.push(Asked { mount, target, what });
        }
        Ok(all)
    }

    /// What of them is in the key of the step.
    pub(super) fn steps(&self) -> Vec<MountStep<'_>> {
        fn step(asked: &Asked) -> MountStep<'_> {
            MountStep {
                target: asked.target.as_deref(),
                read_only: asked.mount.read_only,
                what: match &asked.what {
                    What::Files { key, .. } => Mounted::Files(*key),
                    What::Cache { seed, .. } => {
                        Mounted::Cache(seed.as_ref().map(|(_, _, key)| *key))
                    }
                    What::Memory => Mounted::Memory,
                    What::Secret { id } => {
                        Mounted::Secret { id, variable: asked.mount.env.as_deref() }
                    }
                    What::Agent { id } => Mounted::Agent { id },
                },
            }
        }
        self.0.iter().map(step).collect()
    }
}

impl Building {
    async fn what(
        &self,
        mount: &Mount,
        target: &str,
        (number, instruction, index): (usize, usize, usize),
    ) -> Result<What, BuildError> {
        let path = mount.source.clone().unwrap_or_else(|| "/".to_owned());
        let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(match mount.kind {
            MountKind::Bind => {
                let source = self.source(number, instruction, Some(index)).await?;
                let key = self.files_key(&source, &path).await?;
                What::Files { source, path, key }
            }
            MountKind::Cache => {
                let id = mount.id.clone().unwrap_or_else(|| target.to_owned());
                let wanted = CacheMount { id, sharing: mount.sharing.unwrap_or(Sharing::Shared) };
                let seed = if mount.from.is_some() {
                    let source = self.source(number, instruction, Some(index)).await?;
                    let key = self.files_key(&source, &path).await?;
                    Some((source, path, key))
                } else {
                    None
                };
                What::Cache { wanted, seed }
            }
            MountKind::Tmpfs => What::Memory,
            MountKind::Secret => {
                let named = mount.id.clone().or_else(|| mount.source.clone());
                What::Secret { id: named.unwrap_or_else(|| base(target)) }
            }
            MountKind::Ssh => {
                let id = mount.id.clone().unwrap_or_else(|| DEFAULT_AGENT.to_owned());
                What::Agent { id }
            }
        })
    }

    /// What the files at a path of a source are.
    async fn files_key(&self, source: &Source, path: &str) -> Result<Fingerprint, BuildError> {
        let known = self.key_of(source).await?;
        let known = known.map(|key| Fingerprint::of_bytes(format!("{key} {path}").as_bytes()));
        if let (Source::Layers(..), Some(key)) = (source, known) {
            return Ok(key);
        }
        if let Some(known) = known
            && let Some(files) = self.cache().known_files(known)?
        {
            return Ok(files);
        }
        let workspace = Workspace::new(&self.engine, &[])?;
        let (opened, path) = (self.open(source).await?, path.to_owned());
        let cancelled = self.cancelled.clone();
        let files = self.blocking(move || {
            let tree = opened.tree(&workspace)?;
            Ok(copy::fingerprint(&tree, path.as_bytes(), &cancelled)?)
        });
        let files = files.await?;
        if let Some(known) = known {
            self.cache().keep_files(known, files)?;
        }
        Ok(files)
    }
}

/// Where it is mounted: relative to the working directory, unless it is absolute.
fn target(mount: &Mount, stage: &Stage, number: usize) -> Option<String> {
    let directory = stage.config.working_dir.as_deref().unwrap_or_default();
    let named = || mount.id.as_deref().or(mount.source.as_deref()).unwrap_or_default();
    let asked = match (mount.kind, &mount.target) {
        (MountKind::Secret, None) if mount.env.is_some() => return None,
        (_, Some(target)) => target.clone(),
        (MountKind::Secret, None) => {
            format!("{SECRETS}/{}", named().rsplit('/').next().unwrap_or_default())
        }
        (MountKind::Ssh, None) => format!("{AGENT}.{number}"),
        (_, None) => String::new(),
    };
    let all = format!("/{directory}/{asked}");
    let asked = if asked.starts_with('/') { &asked } else { &all };
    let mut parts: Vec<&str> = Vec::new();
    for part in asked.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use naru_image_store::Platform;

    use super::*;

    #[test]
    fn what_is_mounted_goes_where_it_is_said_or_where_its_kind_goes() {
        let mut stage = Stage::scratch(Platform::host());
        stage.config.working_dir = Some("/srv".to_owned());
        let mount = |kind, target: &str, id: &str, env: &str| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            Mount { kind, target: some(target), id: some(id), env: some(env), ..Mount::default() }
        };
        for (mount, expected) in [
            (mount(MountKind::Bind, "/a/../b/", "", ""), Some("/b")),
            (mount(MountKind::Bind, "src", "", ""), Some("/srv/src")),
            (mount(MountKind::Bind, "../../..", "", ""), Some("/")),
            (mount(MountKind::Secret, "", "dir/key", ""), Some("/run/secrets/key")),
            (mount(MountKind::Secret, "", "key", "KEY"), None),
            (mount(MountKind::Secret, "/k", "key", "KEY"), Some("/k")),
            (mount(MountKind::Ssh, "", "", ""), Some("/run/buildkit/ssh_agent.2")),
        ] {
            assert_eq!(target(&mount, &stage, 2).as_deref(), expected, "{mount:?}");
        }
    }
}
