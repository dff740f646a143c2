//! `RUN --mount`: what is asked for is made, for as long as the program runs.

use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use naru_dockerfile::{Document, Sharing};
use oci_spec::runtime::Mount;
use tokio::net::UnixListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::building::Building;
use super::cache::{CacheMount, MountClaim};
use super::error::BuildError;
use super::origin::Opened;
use super::run_mounts::{Asked, RunMounts, What};
use super::workspace::Workspace;
use crate::error::EngineError;
use crate::files::{NodeKind, Tree, copy_content, copy_file};
use crate::spec::mount;

const SECRET_MODE: u32 = 0o400;
const AGENT_MODE: u32 = 0o600;
const CACHE_MODE: u32 = 0o755;
const SCRIPT_MODE: u32 = 0o755;
const AGENT_VARIABLE: &str = "SSH_AUTH_SOCK";

/// What is mounted.
#[derive(Debug, Default)]
pub(super) struct MountedFiles {
    pub(super) mounts: Vec<Mount>,
    /// More variables of the program.
    pub(super) environment: Vec<String>,
    caches: Vec<MountClaim>,
    /// End the agents' sockets.
    agents: Vec<DropGuard>,
}

impl RunMounts {
    /// Makes what is to be mounted.
    pub(super) async fn prepare(
        &self,
        building: &Building,
        workspace: &Arc<Workspace>,
    ) -> Result<MountedFiles, BuildError> {
        let mut mounted = MountedFiles::default();
        // In one order for all, so that no two wait for each other.
        let mut caches: Vec<(&Asked, &CacheMount)> = Vec::new();
        for asked in &self.0 {
            if let What::Cache { wanted, .. } = &asked.what {
                caches.push((asked, wanted));
            }
        }
        caches.sort_by_key(|(_, wanted)| (wanted.id.as_str(), strictness(wanted.sharing)));
        for same in caches.chunk_by(|(_, one), (_, other)| one.id == other.id) {
            // One cache at two places is one: it would wait for itself.
            let Some((first, wanted)) = same.first() else { continue };
            let claim = building.cache().claim_mount(wanted);
            let mut claim = building.unless_cancelled(claim).await?;
            building.prepare_cache(first, &mut claim, workspace).await?;
            for (asked, _) in same {
                mounted.mounts.push(bind(&claim.path, asked)?);
            }
            mounted.caches.push(claim);
        }
        for (number, asked) in self.0.iter().enumerate() {
            building.prepare_mount(number, asked, workspace, &mut mounted).await?;
        }
        // A parent before what is mounted in it.
        mounted.mounts.sort_by_key(|mount| mount.destination().components().count());
        Ok(mounted)
    }
}

impl Building {
    async fn prepare_mount(
        &self,
        number: usize,
        asked: &Asked,
        workspace: &Arc<Workspace>,
        mounted: &mut MountedFiles,
    ) -> Result<(), BuildError> {
        let target = asked.target.as_deref().unwrap_or_default();
        match &asked.what {
            What::Cache { .. } => {}
            What::Files { source, path, .. } => {
                let (source, path) = (self.open(source).await?, path.clone());
                let (working, read_only) = (Arc::clone(workspace), asked.mount.read_only);
                let target = target.to_owned();
                let made = self.blocking(move || {
                    files(number, &source, &path, (&target, read_only), &working)
                });
                mounted.mounts.push(made.await?);
            }
            What::Memory => {
                let size = asked.mount.size.map(|size| format!("size={size}"));
                let options: Vec<&str> =
                    ["nosuid", "nodev"].into_iter().chain(size.as_deref()).collect();
                mounted.mounts.push(mount(target, "tmpfs", "tmpfs", &options)?);
            }
            What::Secret { id } => {
                self.prepare_secret(number, id, asked, workspace, mounted).await?;
            }
            What::Agent { id } => self.prepare_agent(number, id, asked, workspace, mounted).await?,
        }
        Ok(())
    }

