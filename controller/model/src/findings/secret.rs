//! Secrets: one owner, revisions that only grow, contents that are there, readers that may read.

use super::say;
use crate::model::Model;
use crate::record::{Pair, PartNumber, Secret, SecretOwner, SecretPart, SecretShelf, SecretTrack};
use crate::view::Finding;

impl Model {
    pub(super) fn secrets_hold(&self, found: &mut Vec<Finding>) {
        let shelves = self.table::<SecretShelf>();
        for (id, secret) in self.table::<Secret>().iter() {
            let shelf = shelves.get(&secret.owner).and_then(|shelf| shelf.owned.get(id));
            if secret.is_kept() && shelf != Some(&secret.label) {
                say(found, "I9", format!("\"{}\" does not know its secret {id}", secret.owner));
            }
            if secret.life.is_alive() && secret.revisions.is_empty() {
                say(found, "I9", format!("secret {id} holds nothing"));
            }
            if secret.newest().is_some_and(|newest| newest > secret.last) {
                say(found, "I9", format!("secret {id} has a revision after its last"));
            }
            for (number, revision) in &secret.revisions {
                let part = |part| Pair(id.clone(), PartNumber { revision: *number, part });
                let parts = self.table::<SecretPart>();
                if (0..revision.parts).any(|n| parts.get(&part(n)).is_none()) {
                    say(found, "I9", format!("secret {id} lacks a part of revision {number}"));
                }
            }
        }
        for (Pair(id, number), _) in self.table::<SecretPart>().iter() {
            let kept = self.secret(id).and_then(|secret| secret.revisions.get(&number.revision));
            if kept.is_none_or(|revision| number.part >= revision.parts) {
                say(found, "I9", format!("part {number} of secret {id}, which is not"));
            }
        }
        for (Pair(id, unit), _) in self.table::<SecretTrack>().iter() {
            let shelf = shelves.get(&SecretOwner::Unit(unit.clone()));
            if self.secret(id).is_none() || self.unit(unit).is_none() {
                say(found, "I9", format!("{unit} reads secret {id}, and one of them is not"));
            }
            if shelf.is_none_or(|shelf| !shelf.read.contains_key(id)) {
                say(found, "I9", format!("{unit} does not know that it reads secret {id}"));
            }
        }
        self.shelves_hold(found);
    }

    fn shelves_hold(&self, found: &mut Vec<Finding>) {
        for (holder, shelf) in self.table::<SecretShelf>().iter() {
            let there = match holder {
                SecretOwner::Model => true,
                SecretOwner::Application(name) => self.application(name).is_some(),
                SecretOwner::Unit(name) => self.unit(name).is_some(),
            };
            if !there {
                say(found, "I2", format!("secrets of \"{holder}\", which is not"));
            }
            for id in shelf.owned.keys() {
                if self.secret(id).is_none_or(|secret| secret.owner != *holder) {
                    say(
                        found,
                        "I9",
                        format!("\"{holder}\" lists secret {id}, which is not its own"),
                    );
                }
            }
            let SecretOwner::Unit(unit) = holder else { continue };
            for id in shelf.read.keys() {
                if self.table::<SecretTrack>().get(&Pair(id.clone(), unit.clone())).is_none() {
                    say(found, "I9", format!("{unit} lists secret {id}, which it does not read"));
                }
            }
        }
    }
}
