//! In which order the hooks of one unit may be committed (hook contract, section 4.4).

use std::collections::{BTreeMap, BTreeSet};

use muster_model::Hook;
use muster_model::hook::{RelationHook, RelationHookKind, StorageHookKind};
use muster_model::name::{RelationId, StorageId, UnitName};
use muster_model::report::StepReport;

/// What one unit committed so far.
#[derive(Debug, Default)]
pub(crate) struct Order {
    committed: Vec<Hook>,
    relations: BTreeMap<RelationId, Seen>,
    attached: BTreeSet<StorageId>,
    removed: bool,
    gone: bool,
    /// How many were told.
    asked: usize,
}

#[derive(Debug, Default)]
struct Seen {
    created: bool,
    broken: bool,
    peer: bool,
    members: BTreeSet<UnitName>,
    /// Who has joined; its `-changed` is next.
    joined: Option<UnitName>,
}

type Rule = &'static str;

impl Order {
    /// What was committed, for the report of what went wrong.
    pub(crate) fn told(&self) -> Vec<String> {
        self.committed.iter().map(told).collect()
    }

    /// What was committed since this was last asked.
    pub(crate) fn told_since(&mut self) -> Vec<String> {
        let told = self.committed.iter().skip(self.asked).map(told).collect();
        self.asked = self.committed.len();
        told
    }

    /// The next report of the unit that is taken; the rule that it breaks, if it breaks one.
    /// `gone` says whether a relation is no more, then it cannot break; `peer`, whether it is one of
    /// peers.
    pub(crate) fn follow(
        &mut self,
        step: &StepReport,
        forced: bool,
        gone: impl Fn(RelationId) -> bool,
        peer: impl Fn(RelationId) -> bool,
    ) -> Result<(), Rule> {
        if self.gone {
            return Err("nothing comes after a unit has left");
        }
        match step {
            StepReport::Committed { hook, .. } => {
                self.commit(hook, gone, peer)?;
                self.committed.push(hook.clone());
                Ok(())
            }
            StepReport::Gone => {
                self.gone = true;
                let installed = self.has(&Hook::Install);
                if installed && !self.removed && !forced {
                    return Err("an installed unit runs `remove` before it leaves");
                }
                Ok(())
            }
            StepReport::Deployed { .. }
            | StepReport::NotDeployed { .. }
            | StepReport::Failed { .. }
            | StepReport::Task { .. }
            | StepReport::Outside { .. } => Ok(()),
        }
    }

    fn has(&self, hook: &Hook) -> bool {
        self.committed.contains(hook)
    }

    fn commit(
        &mut self,
        hook: &Hook,
        gone: impl Fn(RelationId) -> bool,
        peer: impl Fn(RelationId) -> bool,
    ) -> Result<(), Rule> {
        let last = self.committed.last();
        if self.removed {
            return Err("`remove` is the last hook");
        }
        if last == Some(&Hook::UpgradeCharm) && *hook != Hook::ConfigChanged {
            return Err("`config-changed` comes right after `upgrade-charm`");
        }
        if !self.has(&Hook::Install) && !matches!(hook, Hook::Install | Hook::Storage(_)) {
            return Err("`install` is first, but for storage");
        }
        match hook {
            Hook::Install if self.has(hook) => Err("`install` runs once"),
            Hook::ConfigChanged => {
                let told = self.has(&Hook::LeaderElected) || self.has(&Hook::LeaderSettingsChanged);
                if told || last == Some(&Hook::UpgradeCharm) {
                    Ok(())
                } else {
                    Err("a leader hook comes before the first `config-changed`")
                }
            }
            Hook::Start if !self.has(&Hook::Start) && last != Some(&Hook::ConfigChanged) => {
                Err("`config-changed` comes right before the first `start`")
            }
            Hook::Stop => {
                let left = self
                    .relations
                    .iter()
                    .find(|(id, seen)| seen.created && !seen.broken && !seen.peer && !gone(**id));
                if left.is_some() { Err("`-broken` comes before `stop`") } else { Ok(()) }
            }
            Hook::Remove => {
                self.removed = true;
                let stopped = !self.has(&Hook::Start) || self.has(&Hook::Stop);
                if stopped { Ok(()) } else { Err("`stop` comes before `remove`") }
            }
            Hook::Relation(hook) => self.relation(hook, peer(hook.relation)),
            Hook::Storage(hook) => match hook.kind {
                StorageHookKind::Attached => {
                    let new = self.attached.insert(hook.storage.clone());
                    if new { Ok(()) } else { Err("storage is attached once") }
                }
                StorageHookKind::Detaching => {
                    let there = self.attached.remove(&hook.storage);
                    if there { Ok(()) } else { Err("only attached storage is detached") }
                }
            },
            _ => Ok(()),
        }
    }

