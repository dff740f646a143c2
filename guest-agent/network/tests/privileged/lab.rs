//! The small world that every test makes for itself.
//!
//! ```text
//!  lan 192.0.2.2 ── uplink 192.0.2.1, 192.0.2.3 host ── bridge naru0 ── containers
//! ```

use std::fs::{self, File};
use std::future::Future;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use naru_network::{
    Attachment, BridgeAddress, BridgeConfig, Interface, InterfaceAddress, MacAddress, Networks,
    NetworksConfig, PortMapping, Protocol, Subnet,
};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{Shutdown, shutdown};
use tempfile::TempDir;
use tokio::runtime::Builder;

pub(crate) const LAN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const HOST_SECOND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 1);
pub(crate) const SECOND_GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 1);

const EAR_PORT: u16 = 9;

/// How long a connection that must not come about is given to do so.
const REFUSAL_DEADLINE: Duration = Duration::from_millis(1500);
/// How long one that must come about is.
const CONNECT_DEADLINE: Duration = Duration::from_secs(30);

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

    /// Hears what reaches a UDP port of this namespace.
    pub(crate) fn listen(&self) -> Result<Ear> {
        let socket = self.run(|| Ok(UdpSocket::bind((Ipv6Addr::UNSPECIFIED, EAR_PORT))?))?;
        socket.set_read_timeout(Some(CONNECT_DEADLINE))?;
        Ok(Ear(socket))
    }

    /// Says something to the ear at an address, and whether that could be sent matters not.
    pub(crate) fn say(&self, to: impl Into<IpAddr>, what: &str) -> Result<()> {
        let socket = self.udp(to, EAR_PORT)?;
        let _refused = socket.send(what.as_bytes()).is_err();
        Ok(())
    }

    /// A UDP socket here that speaks with one port of one address.
    pub(crate) fn udp(&self, address: impl Into<IpAddr>, port: u16) -> Result<UdpSocket> {
        let to = SocketAddr::new(address.into(), port);
        self.run(|| {
            let any: IpAddr = if to.is_ipv4() {
                Ipv4Addr::UNSPECIFIED.into()
            } else {
                Ipv6Addr::UNSPECIFIED.into()
            };
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect(to)?;
            Ok(socket)
        })
    }

    /// Answers what is sent to a UDP port of this namespace by `name` and the address of
    /// the sender, until dropped.
    pub(crate) fn serve_udp(
        &self,
        address: impl Into<IpAddr>,
        port: u16,
        name: &'static str,
    ) -> Result<UdpServer> {
        let address = SocketAddr::new(address.into(), port);
        let socket = self.run(|| Ok(UdpSocket::bind(address)?))?;
        let answering = socket.try_clone()?;
        let thread = thread::spawn(move || {
            let mut buffer = [0; 16];
            while let Ok((1.., peer)) = answering.recv_from(&mut buffer) {
                let answer = format!("{name} to {}", peer.ip());
                // Nobody may be there any more.
                let _gone = answering.send_to(answer.as_bytes(), peer).is_err();
            }
        });
        Ok(UdpServer { socket, thread: Some(thread) })
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

/// Hears every packet that arrives.
pub(crate) struct Ear(UdpSocket);

impl Ear {
    /// What has arrived up to and without the word that `friend`, who certainly reaches
    /// `address`, says to it now. What was sent before and is not among it does not arrive.
    pub(crate) fn heard(
        &self,
        friend: &Namespace,
        address: impl Into<IpAddr>,
    ) -> Result<Vec<String>> {
        const LAST_WORD: &str = "that was all";
        friend.say(address, LAST_WORD)?;
        let mut heard = Vec::new();
        let mut buffer = [0; 128];
        loop {
            let length = self.0.recv(&mut buffer)?;
            let word = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
            if word == LAST_WORD {
                return Ok(heard);
            }
            heard.push(word.into());
        }
    }
}

/// A UDP server that answers with its name and the address of whoever sends.
pub(crate) struct UdpServer {
    socket: UdpSocket,
    thread: Option<JoinHandle<()>>,
}

impl Drop for UdpServer {
    fn drop(&mut self) {
        // Wakes the receiver with an empty packet although it says that it could not.
        let _not_connected = shutdown(self.socket.as_raw_fd(), Shutdown::Both).is_err();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join().is_err();
        }
    }
}

/// Sends until an answer comes, and returns it. What is sent while the way is being made
/// may be lost.
pub(crate) fn ask_udp(socket: &UdpSocket) -> Result<String> {
    answer_within(socket, CONNECT_DEADLINE)
}