    async fn prepare_secret(
        &self,
        number: usize,
        id: &str,
        asked: &Asked,
        workspace: &Workspace,
        mounted: &mut MountedFiles,
    ) -> Result<(), BuildError> {
        let content = self.unless_cancelled(self.request.secrets.secret(id)).await?;
        let Some(content) = content else {
            if asked.mount.required {
                return Err(BuildError::NotFound(format!("secret {id}: not found")));
            }
            return Ok(());
        };
        if let Some(variable) = &asked.mount.env {
            let value = String::from_utf8(content.clone()).map_err(|_| {
                BuildError::Invalid(format!("secret {id} is no text, and cannot be a variable"))
            })?;
            mounted.environment.push(format!("{variable}={value}"));
        }
        if asked.target.is_none() {
            return Ok(());
        }
        let path = workspace.memory().join(format!("secret-{number}"));
        put(&path, &content, owner(asked), asked.mount.mode.unwrap_or(SECRET_MODE))?;
        mounted.mounts.push(bind(&path, asked)?);
        Ok(())
    }

    async fn prepare_agent(
        &self,
        number: usize,
        id: &str,
        asked: &Asked,
        workspace: &Workspace,
        mounted: &mut MountedFiles,
    ) -> Result<(), BuildError> {
        if !self.unless_cancelled(self.request.secrets.has_agent(id)).await? {
            if asked.mount.required {
                return Err(BuildError::NotFound(format!("unset ssh forward key {id}")));
            }
            return Ok(());
        }
        // As short as it can be: a socket's path has at most 107 bytes.
        let path = workspace.memory().join(format!("a{number}"));
        let failed = |operation| EngineError::io(operation, &path);
        let listener = UnixListener::bind(&path).map_err(failed("listening on"))?;
        dress(&path, owner(asked), asked.mount.mode.unwrap_or(AGENT_MODE))?;
        let over = CancellationToken::new();
        mounted.agents.push(over.clone().drop_guard());
        let (secrets, id, tasks) =
            (Arc::clone(&self.request.secrets), id.to_owned(), self.engine.tasks().clone());
        self.engine.tasks().spawn(async move {
            while let Some(Ok((connection, _))) = over.run_until_cancelled(listener.accept()).await
            {
                let (secrets, id, over) = (Arc::clone(&secrets), id.clone(), over.clone());
                tasks.spawn(async move {
                    let served = secrets.serve_agent(&id, connection);
                    over.run_until_cancelled(served).await;
                });
            }
        });
        mounted.mounts.push(bind(&path, asked)?);
        let is_set = |known: &String| known.starts_with(AGENT_VARIABLE);
        if !mounted.environment.iter().any(is_set) {
            let target = asked.target.as_deref().unwrap_or_default();
            mounted.environment.push(format!("{AGENT_VARIABLE}={target}"));
        }
        Ok(())
    }

    /// A new cache gets its owner, its mode and what it begins with.
    async fn prepare_cache(
        &self,
        asked: &Asked,
        claim: &mut MountClaim,
        workspace: &Arc<Workspace>,
    ) -> Result<(), BuildError> {
        let What::Cache { seed, .. } = &asked.what else { return Ok(()) };
        let Some(new) = claim.new.clone() else { return Ok(()) };
        if let Some((source, from, _)) = seed {
            let (source, from) = (self.open(source).await?, from.clone());
            let (working, to) = (Arc::clone(workspace), new.clone());
            self.blocking(move || {
                let tree = source.tree(&working)?;
                let copied = tree
                    .follow(from.as_bytes())
                    .and_then(|path| tree.look(&path))
                    .and_then(|from| copy_content(&from, &Tree::at(&to)?));
                Ok(copied.map_err(EngineError::io("filling", to))?)
            })
            .await?;
        }
        let is_said = asked.mount.uid.is_some() || asked.mount.gid.is_some();
        if seed.is_none() || is_said || asked.mount.mode.is_some() {
            dress(&new, owner(asked), asked.mount.mode.unwrap_or(CACHE_MODE))?;
        }
        Ok(claim.put_in_place()?)
    }
}

