//! Hardware addresses as values.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::NetworkError;

/// A hardware address of six bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// The address Docker gives an endpoint: `02:42` and the four bytes of its IPv4
    /// address, or the last four of an IPv6 one. It is unique on the bridge because that
    /// is, and neighbours' caches stay right when an address goes to a new container.
    pub fn for_address(address: IpAddr) -> Self {
        let [a, b, c, d] = match address {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(address) => {
                let [.., a, b, c, d] = address.octets();
                [a, b, c, d]
            }
        };
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
            let is_byte = |part: &&str| part.len() == 2 && !part.starts_with('+');
            let part = parts.next().filter(is_byte).ok_or_else(invalid)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| invalid())?;
        }
        if parts.next().is_some() { Err(invalid()) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_is_dockers_and_survives_its_text() {
        for (address, text) in
            [("172.17.0.2", "02:42:ac:11:00:02"), ("fd00::102:304", "02:42:01:02:03:04")]
        {
            let mac = MacAddress::for_address(address.parse().unwrap());
            assert_eq!(mac.to_string(), text);
            assert_eq!(text.parse::<MacAddress>().unwrap(), mac);
        }
    }

    #[test]
    fn text_that_is_no_mac_is_refused() {
        for text in [
            "",
            "02:42",
            "02:42:ac:11:00:02:03",
            "2:42:ac:11:00:02",
            "zz:42:ac:11:00:02",
            "+2:42:ac:11:00:02",
        ] {
            assert!(text.parse::<MacAddress>().is_err(), "{text:?} was taken");
        }
    }
}