/// Whether no answer comes to what is sent.
pub(crate) fn is_silent(socket: &UdpSocket) -> bool {
    answer_within(socket, REFUSAL_DEADLINE).is_err()
}

fn answer_within(socket: &UdpSocket, deadline: Duration) -> Result<String> {
    const ATTEMPTS: u32 = 10;
    socket.set_read_timeout(Some(deadline / ATTEMPTS))?;
    let mut buffer = [0; 128];
    let mut failure = None;
    for _ in 0..ATTEMPTS {
        // A port that nobody has is told by an error on either call.
        match socket.send(&[1]).and_then(|_| socket.recv(&mut buffer)) {
            Ok(length) => {
                return Ok(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into());
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.context("no attempt was made")?.into())
}

/// A connected namespace.
pub(crate) struct Container {
    pub(crate) namespace: Namespace,
    pub(crate) address: Ipv4Addr,
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
        let (host, lan) = (Namespace::new()?, Namespace::new()?);
        let lan_path = format!("/proc/{}/fd/{}", process::id(), lan.0.as_raw_fd());
        host.command("ip link set lo up")?;
        host.command(&format!("ip link add uplink type veth peer name lan0 netns {lan_path}"))?;
        host.command(&format!("ip address add {HOST}/24 dev uplink"))?;
        host.command(&format!("ip address add {HOST_SECOND}/24 dev uplink"))?;
        host.command("ip link set uplink up")?;
        lan.command(&format!("ip address add {LAN}/24 dev lan0"))?;
        lan.command("ip link set lan0 up")?;
        let lab = Self { host, lan, directory: TempDir::new()? };
        lab.filter_bridged_packets(false)?;
        Ok(lab)
    }

    /// Makes packets within bridges pass nftables, where the kernel can. Hosts differ in
    /// this; the VM's kernel does not.
    pub(crate) fn filter_bridged_packets(&self, on: bool) -> Result<()> {
        let switch = Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables");
        self.host.run(|| {
            let value = if on { "1" } else { "0" };
            if switch.exists() {
                fs::write(switch, value)?;
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
        Ok(Container { namespace: Namespace::at(&path)?, address, host_interface, path })
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

/// The default bridge.
pub(crate) fn bridge() -> BridgeConfig {
    BridgeConfig {
        name: "naru0".to_owned(),
        v4: Some(BridgeAddress { subnet: Networks::default_subnets()[0], gateway: GATEWAY.into() }),
        v6: None,
        mtu: 1500,
        masquerade: true,
        inter_container: true,
        internal: false,
    }
}

/// Another bridge beside it.
pub(crate) fn second_bridge() -> BridgeConfig {
    BridgeConfig {
        name: "naru1".to_owned(),
        v4: Some(BridgeAddress {
            subnet: Networks::default_subnets()[1],
            gateway: SECOND_GATEWAY.into(),
        }),
        ..bridge()
    }
}

/// `eth0` on a bridge, with the addresses that end in `host_part`.
pub(crate) fn interface(bridge: &BridgeConfig, host_part: u32) -> Result<Interface> {
    let places: Vec<_> = bridge.v4.into_iter().chain(bridge.v6).collect();
    let addresses: Vec<_> = places
        .iter()
        .map(|place| InterfaceAddress {
            address: nth_address(place.subnet, host_part),
            prefix_len: place.subnet.prefix_len(),
        })
        .collect();
    Ok(Interface {
        name: "eth0".to_owned(),
        mac: MacAddress::for_address(addresses.first().context("no address")?.address),
        addresses,
        mtu: bridge.mtu,
        default_routes: places.iter().map(|place| place.gateway).collect(),
    })
}

fn nth_address(subnet: Subnet, host_part: u32) -> IpAddr {
    match subnet.network() {
        IpAddr::V4(network) => Ipv4Addr::from_bits(network.to_bits() + host_part).into(),
        IpAddr::V6(network) => {
            Ipv6Addr::from_bits(network.to_bits() + u128::from(host_part)).into()
        }
    }
}

/// A TCP port of the host that leads to port 80 of a container.
pub(crate) fn mapping(host_ip: Ipv4Addr, host_port: u16, container: &Container) -> PortMapping {
    PortMapping {
        host_ip: host_ip.into(),
        host_port,
        container_address: container.address.into(),
        container_port: 80,
        protocol: Protocol::Tcp,
    }
}
