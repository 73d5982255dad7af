//! Who is connected: so many at a time, and so many from one address, so that one peer that opens
//! connections and says nothing takes nobody else's place (S1, R23).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Limits;

#[derive(Debug)]
pub(super) struct Crowd {
    limits: Limits,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    from: IpAddr,
}

impl Crowd {
    pub(super) fn new(limits: Limits) -> Crowd {
        Crowd { limits, present: Mutex::default() }
    }

    /// A place for a connection from this address, if there is one.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Seat> {
        let from = from.to_canonical();
        let most =
            if from.is_loopback() { self.limits.per_loopback } else { self.limits.per_address };
        let mut present = self.present();
        let own = present.by_address.get(&from).copied().unwrap_or(0);
        if present.all >= self.limits.connections || own >= most {
            return None;
        }
        present.all += 1;
        present.by_address.insert(from, own + 1);
        Some(Seat { crowd: Arc::clone(self), from })
    }

    fn present(&self) -> std::sync::MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut present = self.crowd.present();
        present.all = present.all.saturating_sub(1);
        if let Some(own) = present.by_address.get_mut(&self.from) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                present.by_address.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s01_one_address_does_not_take_everybodys_place() {
        let limits = Limits { connections: 3, per_address: 2, ..Limits::default() };
        let crowd = Arc::new(Crowd::new(limits));
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = crowd.enter(one).unwrap();
        let second = crowd.enter("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(crowd.enter(one).is_none(), "a third from one address");
        let _third = crowd.enter(other).unwrap();
        assert!(crowd.enter(other).is_none(), "a fourth at all");
        drop(first);
        drop(second);
        assert!(crowd.enter(one).is_some());
        assert!(crowd.present().by_address.len() <= 2, "an address that left is forgotten");
    }
}
