//! What is to be built.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bollard_stubs::models::ResourcesUlimits;
use jiff::Timestamp;
use naru_image_store::{Credentials, Platform};
use tokio::net::UnixStream;

use super::error::BuildError;
use super::files::BuildFiles;
use super::result::Built;

/// A build for one platform. One for several is several of these; what they have in common is
/// done once.
#[derive(Clone, Debug)]
pub(crate) struct BuildRequest {
    pub(crate) dockerfile: DockerfileText,
    pub(crate) files: Arc<dyn BuildFiles>,
    pub(crate) secrets: Arc<dyn BuildSecrets>,
    pub(crate) options: BuildOptions,
}

/// The Dockerfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DockerfileText {
    /// What messages call it: `Dockerfile`.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Who is asked for what must not lie about.
#[async_trait]
pub(crate) trait BuildSecrets: Send + Sync + Debug {
    /// A secret's content; none if there is no such secret.
    async fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, BuildError>;

    /// Whether there is an agent of this name.
    async fn has_agent(&self, id: &str) -> Result<bool, BuildError>;

    /// Carries one connection of a program to an agent, until one of the two ends it.
    async fn serve_agent(&self, id: &str, connection: UnixStream);

    /// Who the client is to a registry, such as `docker.io`.
    async fn credentials(&self, registry: &str) -> Result<Option<Credentials>, BuildError>;
}

/// How it is to be built.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a client's wish of its own")]
pub(crate) struct BuildOptions {
    /// The stage; the last one if none is named.
    pub(crate) target: Option<String>,
    /// What it is built for; the host's own if none is named.
    pub(crate) platform: Option<Platform>,
    pub(crate) arguments: BTreeMap<String, String>,
    /// Put on the result.
    pub(crate) labels: BTreeMap<String, String>,
    /// What takes the places of images and stages of these names.
    pub(crate) contexts: BTreeMap<String, NamedContext>,
    /// The network of the `RUN`s that name none.
    pub(crate) network: RunNetwork,
    /// What the machine of the `RUN`s is called.
    pub(crate) hostname: Option<String>,
    /// `name:address`.
    pub(crate) extra_hosts: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) no_cache: NoCache,
    /// Whether images are looked for at their registries though they are here.
    pub(crate) pull: bool,
    /// Images whose layers are taken for steps that are not in the cache.
    pub(crate) cache_from: Vec<String>,
    /// What all times of the result are set to.
    pub(crate) source_date_epoch: Option<Timestamp>,
    /// Whether what is no error and yet not as it should be is looked for in the Dockerfile.
    pub(crate) checks: bool,
    /// Whether `RUN --security=insecure` is let.
    pub(crate) insecure: bool,
    /// Whether `RUN --network=host` is let.
    pub(crate) host_network: bool,
}

impl BuildOptions {
    /// The frontend that is to read the Dockerfile, whatever that says.
    pub(crate) fn syntax(&self) -> Option<&str> {
        self.arguments.get("BUILDKIT_SYNTAX").map(String::as_str)
    }
}

/// What is meant by a name in place of an image or a stage.
#[derive(Clone, Debug)]
pub(crate) enum NamedContext {
    /// An image.
    Image(String),
    /// A directory of the client's, which [`BuildFiles`] knows by the same name.
    Files,
    /// What came of another build.
    Built(Arc<Built>),
}

/// A network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum RunNetwork {
    /// That of containers which ask for none.
    #[default]
    Default,
    /// As `docker run --network` has it: `none`, `host`, a network's name.
    Named(String),
}

/// What the processes of a build may use. Nothing is no limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    pub(crate) shm_bytes: Option<i64>,
    pub(crate) ulimits: Vec<ResourcesUlimits>,
    pub(crate) memory: Option<i64>,
    pub(crate) memory_swap: Option<i64>,
    pub(crate) cpu_shares: Option<i64>,
    pub(crate) cpu_period: Option<i64>,
    pub(crate) cpu_quota: Option<i64>,
    pub(crate) cpuset_cpus: Option<String>,
    pub(crate) cpuset_mems: Option<String>,
    pub(crate) cgroup_parent: Option<String>,
}

/// Which steps are done though they are in the cache. What comes of them is kept in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum NoCache {
    #[default]
    None,
    All,
    /// Those of these stages.
    Stages(Vec<String>),
}

impl NoCache {
    /// Whether the stage of this name is made anew.
    pub(crate) fn covers(&self, stage: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Stages(stages) => stages.iter().any(|name| name.eq_ignore_ascii_case(stage)),
        }
    }
}