impl MountedFiles {
    /// Puts a script where the program finds it.
    pub(super) fn add_script(
        &mut self,
        workspace: &Workspace,
        script: &Document,
        directory: &str,
    ) -> Result<(), BuildError> {
        let path = workspace.memory().join("script");
        put(&path, script.content.as_bytes(), (0, 0), SCRIPT_MODE)?;
        let target = Path::new(directory).join(&script.name);
        let options = ["bind", "rprivate", "ro"];
        let (target, source) = (target.to_string_lossy(), path.to_string_lossy());
        self.mounts.push(mount(&target, "bind", &source, &options)?);
        Ok(())
    }
}

/// Files of a source: a directory as an overlay, so that what is written to it is thrown away; a
/// file as a copy of it.
fn files(
    number: usize,
    source: &Opened,
    path: &str,
    (target, read_only): (&str, bool),
    workspace: &Workspace,
) -> Result<Mount, BuildError> {
    let tree = source.tree(workspace)?;
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => BuildError::NotFound(format!("{path:?}: not found")),
        _ => EngineError::io("looking at", path)(error).into(),
    };
    let found = tree.follow(path.as_bytes()).map_err(missing)?;
    let node = tree.look(&found).map_err(missing)?;
    let access = if read_only { "ro" } else { "rw" };
    if node.kind() != NodeKind::Directory {
        let copy = workspace.directory(&format!("file-{number}"))?;
        copy_file(&node, &Tree::at(&copy).map_err(missing)?, b"file").map_err(missing)?;
        let copy = copy.join("file").to_string_lossy().into_owned();
        return Ok(mount(target, "bind", &copy, &["bind", "rprivate", access])?);
    }
    let directories = source.directories(workspace);
    let empty = workspace.empty();
    // An overlay that is only read wants two.
    let lower = directories.iter().rev().chain([&empty]);
    let lower: Vec<String> = lower.map(|path| path.to_string_lossy().into_owned()).collect();
    let mut options = vec![format!("lowerdir={}", lower.join(":"))];
    if !read_only {
        for (option, part) in [("upperdir", "upper"), ("workdir", "work")] {
            let directory = workspace.directory(&format!("{part}-{number}"))?;
            options.push(format!("{option}={}", directory.display()));
        }
    }
    let inner = String::from_utf8_lossy(&found).trim_start_matches('/').to_owned();
    if !inner.is_empty() {
        options.push(format!("X-mount.subdir={inner}"));
    }
    options.extend(["rprivate", access].map(str::to_owned));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Ok(mount(target, "overlay", "overlay", &options)?)
}

fn bind(path: &Path, asked: &Asked) -> Result<Mount, BuildError> {
    let target = asked.target.as_deref().unwrap_or_default();
    let access = if asked.mount.read_only { "ro" } else { "rw" };
    Ok(mount(target, "bind", &path.to_string_lossy(), &["bind", "rprivate", access])?)
}

/// Who shares least comes first.
fn strictness(sharing: Sharing) -> u8 {
    match sharing {
        Sharing::Locked => 0,
        Sharing::Private => 1,
        Sharing::Shared => 2,
    }
}

fn owner(asked: &Asked) -> (u32, u32) {
    (asked.mount.uid.unwrap_or_default(), asked.mount.gid.unwrap_or_default())
}

fn put(path: &PathBuf, content: &[u8], owner: (u32, u32), mode: u32) -> Result<(), BuildError> {
    std::fs::write(path, content).map_err(EngineError::io("writing", path))?;
    dress(path, owner, mode)
}

fn dress(path: &Path, (uid, gid): (u32, u32), mode: u32) -> Result<(), BuildError> {
    let permissions = std::fs::Permissions::from_mode(mode);
    chown(path, Some(uid), Some(gid))
        .and_then(|()| std::fs::set_permissions(path, permissions))
        .map_err(EngineError::io("dressing", path))?;
    Ok(())
}
