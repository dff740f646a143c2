//! Networks in CIDR notation as values.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::error::NetworkError;

/// An IPv4 or IPv6 network in CIDR notation. Bits beyond the prefix are always zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subnet {
    network: IpAddr,
    prefix_len: u8,
}

impl Subnet {
    /// The network that `address` lies in; `prefix_len` is at most 32, or 128 in IPv6.
    pub fn new(address: IpAddr, prefix_len: u8) -> Result<Self, NetworkError> {
        if prefix_len > width(address) {
            return Err(NetworkError::InvalidSubnet(format!("{address}/{prefix_len}")));
        }
        Ok(Self::containing(address, prefix_len))
    }

    /// The network that `address` lies in, for a prefix known to be valid.
    pub(crate) const fn containing(address: IpAddr, prefix_len: u8) -> Self {
        let network = with_bits(address, bits(address) & mask(address, prefix_len));
        Self { network, prefix_len }
    }

    /// The first address, which names the network.
    pub fn network(self) -> IpAddr {
        self.network
    }

    /// The number of leading bits that all its addresses share.
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Whether its addresses are of IPv6.
    pub fn is_ipv6(self) -> bool {
        self.network.is_ipv6()
    }

    /// The mask of the shared bits, such as 255.255.0.0.
    #[cfg(feature = "engine")]
    pub(crate) fn mask(self) -> IpAddr {
        with_bits(self.network, mask(self.network, self.prefix_len))
    }

    /// The last address, which in IPv4 is the one for broadcasts.
    pub fn last(self) -> IpAddr {
        let host_bits =
            !mask(self.network, self.prefix_len) & mask(self.network, width(self.network));
        with_bits(self.network, bits(self.network) | host_bits)
    }

    /// The address after the network's own, which bridges take by custom.
    pub fn first_host(self) -> IpAddr {
        match self.network {
            IpAddr::V4(network) => Ipv4Addr::from_bits(network.to_bits().saturating_add(1)).into(),
            IpAddr::V6(network) => Ipv6Addr::from_bits(network.to_bits().saturating_add(1)).into(),
        }
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        Self::containing(address, self.prefix_len.min(width(address))) == self
    }

    /// Whether all of `other` lies in it.
    pub fn contains_subnet(self, other: Self) -> bool {
        self.prefix_len <= other.prefix_len && self.contains(other.network)
    }

    /// Whether the two have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }
}

/// The address as a number.
pub(crate) const fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits() as u128,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The number as an address of the same family as `like`.
#[expect(clippy::cast_possible_truncation, reason = "numbers of IPv4 have 32 bits")]
pub(crate) const fn with_bits(like: IpAddr, bits: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

/// How many bits an address of this family has.
const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// A shift by all bits overflows, hence the case of its own.
const fn mask(family: IpAddr, prefix_len: u8) -> u128 {
    if prefix_len == 0 {
        return 0;
    }
    let width = width(family);
    (u128::MAX >> (128 - width)) & (u128::MAX << (width - prefix_len))
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix_len)
    }
}

impl FromStr for Subnet {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let invalid = || NetworkError::InvalidSubnet(text.to_owned());
        let (address, prefix_len) = text.split_once('/').ok_or_else(invalid)?;
        if !prefix_len.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let address = address.parse().map_err(|_| invalid())?;
        Self::new(address, prefix_len.parse().map_err(|_| invalid())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn subnet_knows_its_bounds() {
        let v4 = subnet("172.17.5.9/16");
        assert_eq!(v4.to_string(), "172.17.0.0/16");
        assert_eq!(v4.mask(), address("255.255.0.0"));
        assert_eq!(v4.last(), address("172.17.255.255"));
        assert_eq!(v4.first_host(), address("172.17.0.1"));
        assert!(v4.contains(address("172.17.255.1")));
        assert!(!v4.contains(address("172.18.0.1")));
        let v6 = subnet("fd00:1:2:3::9/64");
        assert_eq!(v6.to_string(), "fd00:1:2:3::/64");
        assert_eq!(v6.mask(), address("ffff:ffff:ffff:ffff::"));
        assert_eq!(v6.last(), address("fd00:1:2:3:ffff:ffff:ffff:ffff"));
        assert_eq!(v6.first_host(), address("fd00:1:2:3::1"));
        assert!(v6.contains(address("fd00:1:2:3::ffff")));
        assert!(!v6.contains(address("fd00:1:2:4::1")));
    }

    #[test]
    fn the_whole_internet_is_a_subnet() {
        for (all, last) in [("0.0.0.0/0", "255.255.255.255"), ("::/0", &"ffff:".repeat(8)[..39])] {
            assert_eq!(subnet(all).last(), address(last));
            assert!(subnet(all).contains(address(last)));
        }
        assert_eq!(subnet("255.255.255.255/32").last(), address("255.255.255.255"));
    }

    #[test]
    fn families_have_no_address_in_common() {
        assert!(!subnet("0.0.0.0/0").contains(address("::")));
        assert!(!subnet("::/0").contains(address("0.0.0.0")));
        assert!(!subnet("::/64").contains(address("0.0.0.0")));
        assert!(!subnet("::/0").overlaps(subnet("10.0.0.0/8")));
    }

    #[test]
    fn subnets_overlap_when_one_contains_the_other() {
        let (wide, narrow) = (subnet("172.16.0.0/12"), subnet("172.17.3.0/24"));
        let other = subnet("192.168.0.0/16");
        assert!(wide.overlaps(narrow) && narrow.overlaps(wide));
        assert!(!wide.overlaps(other) && !other.overlaps(narrow));
        assert!(wide.contains_subnet(narrow) && wide.contains_subnet(wide));
        assert!(!narrow.contains_subnet(wide) && !wide.contains_subnet(other));
    }

    #[test]
    fn text_that_is_no_subnet_is_refused() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0/8",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "::/129",
            "fd00::",
            "fe80::1%eth0/64",
        ] {
            assert!(text.parse::<Subnet>().is_err(), "{text:?} was taken");
        }
    }
}
