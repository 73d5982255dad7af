//! Whether a unit has seen this configuration already, without keeping the configuration.

use std::fmt::Write as _;

use muster_charms::OptionValue;
use muster_model::goal::UnitGoal;
use muster_model::record::Address;
use serde::{Deserialize, Serialize};

/// FNV-1a over 64 bits: tells two values apart; it does not have to withstand anybody, since who
/// sets the configuration gains nothing by a value that goes unnoticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The configuration with its types, the trust, the spaces of endpoints, and the addresses of
    /// the machine: what `config-changed` is about (hook contract, section 4.8).
    #[must_use]
    pub fn of(goal: &UnitGoal, addresses: &[Address]) -> Fingerprint {
        let mut hash = Fnv::default();
        for (key, value) in &goal.config {
            let kind = match value {
                OptionValue::Boolean(_) => "b",
                OptionValue::Int(_) => "i",
                OptionValue::Float(_) => "f",
                OptionValue::String(_) => "s",
            };
            hash.part(key.as_str());
            hash.part(kind);
            hash.part(&format!("{value:?}"));
        }
        hash.part(if goal.trust { "trusted" } else { "" });
        for (endpoint, space) in &goal.bindings {
            hash.part(endpoint.as_str());
            hash.part(space);
        }
        for address in addresses {
            hash.part(&address.interface);
            hash.part(&address.cidr);
            // Writing into the hash cannot fail.
            let _infallible = write!(hash, "{}\u{0}", address.value);
        }
        Fingerprint(hash.0)
    }
}

struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn part(&mut self, text: &str) {
        // The length keeps `ab`, `c` apart from `a`, `bc`.
        let _infallible = write!(self, "{}:{text}", text.len());
    }
}

impl std::fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
