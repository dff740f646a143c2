//! What the server asks of its owner.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The names that one container knows, and whom to ask for all others. Asked anew for
/// every query, so that a change shows at once.
pub trait Names: fmt::Debug + Send + Sync + 'static {
    /// The addresses of a name. It comes in lower case and without a dot at its end.
    fn lookup(&self, name: &str, family: Family) -> Lookup;

    /// The name of an address, if it is one of ours.
    fn reverse(&self, address: IpAddr) -> Option<String>;

    /// Whom to ask for names and kinds of records that are not ours.
    fn upstreams(&self) -> Upstreams;
}

/// Which kind of address is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It has these addresses, in any order.
    Found(Vec<IpAddr>),
    /// It is ours, but has no address of the family. It is not asked for elsewhere.
    NoAddress,
    /// It is not ours.
    Unknown,
}

/// Servers to forward to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstreams {
    /// Asked one after the other until one has an answer; only the first three, as
    /// resolvers do. Without any, all that is not ours fails.
    pub servers: Vec<Upstream>,
    /// Whether addresses of names without a dot are asked for. Where search domains
    /// are to be tried first (`ndots`), they are not: the client gets an empty answer
    /// and goes on with the next domain.
    pub single_labels: bool,
}

/// A server to forward to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    /// From where it is asked.
    pub side: Side,
}

/// In which network namespace a query starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The container's own: what it cannot reach, its server cannot reach for it.
    Container,
    /// The host's, for servers on the host's loopback.
    Host,
}