    fn relation(&mut self, hook: &RelationHook, peer: bool) -> Result<(), Rule> {
        let started = self.has(&Hook::Start);
        let seen = self.relations.entry(hook.relation).or_default();
        seen.peer |= peer;
        if seen.broken {
            return Err("nothing comes after `-broken`");
        }
        if let Some(joined) = seen.joined.take()
            && (hook.kind != RelationHookKind::Changed
                || hook.remote_unit.as_ref() != Some(&joined))
        {
            return Err("`-changed` comes right after `-joined`");
        }
        match (hook.kind, &hook.remote_unit) {
            (RelationHookKind::Created, _) => {
                if seen.created {
                    return Err("`-created` comes once");
                }
                seen.created = true;
            }
            (RelationHookKind::Broken, _) => {
                // A relation that ends before it was created is passed over with this alone.
                if !seen.members.is_empty() {
                    return Err("every `-departed` comes before `-broken`");
                }
                if seen.peer {
                    return Err("a peer relation never breaks");
                }
                seen.broken = true;
            }
            _ if !seen.created => return Err("`-created` comes before the others"),
            (RelationHookKind::Joined, Some(unit)) => {
                if !started {
                    return Err("nothing joins before `start`");
                }
                if !seen.members.insert(unit.clone()) {
                    return Err("a member joins once");
                }
                seen.joined = Some(unit.clone());
            }
            (RelationHookKind::Changed, Some(unit)) if !seen.members.contains(unit) => {
                return Err("only a member changes");
            }
            (RelationHookKind::Changed, _) if !started => {
                return Err("nothing changes before `start`");
            }
            (RelationHookKind::Departed, Some(unit)) => {
                if !seen.members.remove(unit) {
                    return Err("only a member departs");
                }
            }
            (RelationHookKind::Joined | RelationHookKind::Departed, None) => {
                return Err("somebody joins and somebody departs");
            }
            (RelationHookKind::Changed, _) => {}
        }
        Ok(())
    }
}

fn told(hook: &Hook) -> String {
    match hook {
        Hook::Relation(about) => match &about.remote_unit {
            Some(unit) => format!("{hook}[{}] {unit}", about.relation),
            None => format!("{hook}[{}]", about.relation),
        },
        Hook::Storage(about) => format!("{hook} {}", about.storage),
        Hook::Secret(about) => format!("{hook} {}", about.subject()),
        _ => hook.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hooks: &[Hook]) -> Result<(), Rule> {
        let mut order = Order::default();
        for hook in hooks {
            let step = StepReport::Committed { hook: hook.clone(), effects: Default::default() };
            order.follow(&step, false, |_| false, |_| false)?;
        }
        Ok(())
    }

    #[test]
    fn the_usual_order_is_fine() {
        use Hook::{ConfigChanged, Install, LeaderElected, Remove, Start, Stop};
        check(&[Install, LeaderElected, ConfigChanged, Start, Stop, Remove]).unwrap();
    }

    #[test]
    fn what_is_out_of_order_is_seen() {
        use Hook::{
            ConfigChanged, Install, LeaderElected, Remove, Start, Stop, UpdateStatus, UpgradeCharm,
        };
        let all: &[&[Hook]] = &[
            &[ConfigChanged],
            &[Install, Install],
            &[Install, ConfigChanged],
            &[Install, LeaderElected, Start],
            &[Install, LeaderElected, ConfigChanged, Start, UpgradeCharm, UpdateStatus],
            &[Install, LeaderElected, ConfigChanged, Start, Remove],
            &[Install, Remove, Stop],
        ];
        for hooks in all {
            check(hooks).unwrap_err();
        }
    }
}
