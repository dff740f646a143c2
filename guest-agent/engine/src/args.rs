//! What the engine is told when it starts.

use std::net::IpAddr;
use std::path::{PathBuf, absolute};

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, value_parser};

/// QEMU's user-mode network shows the host's loopback to the guest at this address.
const HOST_LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 2, 2));

/// `naru-agent engine`: the container engine.
#[derive(Args, Clone, Debug)]
pub struct EngineArgs {
    /// Where images, containers and the database are kept.
    #[arg(long, default_value = "/var/lib/naru", value_parser = directory())]
    pub root: PathBuf,
    /// Where sockets and namespaces are; `ROOT/run` unless given, and best on a tmpfs.
    #[arg(long, value_parser = directory())]
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
    /// What the build cache may take, in MiB; BuildKit's part of the disk unless given.
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    pub build_cache_mib: Option<u64>,
    /// A file (JSON) of settings for registries: mirrors, certificates, proxies.
    #[arg(long)]
    pub registries: Option<PathBuf>,
}

/// Takes a directory from where the engine is started; a shim works elsewhere.
fn directory() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(absolute)
}

impl EngineArgs {
    /// The directory of sockets and namespaces.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.run.clone().unwrap_or_else(|| self.root.join("run"))
    }

    /// Where to listen: in the VM also for those containers that are given the API.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let own = self.run_dir().join("docker.sock");
        let own = self.vm.then(|| format!("unix:{}", own.display()));
        self.host.iter().cloned().chain(own).collect()
    }

    /// The path of the first socket that is listened on.
    pub(crate) fn own_socket(&self) -> Option<PathBuf> {
        let hosts = self.hosts();
        hosts.first().and_then(|host| absolute(socket_path(host)?).ok())
    }

    /// The mode, which is all that differs between the VM and a Linux host.
    pub(crate) fn mode(&self) -> Mode {
        if self.vm { Mode::Vm } else { Mode::Native }
    }
}

/// The path of `unix:PATH` or `unix://PATH`.
pub(crate) fn socket_path(host: &str) -> Option<&str> {
    let path = host.strip_prefix("unix:")?;
    Some(path.strip_prefix("//").unwrap_or(path))
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

    /// Where a container finds the host; none if by its own way out.
    pub(crate) fn host_address(self) -> Option<IpAddr> {
        self.registry_localhost()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        engine: EngineArgs,
    }

    #[test]
    fn directories_are_those_of_whoever_starts_the_engine() {
        let command = Command::parse_from(["engine", "--root", "here", "--run", "run"]);
        let here = std::env::current_dir().unwrap();
        assert_eq!(command.engine.root, here.join("here"));
        assert_eq!(command.engine.run_dir(), here.join("run"));
    }

    #[test]
    fn a_build_cache_of_nothing_is_refused() {
        let of = |mib: &str| Command::try_parse_from(["engine", "--build-cache-mib", mib]);
        assert_eq!(of("1").map(|command| command.engine.build_cache_mib).ok(), Some(Some(1)));
        assert!(of("0").is_err(), "no bound is no limit");
    }
}
