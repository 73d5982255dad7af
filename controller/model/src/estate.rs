//! Every model and what is above them, as of one revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Model;
use crate::name::{MachineId, ModelId, ModelName, UserName};
use crate::record::{
    Controller, EstateRecord, EstateTables, Key, ModelIndex, ModelInfo, Only, Pair, Record,
    Subject, Token, TokenHash, User,
};
use crate::table::Table;
use crate::touches::{Touched, touches};
use crate::version::Revision;

/// What one committed Txn changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The Txn's revision.
    pub revision: Revision,
    /// Each key that it wrote, with the record, or none where it was removed.
    pub changes: Vec<(Key, Option<Record>)>,
}

/// Every model and what is above them. A plain value; clones share what they have in common.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    revision: Revision,
    pub(crate) tables: EstateTables,
    models: BTreeMap<ModelId, Arc<Model>>,
}

impl Estate {
    /// The revision of the last Txn that it holds.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// A model by its id.
    #[must_use]
    pub fn model(&self, id: ModelId) -> Option<&Model> {
        self.models.get(&id).map(Arc::as_ref)
    }

    /// A model by its id, shared.
    #[must_use]
    pub fn shared_model(&self, id: ModelId) -> Option<&Arc<Model>> {
        self.models.get(&id)
    }

    /// Every model, in the order of ids.
    pub fn models(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.models.values()
    }

    /// A model by its owner and short name.
    #[must_use]
    pub fn model_named(&self, owner: &UserName, name: &ModelName) -> Option<&Model> {
        let index = self.table::<ModelIndex>().get(&Pair(owner.clone(), name.clone()))?;
        self.model(index.model)
    }

    /// The records of one kind.
    #[must_use]
    pub fn table<R: EstateRecord>(&self) -> &Table<R::Name, R> {
        R::table(self)
    }

    /// The installation; none before bootstrap.
    #[must_use]
    pub fn controller(&self) -> Option<&Controller> {
        self.table::<Controller>().get(&Only).map(Arc::as_ref)
    }

    /// A user by name.
    #[must_use]
    pub fn user(&self, name: &UserName) -> Option<&User> {
        self.table::<User>().get(name).map(Arc::as_ref)
    }

    /// As whom the bearer of the token with this hash speaks. Its expiry is the caller's to check.
    #[must_use]
    pub fn token(&self, hash: TokenHash) -> Option<&Token> {
        self.table::<Token>().get(&hash).map(Arc::as_ref)
    }

    /// The tokens that speak for a machine.
    pub fn machine_tokens(&self, of: ModelId, id: MachineId) -> impl Iterator<Item = &Arc<Token>> {
        self.table::<Token>().values().filter(move |token| match &token.subject {
            Subject::Machine { model, machine } | Subject::Join { model, machine } => {
                *model == of && *machine == id
            }
            Subject::User(_) => false,
        })
    }

    /// The record at `key`, with the revision that wrote it.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<(Revision, Record)> {
        match key.model() {
            None => self.tables.get(key),
            Some(model) => self.models.get(&model)?.tables.get(key),
        }
    }

    /// The revision that wrote the record at `key`; none if there is no such record.
    #[must_use]
    pub fn revision_of(&self, key: &Key) -> Option<Revision> {
        match key.model() {
            None => self.tables.revision(key),
            Some(model) => self.models.get(&model)?.tables.revision(key),
        }
    }

    /// Every record with its key and revision.
    pub fn for_each(&self, mut see: impl FnMut(Key, Revision, Record)) {
        self.tables.for_each(&mut see);
        for model in self.models.values() {
            model.tables.for_each(model.id(), &mut see);
        }
    }

    /// Takes in what a Txn changed and answers who must look again.
    ///
    /// Batches come in the order of revisions; one that is not newer than the estate is ignored, so
    /// that a feed may repeat itself.
    pub fn apply(&mut self, batch: &Batch) -> Touched {
        if batch.revision <= self.revision {
            return Touched::default();
        }
        let before = self.clone();
        self.put(batch.revision, &batch.changes);
        let touched = touches(batch, &before, self);
        for (id, units) in &touched.units {
            if let Some(model) = self.models.get_mut(id) {
                Arc::make_mut(model).touch(units, batch.revision);
            }
        }
        for (id, machines) in &touched.machines {
            if let Some(model) = self.models.get_mut(id) {
                Arc::make_mut(model).touch_machines(machines, batch.revision);
            }
        }
        touched
    }

    /// Takes in one record as it was loaded from the store, with the revision that wrote it.
    ///
    /// Loading ends with [`Estate::loaded`].
    pub fn load(&mut self, key: &Key, revision: Revision, record: &Record) {
        self.put(revision, std::slice::from_ref(&(key.clone(), Some(record.clone()))));
    }

    /// Ends loading: the estate is as of `revision`, and every unit counts as touched then, since
    /// what touched it last may have been the removal of a record.
    pub fn loaded(&mut self, revision: Revision) {
        self.revision = revision;
        for model in self.models.values_mut() {
            Arc::make_mut(model).touch_all(revision);
        }
    }

    fn put(&mut self, revision: Revision, changes: &[(Key, Option<Record>)]) {
        self.revision = self.revision.max(revision);
        for (key, record) in changes {
            let Some(id) = key.model() else {
                self.tables.set(key, record.as_ref(), revision);
                continue;
            };
            let model = self.models.entry(id).or_insert_with(|| Arc::new(Model::new(id)));
            let model = Arc::make_mut(model);
            model.tables.set(key, record.as_ref(), revision);
            model.revision = model.revision.max(revision);
        }
        for (key, record) in changes {
            let (Key::ModelInfo(id, _), None) = (key, record) else { continue };
            if self.models.get(id).is_some_and(|model| model.tables.is_empty()) {
                self.models.remove(id);
            }
        }
    }

    /// What a model is called, with its owner: `admin/prod`.
    #[must_use]
    pub fn full_name(info: &ModelInfo) -> String {
        format!("{}/{}", info.owner, info.name)
    }
}
