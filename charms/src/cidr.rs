//! A network, as `10.0.0.0/8` or `2001:db8::/32`: from where an exposed application is reached.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::BadName;

/// A network of either family: an address and how many bits of it count.
///
/// Bits of the address that do not count are dropped, so that one network is written in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// The first address of the network.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits of the address count: at most 32, or 128.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }
}

/// The address with everything behind its first `bits` bits zero.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl FromStr for Cidr {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Cidr, BadName> {
        let bad = |rule| BadName::new("network", text, rule);
        let Some((address, length)) = text.split_once('/') else {
            return Err(bad("it has no length; write for example 10.0.0.0/8, or 10.0.0.7/32"));
        };
        let address: IpAddr =
            address.parse().map_err(|_| bad("what stands before `/` is no address"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let plain = length.bytes().all(|b| b.is_ascii_digit());
        match length.parse::<u8>().ok().filter(|bits| plain && *bits <= most) {
            Some(bits) => Ok(Cidr { address: masked(address, bits), bits }),
            None if most == 32 => Err(bad("its length is not a number from 0 to 32")),
            None => Err(bad("its length is not a number from 0 to 128")),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.address, self.bits))
    }
}

impl TryFrom<String> for Cidr {
    type Error = BadName;

    fn try_from(text: String) -> Result<Cidr, BadName> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_in_one_way() {
        for (text, plain) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.0.2.7/32", "192.0.2.7/32"),
            ("2001:DB8::1/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::1/128", "::1/128"),
        ] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), plain);
        }
    }

    #[test]
    fn what_is_no_network_is_named_with_its_rule() {
        for (text, rule) in [
            ("10.0.0.0", "has no length"),
            ("", "has no length"),
            ("all", "has no length"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("10.0.0.0/+8", "from 0 to 32"),
            ("10.0.0.0/8; accept", "from 0 to 32"),
            ("::/129", "from 0 to 128"),
            ("10.0.0/8", "is no address"),
            (" 10.0.0.0/8", "is no address"),
        ] {
            let said = text.parse::<Cidr>().unwrap_err().to_string();
            assert!(said.contains(rule), "{text}: {said}");
        }
    }
}
