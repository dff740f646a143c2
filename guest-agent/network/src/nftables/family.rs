//! IPv4 or IPv6, as nftables has them.

use std::net::IpAddr;

/// Whose packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    /// That of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    /// The number that the kernel knows it by (`NFPROTO_IPV4`, `NFPROTO_IPV6`).
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Ipv4 => 2,
            Self::Ipv6 => 10,
        }
    }

    /// How many words of a register an address takes.
    pub(crate) fn address_words(self) -> u32 {
        match self {
            Self::Ipv4 => 1,
            Self::Ipv6 => 4,
        }
    }
}
