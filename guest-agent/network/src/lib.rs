//! Container networks: bridges, veth pairs, addresses, nftables.
//!
//! Everything is said to the kernel over netlink; no program is started. The
//! crate knows nothing of containers: a caller names network namespaces by path
//! and published ports by a key of its own.
//!
//! ```text
//!            host                            │        namespace
//!  uplink ◄─ routing, NAT ◄─ bridge ◄─ veth ─┼─ eth0 ◄─ process
//!               ▲ nftables table "naru"
//!  port 8080 ───┘ one element in a map per published port
//! ```
//!
//! [`Networks`] is the whole of it for the engine (feature `engine`, on by
//! default). Without that feature only [`uplink`] remains, which needs no tokio.

mod error;
mod netlink;
mod route;
mod subnet;
pub mod uplink;

#[cfg(feature = "engine")]
mod attachment;
#[cfg(feature = "engine")]
mod attributes;
#[cfg(feature = "engine")]
mod bridge;
#[cfg(feature = "engine")]
mod claim;
#[cfg(feature = "engine")]
mod connection;
#[cfg(feature = "engine")]
mod conntrack;
#[cfg(feature = "engine")]
mod mac;
#[cfg(feature = "engine")]
mod namespace;
#[cfg(feature = "engine")]
mod networks;
#[cfg(feature = "engine")]
mod nftables;
#[cfg(feature = "engine")]
mod pool;
#[cfg(feature = "engine")]
mod port;
#[cfg(feature = "engine")]
mod resolver;
#[cfg(feature = "engine")]
mod routing;
#[cfg(feature = "engine")]
mod state;
#[cfg(feature = "engine")]
mod sys;
#[cfg(feature = "engine")]
mod sysctl;

#[cfg(feature = "engine")]
pub use attachment::{Attachment, Interface, InterfaceAddress, IpvlanMode, MacvlanMode};
#[cfg(feature = "engine")]
pub use bridge::{BridgeAddress, BridgeConfig};
#[cfg(feature = "engine")]
pub use claim::SubnetClaim;
pub use error::NetworkError;
#[cfg(feature = "engine")]
pub use mac::MacAddress;
#[cfg(feature = "engine")]
pub use networks::{Networks, NetworksConfig, Publication};
#[cfg(feature = "engine")]
pub use pool::AddressPool;
#[cfg(feature = "engine")]
pub use port::{PortMapping, Protocol};
#[cfg(feature = "engine")]
pub use resolver::{RESOLVER_ADDRESS, ResolverSockets};
#[cfg(feature = "engine")]
pub use routing::DefaultRoute;
pub use subnet::Subnet;
