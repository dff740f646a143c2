//! What the engine is told when it starts.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

/// QEMU's user-mode network shows the host's loopback to the guest at this address.
const HOST_LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 2, 2));

/// `naru-agent engine`: the container engine.
#[derive(Args, Clone, Debug)]
pub struct EngineArgs {
    /// Where images, containers and the database are kept.
    #[arg(long, default_value = "/var/lib/naru")]
    pub root: PathBuf,
    /// Where sockets and namespaces are; `ROOT/run` unless given, and best on a tmpfs.
    #[arg(long)]
    pub run: Option<PathBuf>,
    /// Listen here, as `unix:PATH`.
    #[arg(long)]
    pub host: Vec<String>,
    /// This is the VM: serve the host over vsock and virtio-serial, let it publish ports.
    #[arg(long)]
    pub vm: bool,
    /// The name of the bridge, and of Naru's nftables table.
    #[arg(long, default_value = "naru0")]
    pub bridge: String,
    /// A registry (`host[:port]`) that is spoken to over plain HTTP.
    #[arg(long = "insecure-registry")]
    pub insecure_registries: Vec<String>,
    /// A file of certificates (PEM) that are trusted besides the system's.
    #[arg(long = "registry-ca")]
    pub registry_cas: Vec<PathBuf>,
}

impl EngineArgs {
    /// The directory of sockets and namespaces.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.run.clone().unwrap_or_else(|| self.root.join("run"))
    }

    /// The mode, which is all that differs between the VM and a Linux host.
    pub(crate) fn mode(&self) -> Mode {
        if self.vm { Mode::Vm } else { Mode::Native }
    }
}

/// Where the engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In Naru's VM: the host publishes ports, and `localhost` in an image's name is its.
    Vm,
    /// On a Linux host: the kernel publishes ports.
    Native,
}

impl Mode {
    /// Where `localhost` in an image's name is; none for the engine's own.
    pub(crate) fn registry_localhost(self) -> Option<IpAddr> {
        match self {
            Self::Vm => Some(HOST_LOOPBACK),
            Self::Native => None,
        }
    }
}
