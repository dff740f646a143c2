//! Which addresses of a subnet are in use.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::error::NetworkError;
use crate::subnet::{Subnet, bits, with_bits};

/// The addresses of one subnet. Pure bookkeeping: nothing is asked of the kernel.
///
/// Like Docker it hands out addresses in turn and starts again at the front only
/// after the last, so that an address just given back is not used again at once
/// while peers still remember whose it was. What that costs depends on the addresses in
/// use, not on the size of the subnet.
#[derive(Clone, Debug)]
pub struct AddressPool {
    subnet: Subnet,
    /// Where addresses that nobody chose lie.
    range: Subnet,
    reserved: BTreeSet<IpAddr>,
    taken: BTreeSet<IpAddr>,
    /// Where the search goes on.
    next: u128,
}

impl AddressPool {
    /// All addresses of `subnet` free but the network's own, in IPv4 the broadcast's, and
    /// those in `reserved`, such as the gateway's, which endpoints never get. Those that
    /// `allocate` chooses lie in `range`, if there is one.
    pub fn new(
        subnet: Subnet,
        range: Option<Subnet>,
        reserved: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let range = range.unwrap_or(subnet);
        Self {
            subnet,
            range,
            reserved: reserved.into_iter().collect(),
            taken: BTreeSet::new(),
            next: bits(range.network()),
        }
    }

    /// The subnet it was made for.
    pub fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// Takes the next free address.
    pub fn allocate(&mut self) -> Result<IpAddr, NetworkError> {
        let (first, last) = (bits(self.range.network()), bits(self.range.last()));
        let address = (self.next..=last)
            .chain(first..self.next)
            .map(|number| with_bits(self.range.network(), number))
            .find(|address| self.is_usable(*address) && !self.taken.contains(address))
            .ok_or(NetworkError::SubnetExhausted(self.range))?;
        self.taken.insert(address);
        self.next = if address == self.range.last() { first } else { bits(address) + 1 };
        Ok(address)
    }

    /// Takes this very address: one that the user asked for, or one that a
    /// container found after a restart has.
    pub fn reserve(&mut self, address: IpAddr) -> Result<(), NetworkError> {
        if !self.is_usable(address) {
            return Err(NetworkError::AddressUnusable { address, subnet: self.subnet });
        }
        if !self.taken.insert(address) {
            return Err(NetworkError::AddressTaken(address));
        }
        Ok(())
    }

    /// Gives an address back. One that was never taken is no error.
    pub fn release(&mut self, address: IpAddr) {
        self.taken.remove(&address);
    }

    fn is_usable(&self, address: IpAddr) -> bool {
        self.subnet.contains(address)
            && address != self.subnet.network()
            && (address.is_ipv6() || address != self.subnet.last())
            && !self.reserved.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn pool(subnet: &str) -> AddressPool {
        let subnet: Subnet = subnet.parse().unwrap();
        AddressPool::new(subnet, None, [subnet.first_host()])
    }

    #[test]
    fn first_address_follows_the_gateway() {
        assert_eq!(pool("172.17.0.0/16").allocate().unwrap(), address("172.17.0.2"));
        assert_eq!(pool("fd00::/64").allocate().unwrap(), address("fd00::2"));
    }

    #[test]
    fn released_address_is_not_reused_before_the_others() {
        let mut pool = pool("10.0.0.0/29");
        let first = pool.allocate().unwrap();
        pool.release(first);
        let rest: Vec<_> = (0..4).map(|_| pool.allocate().unwrap()).collect();
        assert!(!rest.contains(&first));
        assert_eq!(pool.allocate().unwrap(), first, "it is used again once the others are taken");
    }

    #[test]
    fn exhausted_subnet_says_so_and_recovers() {
        let mut pool = pool("10.0.0.0/30");
        let only = pool.allocate().unwrap();
        let error = pool.allocate().unwrap_err();
        assert_eq!(error.to_string(), "no available IPv4 addresses in subnet 10.0.0.0/30");
        pool.release(only);
        assert_eq!(pool.allocate().unwrap(), only);
    }

    #[test]
    fn reserved_address_is_never_handed_out() {
        let mut pool = pool("10.0.0.0/29");
        let wanted = address("10.0.0.2");
        pool.reserve(wanted).unwrap();
        assert!(matches!(pool.reserve(wanted), Err(NetworkError::AddressTaken(_))));
        assert_ne!(pool.allocate().unwrap(), wanted);
    }

    #[test]
    fn chosen_addresses_lie_in_the_range_and_wished_ones_in_the_subnet() {
        let (subnet, range) = ("10.0.0.0/16".parse().unwrap(), "10.0.9.0/30".parse().unwrap());
        let mut pool = AddressPool::new(subnet, Some(range), [address("10.0.9.1")]);
        let chosen: Vec<_> = (0..3).map(|_| pool.allocate().unwrap().to_string()).collect();
        assert_eq!(chosen, ["10.0.9.0", "10.0.9.2", "10.0.9.3"]);
        assert!(matches!(pool.allocate(), Err(NetworkError::SubnetExhausted(_))));
        pool.reserve(address("10.0.200.7")).unwrap();
    }

    #[test]
    fn network_broadcast_gateway_and_foreign_addresses_are_refused() {
        for (subnet, unusable) in [
            ("10.0.0.0/24", ["10.0.0.0", "10.0.0.255", "10.0.0.1", "10.0.1.5", "fd00::5"]),
            ("fd00::/64", ["fd00::", "fd00::1", "fd00:1::", "fd01::2", "10.0.0.5"]),
        ] {
            let mut pool = pool(subnet);
            for text in unusable {
                let refused = pool.reserve(address(text));
                assert!(matches!(refused, Err(NetworkError::AddressUnusable { .. })), "{text}");
            }
        }
        pool("fd00::/64").reserve(address("fd00::ffff:ffff:ffff:ffff")).unwrap();
    }

    #[test]
    fn subnet_at_the_end_of_the_address_space_does_not_overflow() {
        let mut v4 = pool("255.255.255.252/30");
        assert_eq!(v4.allocate().unwrap(), address("255.255.255.254"));
        assert!(matches!(v4.allocate(), Err(NetworkError::SubnetExhausted(_))));
        let mut v6 = pool("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126");
        let last = address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(v6.allocate().unwrap(), address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"));
        assert_eq!(v6.allocate().unwrap(), last);
        assert!(matches!(v6.allocate(), Err(NetworkError::SubnetExhausted(_))));
    }
}
