//! Which addresses of a subnet are in use.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::address::Ipv4Subnet;
use crate::error::NetworkError;

/// The addresses of one subnet. Pure bookkeeping: nothing is asked of the kernel.
///
/// Like Docker it hands out addresses in turn and starts again at the front only
/// after the last, so that an address just given back is not used again at once
/// while peers still remember whose it was.
#[derive(Clone, Debug)]
pub struct Ipam {
    subnet: Ipv4Subnet,
    gateway: Ipv4Addr,
    taken: BTreeSet<Ipv4Addr>,
    /// The address handed out last.
    last: Ipv4Addr,
}

impl Ipam {
    /// All addresses of `subnet` free but the network's, the broadcast's and the
    /// gateway's, which endpoints never get.
    pub fn new(subnet: Ipv4Subnet, gateway: Ipv4Addr) -> Self {
        Self { subnet, gateway, taken: BTreeSet::new(), last: subnet.network() }
    }

    /// The subnet it was made for.
    pub fn subnet(&self) -> Ipv4Subnet {
        self.subnet
    }

    /// Takes the next free address.
    pub fn allocate(&mut self) -> Result<Ipv4Addr, NetworkError> {
        let (first, end) = (self.subnet.network().to_bits(), self.subnet.broadcast().to_bits());
        let after_last = self.last.to_bits().saturating_add(1);
        let address = (after_last..=end)
            .chain(first..after_last)
            .map(Ipv4Addr::from_bits)
            .find(|address| self.is_usable(*address) && !self.taken.contains(address))
            .ok_or(NetworkError::SubnetExhausted(self.subnet))?;
        self.taken.insert(address);
        self.last = address;
        Ok(address)
    }

    /// Takes this very address: one that the user asked for, or one that a
    /// container found after a restart has.
    pub fn reserve(&mut self, address: Ipv4Addr) -> Result<(), NetworkError> {
        if !self.is_usable(address) {
            return Err(NetworkError::AddressUnusable { address, subnet: self.subnet });
        }
        if !self.taken.insert(address) {
            return Err(NetworkError::AddressTaken(address));
        }
        Ok(())
    }

    /// Gives an address back. One that was never taken is no error.
    pub fn release(&mut self, address: Ipv4Addr) {
        self.taken.remove(&address);
    }

    fn is_usable(&self, address: Ipv4Addr) -> bool {
        self.subnet.contains(address)
            && address != self.subnet.network()
            && address != self.subnet.broadcast()
            && address != self.gateway
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipam(subnet: &str) -> Ipam {
        let subnet: Ipv4Subnet = subnet.parse().unwrap();
        Ipam::new(subnet, subnet.first_host())
    }

    #[test]
    fn first_address_follows_the_gateway() {
        assert_eq!(ipam("172.17.0.0/16").allocate().unwrap(), Ipv4Addr::new(172, 17, 0, 2));
    }

    #[test]
    fn released_address_is_not_reused_before_the_others() {
        let mut ipam = ipam("10.0.0.0/29");
        let first = ipam.allocate().unwrap();
        ipam.release(first);
        let rest: Vec<_> = (0..4).map(|_| ipam.allocate().unwrap()).collect();
        assert!(!rest.contains(&first));
        assert_eq!(ipam.allocate().unwrap(), first, "it is used again once the others are taken");
    }

    #[test]
    fn exhausted_subnet_says_so_and_recovers() {
        let mut ipam = ipam("10.0.0.0/30");
        let only = ipam.allocate().unwrap();
        assert!(matches!(ipam.allocate(), Err(NetworkError::SubnetExhausted(_))));
        ipam.release(only);
        assert_eq!(ipam.allocate().unwrap(), only);
    }

    #[test]
    fn reserved_address_is_never_handed_out() {
        let mut ipam = ipam("10.0.0.0/29");
        let wanted = Ipv4Addr::new(10, 0, 0, 2);
        ipam.reserve(wanted).unwrap();
        assert!(matches!(ipam.reserve(wanted), Err(NetworkError::AddressTaken(_))));
        assert_ne!(ipam.allocate().unwrap(), wanted);
    }

    #[test]
    fn network_broadcast_gateway_and_foreign_addresses_are_refused() {
        let mut ipam = ipam("10.0.0.0/24");
        for address in ["10.0.0.0", "10.0.0.255", "10.0.0.1", "10.0.1.5"] {
            let refused = ipam.reserve(address.parse().unwrap());
            assert!(matches!(refused, Err(NetworkError::AddressUnusable { .. })), "{address}");
        }
    }

    #[test]
    fn subnet_at_the_end_of_the_address_space_does_not_overflow() {
        let mut ipam = ipam("255.255.255.252/30");
        assert_eq!(ipam.allocate().unwrap(), Ipv4Addr::new(255, 255, 255, 254));
        assert!(matches!(ipam.allocate(), Err(NetworkError::SubnetExhausted(_))));
    }
}
