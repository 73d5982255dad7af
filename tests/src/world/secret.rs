//! Secrets in a world without a vault: what is sealed is only marked as such.

use muster_model::effects::SecretChange;
use muster_model::name::{Member, ModelId, RelationId, UnitName};
use muster_model::record::{Ciphertext, Sealed, Secret, SecretOwner};
use muster_model::report::{NowReport, Report, ReportBody, SecretFound, SecretHow, SecretWant};
use muster_model::secret::SecretId;
use muster_model::{Caller, Refusal};

use super::{Broken, World};

impl World {
    /// A content for the next revision of a secret.
    #[must_use]
    pub fn sealed(&self, model: ModelId, id: &SecretId, text: &str) -> Sealed {
        let known = self.estate.model(model).and_then(|model| model.secret(id));
        let revision = known.map_or(0, |secret| secret.last) + 1;
        let checksum = crate::fixture::digest(&format!("{id} {text}"));
        Sealed { revision, checksum, bytes: Ciphertext(text.as_bytes().to_vec()) }
    }

    /// A unit reads a secret, as `secret-get` has it read.
    ///
    /// # Errors
    /// If an invariant breaks.
    pub fn read_secret(
        &mut self,
        model: ModelId,
        unit: &UnitName,
        want: SecretWant,
    ) -> Result<Result<SecretFound, Refusal>, Broken> {
        let record = self.estate.model(model).and_then(|model| model.unit(unit));
        let Some(machine) = record.map(|unit| unit.machine) else {
            return Ok(Err(Refusal::not_found("unit", unit)));
        };
        let caller = Caller::Machine { model, machine };
        let now = NowReport::Secret(want);
        let report = Report { model, body: ReportBody::Now { unit: unit.clone(), now } };
        let receipt = match self.take(&caller, &report)? {
            Ok(receipt) => receipt,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match receipt.secret {
            Some(found) => Ok(Ok(found)),
            None => Err(Broken("a secret was read and nothing found".to_owned())),
        }
    }

    /// An id by chance.
    pub fn secret_id(&mut self) -> SecretId {
        let high = u128::from(self.random.number());
        SecretId::from_random(high << 64 | u128::from(self.random.number()))
    }

    /// What a hook does to secrets by chance: makes one, or changes one that its unit may change.
    pub(crate) fn secret_effects(
        &mut self,
        model: ModelId,
        unit: &UnitName,
        leads: bool,
        about: Option<RelationId>,
    ) -> Option<(SecretId, SecretChange)> {
        let state = self.estate.model(model)?.clone();
        let mine = |secret: &Secret| leads || secret.owner == SecretOwner::Unit(unit.clone());
        let owned = state.owned_secrets(unit).secrets.into_values();
        let owned: Vec<Secret> = owned.filter(|secret| mine(secret)).collect();
        let mut change = SecretChange::default();
        let text = self.random.below(4).to_string();
        let chosen = self.random.choose(&owned).cloned();
        let Some(secret) = chosen.filter(|_| owned.len() >= 3 || self.random.happens(700)) else {
            let id = self.secret_id();
            let application = SecretOwner::Application(unit.application.clone());
            let own = SecretOwner::Unit(unit.clone());
            change.add = Some(if leads && self.random.happens(500) { application } else { own });
            change.content = Some(self.sealed(model, &id, &text));
            return Some((id, change));
        };
        match self.random.below(6) {
            0 => change.label = Some(text),
            1 => change.remove = self.random.happens(400),
            2 => {
                let old = secret.revisions.keys().next().copied();
                change.remove_revisions.extend(old);
            }
            3 | 4 => change.content = Some(self.sealed(model, &secret.id, &text)),
            _ => {
                let relation = about.and_then(|id| state.relation(id));
                let other = relation.and_then(|r| r.other_end(&unit.application))?;
                let to = Member::Application(other.application.clone());
                change.grants.insert(to, about.filter(|_| self.random.happens(700)));
            }
        }
        Some((secret.id, change))
    }

    /// What a hook reads by chance: any secret of its model, which it may read or not.
    pub(crate) fn secret_want(&mut self, model: ModelId) -> Option<SecretWant> {
        let state = self.estate.model(model)?;
        let ids: Vec<SecretId> = state.table::<Secret>().iter().map(|(id, _)| id.clone()).collect();
        let id = self.random.choose(&ids).cloned();
        let how = match self.random.below(3) {
            0 => SecretHow::Tracked,
            1 => SecretHow::Refresh,
            _ => SecretHow::Peek,
        };
        let label = self.random.happens(200).then(|| self.random.below(3).to_string());
        Some(SecretWant { id: Some(id?), label, how })
    }
}
