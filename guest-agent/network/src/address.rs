//! Subnets and MAC addresses as values.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::error::NetworkError;

/// An IPv4 network in CIDR notation. Bits beyond the prefix are always zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ipv4Subnet {
    network: Ipv4Addr,
    prefix_len: u8,
}

impl Ipv4Subnet {
    /// The network that `address` lies in; `prefix_len` is at most 32.
    pub fn new(address: Ipv4Addr, prefix_len: u8) -> Result<Self, NetworkError> {
        if prefix_len > 32 {
            return Err(NetworkError::InvalidSubnet(format!("{address}/{prefix_len}")));
        }
        Ok(Self::containing(address, prefix_len))
    }

    /// The network that `address` lies in, for a prefix known to be valid.
    pub(crate) const fn containing(address: Ipv4Addr, prefix_len: u8) -> Self {
        let network = Ipv4Addr::from_bits(address.to_bits() & mask_bits(prefix_len));
        Self { network, prefix_len }
    }

    /// The first address, which names the network.
    pub fn network(self) -> Ipv4Addr {
        self.network
    }

    /// The number of leading bits that all its addresses share.
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// The mask of those bits, such as 255.255.0.0.
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask_bits(self.prefix_len))
    }

    /// The last address.
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | !mask_bits(self.prefix_len))
    }

    /// The address after the network's own, which bridges take by custom.
    pub fn first_host(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits().saturating_add(1))
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        self.network.to_bits() == address.to_bits() & mask_bits(self.prefix_len)
    }

    /// Whether the two have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }
}

/// A shift by 32 overflows, hence the case of its own.
const fn mask_bits(prefix_len: u8) -> u32 {
    if prefix_len == 0 { 0 } else { u32::MAX << (32 - prefix_len) }
}

impl fmt::Display for Ipv4Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix_len)
    }
}

impl FromStr for Ipv4Subnet {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let invalid = || NetworkError::InvalidSubnet(text.to_owned());
        let (address, prefix_len) = text.split_once('/').ok_or_else(invalid)?;
        let address = address.parse().map_err(|_| invalid())?;
        Self::new(address, prefix_len.parse().map_err(|_| invalid())?)
    }
}

/// A hardware address of six bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// The address Docker gives an endpoint: `02:42` and the four bytes of its
    /// IPv4 address. It is unique on the bridge because the IPv4 address is, and
    /// neighbours' caches stay right when an address goes to a new container.
    pub fn for_address(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x02, 0x42, a, b, c, d])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for MacAddress {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let invalid = || NetworkError::InvalidMac(text.to_owned());
        let mut parts = text.split(':');
        let mut bytes = [0; 6];
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(invalid)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| invalid())?;
        }
        if parts.next().is_some() { Err(invalid()) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnet_knows_its_bounds() {
        let subnet: Ipv4Subnet = "172.17.5.9/16".parse().unwrap();
        assert_eq!(subnet.to_string(), "172.17.0.0/16");
        assert_eq!(subnet.mask(), Ipv4Addr::new(255, 255, 0, 0));
        assert_eq!(subnet.broadcast(), Ipv4Addr::new(172, 17, 255, 255));
        assert_eq!(subnet.first_host(), Ipv4Addr::new(172, 17, 0, 1));
        assert!(subnet.contains(Ipv4Addr::new(172, 17, 255, 1)));
        assert!(!subnet.contains(Ipv4Addr::new(172, 18, 0, 1)));
    }

    #[test]
    fn the_whole_internet_is_a_subnet() {
        let all: Ipv4Subnet = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains(Ipv4Addr::BROADCAST));
        assert_eq!(all.broadcast(), Ipv4Addr::BROADCAST);
    }

    #[test]
    fn subnets_overlap_when_one_contains_the_other() {
        let wide: Ipv4Subnet = "172.16.0.0/12".parse().unwrap();
        let narrow: Ipv4Subnet = "172.17.3.0/24".parse().unwrap();
        let other: Ipv4Subnet = "192.168.0.0/16".parse().unwrap();
        assert!(wide.overlaps(narrow) && narrow.overlaps(wide));
        assert!(!wide.overlaps(other) && !other.overlaps(narrow));
    }

    #[test]
    fn text_that_is_no_subnet_is_refused() {
        for text in ["", "10.0.0.0", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/-1", "::/0"] {
            assert!(text.parse::<Ipv4Subnet>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn mac_is_dockers_and_survives_its_text() {
        let mac = MacAddress::for_address(Ipv4Addr::new(172, 17, 0, 2));
        assert_eq!(mac.to_string(), "02:42:ac:11:00:02");
        assert_eq!(mac.to_string().parse::<MacAddress>().unwrap(), mac);
        for text in ["", "02:42", "02:42:ac:11:00:02:03", "2:42:ac:11:00:02", "zz:42:ac:11:00:02"] {
            assert!(text.parse::<MacAddress>().is_err(), "{text:?} was taken");
        }
    }
}
