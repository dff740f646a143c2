//! The small world that every test makes for itself.
//!
//! ```text
//!  lan 192.0.2.2 ── uplink 192.0.2.1, 192.0.2.3 host ── bridge naru0 ── containers
//!     2001:db8::2          2001:db8::1, 2001:db8::3
//! ```

use std::fs::{self, File};
use std::future::Future;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use naru_network::{Attachment, BridgeConfig, InterfaceAddress, Networks, NetworksConfig};
use nix::sched::{CloneFlags, CpuSet, sched_getcpu, sched_setaffinity, setns, unshare};
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::runtime::Builder;

use crate::config::{bridge, interface};

pub(crate) const LAN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const HOST_SECOND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
pub(crate) const LAN6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
pub(crate) const HOST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
pub(crate) const HOST6_SECOND: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3);
pub(crate) const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0x17, 0, 0, 0, 1);
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 1);
pub(crate) const SECOND_GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 1);

/// How long a connection that must not come about is given to do so.
pub(crate) const REFUSAL_DEADLINE: Duration = Duration::from_millis(1500);
/// How long one that must come about is.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(30);

/// A network namespace to run things in.
pub(crate) struct Namespace(File);

impl Namespace {
    pub(crate) fn new() -> Result<Self> {
        let thread = thread::spawn(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        });
        Ok(Self(thread.join().map_err(|_| anyhow!("the thread panicked"))??))
    }

    pub(crate) fn at(path: &Path) -> Result<Self> {
        Ok(Self(File::open(path)?))
    }

    /// Runs `work` on a thread in this namespace.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET)?;
                work()
            });
            thread.join().map_err(|_| anyhow!("the thread panicked"))?
        })
    }

    /// Runs a command line in this namespace and returns what it printed.
    pub(crate) fn command(&self, line: &str) -> Result<String> {
        self.run(|| {
            let mut words = line.split_whitespace();
            let program = words.next().context("empty command line")?;
            let output = Command::new(program).args(words).output().context(line.to_owned())?;
            let errors = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{line}: {errors}");
            Ok(String::from_utf8(output.stdout)?)
        })
    }

    /// The names of the interfaces.
    pub(crate) fn interfaces(&self) -> Result<Vec<String>> {
        let links = self.command("ip -o link")?;
        Ok(links.lines().filter_map(|link| link.split(": ").nth(1)).map(str::to_owned).collect())
    }

    /// Connects and returns what the server says, which is whom it sees.
    pub(crate) fn ask(&self, address: impl Into<IpAddr>, port: u16) -> Result<String> {
        self.ask_within(address.into(), port, CONNECT_DEADLINE)
    }

    /// Whether a connection is refused or comes to nothing.
    pub(crate) fn cannot_reach(&self, address: impl Into<IpAddr>, port: u16) -> bool {
        self.ask_within(address.into(), port, REFUSAL_DEADLINE).is_err()
    }

    fn ask_within(&self, address: IpAddr, port: u16, deadline: Duration) -> Result<String> {
        self.run(|| {
            let address = SocketAddr::new(address, port);
            let mut stream = TcpStream::connect_timeout(&address, deadline)?;
            stream.set_read_timeout(Some(deadline))?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        })
    }

    /// Serves on a port of this namespace until dropped.
    pub(crate) fn serve(&self, address: impl Into<IpAddr>, port: u16) -> Result<Server> {
        let address = SocketAddr::new(address.into(), port);
        let listener = self.run(|| Ok(TcpListener::bind(address)?))?;
        let accepting = listener.try_clone()?;
        let thread = thread::spawn(move || {
            while let Ok((mut stream, peer)) = accepting.accept() {
                // A client that has hung up shows as a failure on its own side.
                let _hung_up = write!(stream, "{}", peer.ip()).is_err();
            }
        });
        Ok(Server { listener, thread: Some(thread) })
    }
}

/// A TCP server that answers with the address of whoever connects.
pub(crate) struct Server {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Wakes the accept, which then fails.
        let woken = shutdown(self.listener.as_raw_fd(), Shutdown::Both).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _panicked = thread.join().is_err();
        }
    }
}

/// A connected namespace.
pub(crate) struct Container {
    pub(crate) namespace: Namespace,
    pub(crate) address: Ipv4Addr,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) host_interface: String,
    pub(crate) path: PathBuf,
}

