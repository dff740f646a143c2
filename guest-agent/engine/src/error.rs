//! What can go wrong in the engine, in Docker's words where clients match them.

use std::io;
use std::path::PathBuf;

use naru_dns::DnsError;
use naru_dockerfile::DockerfileError;
use naru_error::ErrorKind;
use naru_image_store::ImageError;
use naru_network::NetworkError;
use naru_shim::RuntimeError;
use thiserror::Error;

use crate::build::BuildError;
use crate::files::FilesError;

/// A failed request to the engine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No container has this name, id or id prefix.
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    /// No network has this name.
    #[error("network {0} not found")]
    NoSuchNetwork(String),
    /// No driver has this name.
    #[error("plugin {0:?} not found")]
    NoSuchPlugin(String),
    /// Things are such that it must not be; Docker's word for much that concerns networks.
    #[error("{0}")]
    Forbidden(String),
    /// No volume has this name.
    #[error("get {0}: no such volume")]
    NoSuchVolume(String),
    /// There is no other driver of volumes than the local one.
    #[error("create {name}: error looking up volume plugin {driver}: plugin {driver:?} not found")]
    NoSuchVolumeDriver {
        /// The volume that was to be made.
        name: String,
        /// The driver that it was to be of.
        driver: String,
    },
    /// The volume belongs to containers.
    #[error("remove {name}: volume is in use - [{}]", users.join(", "))]
    VolumeInUse {
        /// The volume's name.
        name: String,
        /// The containers' ids.
        users: Vec<String>,
    },
    /// No exec has this id.
    #[error("No such exec instance: {0}")]
    NoSuchExec(String),
    /// An id prefix fits more than one container.
    #[error("multiple IDs found with provided prefix: {0}")]
    AmbiguousPrefix(String),
    /// The name belongs to another container.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". \
         You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameInUse {
        /// The name asked for.
        name: String,
        /// The id of the container that has it.
        holder: String,
    },
    /// A container cannot be renamed so.
    #[error("Error when allocating new name")]
    NewName(#[source] Box<Self>),
    /// A container's limits or policy stay as they are.
    #[error("Cannot update container {container_id}")]
    Update {
        /// The container's id.
        container_id: String,
        /// Why.
        source: Box<Self>,
    },
    /// The container does not run.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// The container is not paused. Docker has no kind for it, and answers 500.
    #[error("Container {0} is not paused")]
    NotPaused(String),
    /// The container is in a state in which the request cannot be met.
    #[error("{0}")]
    Conflict(String),
    /// The container runs and the request needs it not to.
    #[error("cannot remove container \"{name}\": container {what}")]
    StillRunning {
        /// The container's name.
        name: String,
        /// What it does, and what helps.
        what: &'static str,
    },
    /// There is nothing at this path of the container.
    #[error("Could not find the file {path} in container {container}")]
    NoSuchFile {
        /// The path, as the client gave it.
        path: String,
        /// The container, as the client named it.
        container: String,
    },
    /// There is nothing at this path of the image, or of its layer.
    #[error("could not find {path} in image {image}")]
    NoSuchImageFile {
        /// The path, as the client gave it.
        path: String,
        /// The image, as the client named it.
        image: String,
    },
    /// There is nothing at this path of the volume.
    #[error("could not find {path} in volume {volume}")]
    NoSuchVolumeFile {
        /// The path, as the client gave it.
        path: String,
        /// The volume's name.
        volume: String,
    },
    /// The image has fewer layers.
    #[error("image {image} has no layer {number}")]
    NoSuchLayer {
        /// The image's id.
        image: String,
        /// The layer's number, the lowest being 0.
        number: usize,
    },
    /// The container's file system could not be put together.
    #[error("the files of container {container_id} cannot be reached")]
    View {
        /// The container's id.
        container_id: String,
        /// Why.
        source: RuntimeError,
    },
    /// An operation on a container's files failed.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Someone else is removing the container.
    #[error("removal of container {0} is already in progress")]
    RemovalInProgress(String),
    /// There is nothing whose network could be joined.
    #[error("joining network namespace of container")]
    CannotJoinNetwork(#[source] Box<Self>),
    /// A namespace of another container cannot be joined.
    #[error("failed to join {what} namespace")]
    CannotJoin {
        /// `PID` or `IPC`.
        what: &'static str,
        /// What is the matter with the other container.
        source: Box<Self>,
    },
    /// The image is there, and for another platform than the one asked for.
    #[error(
        "image with reference {reference} was found but its platform ({found}) does not match the \
         specified platform ({wanted})"
    )]
    OtherPlatform {
        /// The image as it was asked for.
        reference: String,
        /// What it is for.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Docker knows it, this engine does not yet.
    #[error("{0}")]
    Unsupported(String),
    /// The process could not be made or started. `exit_code` is what `docker run` ends with.
    #[error("failed to create task for container: {message}: unknown")]
    Start {
        /// The runtime's words.
        message: String,
        /// 125 to 128, as Docker has them.
        exit_code: i32,
        /// Whether the program is there, and the kernel has nothing to run it with.
        is_foreign: bool,
    },
    /// The shim ended or spoke out of turn.
    #[error("the shim of {container_id} failed: {message}")]
    Shim {
        /// The container's id.
        container_id: String,
        /// What happened.
        message: String,
    },
    /// No host is connected that could listen on a published port.
    #[error("port {0} cannot be published: the host's side of the machine is not connected")]
    NoPortHost(u16),
    /// The host refused to listen on a published port.
    #[error("{0}")]
    PortRefused(String),
    /// A change of an image's configuration makes no sense.
    #[error(transparent)]
    Dockerfile(#[from] DockerfileError),
    /// A build failed.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The image store failed.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The network failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A container's name server failed.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// The database failed.
    #[error("the engine's database failed")]
    Database(#[from] rusqlite::Error),
    /// A file operation failed.
    #[error("{operation} {} failed", path.display())]
    Io {
        /// What was tried, such as `writing`.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Work inside the engine panicked; the engine goes on.
    #[error("a defect in the engine: {0}")]
    Defect(String),
    /// A record or a message could not be encoded or read.
    #[error("{what} is not what it should be")]
    Encoding {
        /// Of what.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl EngineError {
    /// The kind that the HTTP status derives from.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchContainer(_)
            | Self::NoSuchNetwork(_)
            | Self::NoSuchPlugin(_)
            | Self::NoSuchVolume(_)
            | Self::NoSuchVolumeDriver { .. }
            | Self::NoSuchExec(_)
            | Self::NoSuchFile { .. }
            | Self::NoSuchImageFile { .. }
            | Self::NoSuchVolumeFile { .. }
            | Self::NoSuchLayer { .. }
            | Self::OtherPlatform { .. } => ErrorKind::NotFound,
            Self::NameInUse { .. } => ErrorKind::AlreadyExists,
            Self::NotRunning(_)
            | Self::Conflict(_)
            | Self::StillRunning { .. }
            | Self::VolumeInUse { .. }
            | Self::RemovalInProgress(_) => ErrorKind::Conflict,
            Self::NewName(source)
            | Self::CannotJoinNetwork(source)
            | Self::CannotJoin { source, .. }
            | Self::Update { source, .. } => source.kind(),
            Self::Forbidden(_) => ErrorKind::Forbidden,
            Self::Unsupported(_) => ErrorKind::Unsupported,
            // Docker blames the caller for a command that is not in the image.
            Self::Start { exit_code: 126 | 127, .. }
            | Self::AmbiguousPrefix(_)
            | Self::Invalid(_) => ErrorKind::InvalidArgument,
            Self::Dockerfile(error) => error.kind(),
            Self::Build(error) => error.kind(),
            Self::Files(error) => error.kind(),
            Self::Image(error) => error.kind(),
            Self::Network(error) => error.kind(),
            Self::Dns(error) => error.kind(),
            Self::Start { .. }
            | Self::NotPaused(_)
            | Self::Shim { .. }
            | Self::View { .. }
            | Self::NoPortHost(_)
            | Self::PortRefused(_)
            | Self::Database(_)
            | Self::Defect(_)
            | Self::Io { .. }
            | Self::Encoding { .. } => ErrorKind::Internal,
        }
    }

    /// For `map_err`: an I/O error with what was tried on which path.
    pub(crate) fn io(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }

    /// For `map_err`: an encoding error of `what`.
    pub(crate) fn encoding(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Encoding { what, source }
    }
}

/// What engine operations return.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;