/// Host, neighbour and a directory for the containers' namespaces.
pub(crate) struct Lab {
    pub(crate) host: Namespace,
    pub(crate) lan: Namespace,
    pub(crate) directory: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Result<Self> {
        // Packets that were sent one after the other then arrive so, all being handed on by
        // the same processor. Threads inherit it.
        let mut one = CpuSet::new();
        one.set(sched_getcpu()?)?;
        sched_setaffinity(Pid::from_raw(0), &one)?;
        let (host, lan) = (Namespace::new()?, Namespace::new()?);
        let lan_path = format!("/proc/{}/fd/{}", process::id(), lan.0.as_raw_fd());
        host.command("ip link set lo up")?;
        host.command(&format!("ip link add uplink type veth peer name lan0 netns {lan_path}"))?;
        host.command(&format!("ip address add {HOST}/24 dev uplink"))?;
        host.command(&format!("ip address add {HOST_SECOND}/24 dev uplink"))?;
        host.command(&format!("ip address add {HOST6}/64 dev uplink nodad"))?;
        host.command(&format!("ip address add {HOST6_SECOND}/64 dev uplink nodad"))?;
        host.command("ip link set uplink up")?;
        lan.command(&format!("ip address add {LAN}/24 dev lan0"))?;
        lan.command(&format!("ip address add {LAN6}/64 dev lan0 nodad"))?;
        lan.command("ip link set lan0 up")?;
        let lab = Self { host, lan, directory: TempDir::new()? };
        lab.filter_bridged_packets(false)?;
        Ok(lab)
    }

    /// Makes packets within bridges pass nftables, where the kernel can. Hosts differ in
    /// this; the VM's kernel does not.
    pub(crate) fn filter_bridged_packets(&self, on: bool) -> Result<()> {
        let value = if on { "1" } else { "0" };
        self.host.run(|| {
            for tables in ["iptables", "ip6tables"] {
                let switch = format!("/proc/sys/net/bridge/bridge-nf-call-{tables}");
                if Path::new(&switch).exists() {
                    fs::write(switch, value)?;
                }
            }
            Ok(())
        })
    }

    /// Runs a future on the host, as the engine would.
    pub(crate) fn on_host<T: Send>(
        &self,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.host.run(|| Builder::new_current_thread().enable_all().build()?.block_on(work))
    }

    /// Networks with the default bridge up.
    pub(crate) fn networks(&self) -> Result<Networks> {
        let networks = Networks::open(NetworksConfig::default());
        self.on_host(async { Ok(networks.ensure_bridge(&bridge()).await?) })?;
        Ok(networks)
    }

    /// Brings up a bridge beside the default one.
    pub(crate) fn ensure_bridge(&self, networks: &Networks, bridge: &BridgeConfig) -> Result<()> {
        self.on_host(async { Ok(networks.ensure_bridge(bridge).await?) })
    }

    /// A namespace on `bridge` with the address that ends in `host_part`.
    pub(crate) fn container(
        &self,
        networks: &Networks,
        bridge: &BridgeConfig,
        host_part: u32,
    ) -> Result<Container> {
        let interface = interface(bridge, host_part)?;
        let [InterfaceAddress { address: IpAddr::V4(address), .. }, ..] = interface.addresses[..]
        else {
            bail!("the bridge has no IPv4 address");
        };
        let path = self.directory.path().join(address.to_string());
        let host_interface = self.on_host(async {
            networks.create_namespace(&path).await?;
            let attachment = Attachment::Bridge(bridge.clone());
            Ok(networks.connect(&path, &attachment, &interface).await?)
        })?;
        let addresses = interface.addresses.iter().map(|own| own.address).collect();
        let namespace = Namespace::at(&path)?;
        Ok(Container { namespace, address, addresses, host_interface, path })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let networks = Networks::open(NetworksConfig::default());
        let removed = self.on_host(async {
            for entry in self.directory.path().read_dir()? {
                networks.remove_namespace(&entry?.path()).await?;
            }
            Ok(())
        });
        // A test that failed says why; one that passed has left nothing.
        assert!(removed.is_ok() || thread::panicking(), "namespaces stay mounted: {removed:?}");
    }
}
