//! What is kept: one record for each noun, under one key.
//!
//! The list at the end of this file is the only one: the [`Key`] and [`Record`] enums, the tables
//! of [`Estate`](crate::Estate) and [`Model`](crate::Model) and the store's paths are made from it.
//! The same types are kept, sent and decided upon; each has a golden file in the tests. Fields may
//! be added with a default; none is ever given another meaning.
//!
//! Which facts share a record is decided by *who must look again when it changes*
//! ([`touches`](crate::touches)): counts and progress stand apart from what agents read.

mod application;
mod base;
mod charm;
mod cloud;
mod controller;
mod keys;
mod machine;
mod model;
mod relation;
mod resource;
mod secret;
mod ssh_keys;
mod storage;
mod task;
mod unit;
mod user;

use std::fmt;
use std::str::FromStr;

pub use application::{
    Application, ApplicationStatus, Exposure, LeaderSettings, Leadership, PendingUnit, Scale,
};
pub use base::{Bases, OfferedBase};
pub use charm::CharmRecord;
pub use cloud::{Cloud, CloudCredentials};
pub use controller::{Controller, Presence, Request};
pub use keys::{Only, Pair, RequestId, TokenHash};
pub use machine::{
    Address, Hardware, InstanceRecord, Limit, Machine, MachineFacts, Occupancy, Placement,
};
pub use model::{Counters, ModelIndex, ModelInfo};
pub use relation::{Databag, Membership, Relation, RelationEnd};
pub use resource::Resource;
pub use secret::{
    Ciphertext, PART, PartNumber, RotatePolicy, Sealed, Secret, SecretOwner, SecretPart,
    SecretRevision, SecretScope, SecretShelf, SecretTrack,
};
pub use ssh_keys::SshKeys;
pub use storage::{Attachment, Provider, Storage, StorageFacts, StoragePool};
pub use task::{Operation, Task, TaskKind, TaskLog, TaskQueue, TaskResult, TaskTarget};
pub use unit::{Resolve, Unit, UnitFailure, UnitProgress, UnitState};
pub use user::{ControllerAccess, ModelAccess, Subject, Token, User};

use muster_charms::secret::SecretId;

use crate::name::{
    ApplicationName, BadName, CharmUrl, CloudName, MachineId, Member, ModelId, ModelName,
    OperationId, PoolName, RelationId, ResourceName, StorageId, TaskId, UnitName, UserName,
};

/// A record of the estate.
pub trait EstateRecord: Clone + Into<Record> {
    /// What it is found by.
    type Name: Clone + Ord;

    /// The name of this record.
    fn name(&self) -> Self::Name;

    /// The key of the record of this name.
    fn key(name: Self::Name) -> Key;

    /// The record, if it is one of this kind.
    fn of(record: &Record) -> Option<&Self>;

    /// Where the estate keeps these.
    fn table(estate: &crate::Estate) -> &crate::table::Table<Self::Name, Self>;
}

/// A record of one model.
pub trait ModelRecord: Clone + Into<Record> {
    /// What it is found by.
    type Name: Clone + Ord;

    /// The name of this record.
    fn name(&self) -> Self::Name;

    /// The key of the record of this name in `model`.
    fn key(model: ModelId, name: Self::Name) -> Key;

    /// The record, if it is one of this kind.
    fn of(record: &Record) -> Option<&Self>;

    /// Where a model keeps these.
    fn table(model: &crate::Model) -> &crate::table::Table<Self::Name, Self>;
}

macro_rules! records {
    (
        estate { $($ekind:ident, $efield:ident, $ekey:ty, $epath:literal, $ename:expr;)* }
        model { $($kind:ident, $field:ident, $key:ty, $path:literal, $name:expr;)* }
    ) => {
        /// Where a record stands. The order keeps each model's records together.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each variant is the key of the record of that name")]
        pub enum Key {
            $($ekind($ekey),)*
            $($kind(ModelId, $key),)*
        }

        impl Key {
            /// The model that the record belongs to; none for those of the estate.
            #[must_use]
            pub fn model(&self) -> Option<ModelId> {
                match self {
                    $(Key::$ekind(_) => None,)*
                    $(Key::$kind(model, _) => Some(*model),)*
                }
            }
        }

        /// `MODEL/kind/name`, with `-` in place of a model for the estate's own.
        impl fmt::Display for Key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Key::$ekind(name) => write!(f, concat!("-/", $epath, "/{}"), name),)*
                    $(Key::$kind(model, name) => write!(f, concat!("{}/", $path, "/{}"), model, name),)*
                }
            }
        }

        impl FromStr for Key {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let mut parts = text.splitn(3, '/');
                let (Some(model), Some(kind), Some(name)) =
                    (parts.next(), parts.next(), parts.next())
                else {
                    return Err(BadName::new("key", text, "it does not have three parts"));
                };
                if model == "-" {
                    return match kind {
                        $($epath => Ok(Key::$ekind(name.parse()?)),)*
                        _ => Err(BadName::new("key", text, "no kind of record has this name")),
                    };
                }
                let model = model.parse()?;
                match kind {
                    $($path => Ok(Key::$kind(model, name.parse()?)),)*
                    _ => Err(BadName::new("key", text, "no kind of record has this name")),
                }
            }
        }

        /// Any record.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(missing_docs, reason = "each variant is the record of that name")]
        pub enum Record {
            $($ekind($ekind),)*
            $($kind($kind),)*
        }

        impl Record {
            /// The record as JSON, as it is kept.
            ///
            /// # Errors
            /// If a value cannot be written as JSON, which no record's type allows.
            pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
                match self {
                    $(Record::$ekind(record) => serde_json::to_vec(record),)*
                    $(Record::$kind(record) => serde_json::to_vec(record),)*
                }
            }

            /// Reads the record that stands at `key` back from its JSON.
            ///
            /// # Errors
            /// If the bytes are not that record's JSON.
            pub fn decode(key: &Key, bytes: &[u8]) -> Result<Record, serde_json::Error> {
                match key {
                    $(Key::$ekind(_) => serde_json::from_slice(bytes).map(Record::$ekind),)*
                    $(Key::$kind(..) => serde_json::from_slice(bytes).map(Record::$kind),)*
                }
            }
        }

        $(
            impl From<$ekind> for Record {
                fn from(record: $ekind) -> Record {
                    Record::$ekind(record)
                }
            }

            impl EstateRecord for $ekind {
                type Name = $ekey;

                fn name(&self) -> $ekey {
                    let name: fn(&$ekind) -> $ekey = $ename;
                    name(self)
                }

                fn key(name: $ekey) -> Key {
                    Key::$ekind(name)
                }

                fn of(record: &Record) -> Option<&Self> {
                    if let Record::$ekind(record) = record { Some(record) } else { None }
                }

                fn table(estate: &crate::Estate) -> &crate::table::Table<$ekey, Self> {
                    &estate.tables.$efield
                }
            }
        )*

        $(
            impl From<$kind> for Record {
                fn from(record: $kind) -> Record {
                    Record::$kind(record)
                }
            }

            impl ModelRecord for $kind {
                type Name = $key;

                fn name(&self) -> $key {
                    let name: fn(&$kind) -> $key = $name;
                    name(self)
                }

                fn key(model: ModelId, name: $key) -> Key {
                    Key::$kind(model, name)
                }

                fn of(record: &Record) -> Option<&Self> {
                    if let Record::$kind(record) = record { Some(record) } else { None }
                }

                fn table(model: &crate::Model) -> &crate::table::Table<$key, Self> {
                    &model.tables.$field
                }
            }
        )*

        /// The estate's own tables.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct EstateTables {
            $(pub(crate) $efield: crate::table::Table<$ekey, $ekind>,)*
        }

        /// One model's tables.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct ModelTables {
            $(pub(crate) $field: crate::table::Table<$key, $kind>,)*
        }

        impl EstateTables {
            /// Puts or removes the record at `key`, which is one of the estate's.
            pub(crate) fn set(&mut self, key: &Key, record: Option<&Record>, revision: crate::Revision) {
                match key {
                    $(Key::$ekind(name) => {
                        let value = record.and_then(<$ekind as EstateRecord>::of).cloned();
                        self.$efield.set(name.clone(), value, revision);
                    })*
                    $(Key::$kind(..) => {})*
                }
            }

            /// The record at `key` and the revision that wrote it.
            pub(crate) fn get(&self, key: &Key) -> Option<(crate::Revision, Record)> {
                match key {
                    $(Key::$ekind(name) => self
                        .$efield
                        .entry(name)
                        .map(|entry| (entry.revision, Record::$ekind((*entry.value).clone()))),)*
                    $(Key::$kind(..) => None,)*
                }
            }

            /// The revision that wrote the record at `key`.
            pub(crate) fn revision(&self, key: &Key) -> Option<crate::Revision> {
                match key {
                    $(Key::$ekind(name) => self.$efield.entry(name).map(|entry| entry.revision),)*
                    $(Key::$kind(..) => None,)*
                }
            }

            /// Every record, in order.
            pub(crate) fn for_each(&self, mut see: impl FnMut(Key, crate::Revision, Record)) {
                $(for (name, entry) in self.$efield.entries() {
                    see(Key::$ekind(name.clone()), entry.revision, Record::$ekind((*entry.value).clone()));
                })*
            }
        }

        impl ModelTables {
            /// Puts or removes the record at `key`, which is one of this model's.
            pub(crate) fn set(&mut self, key: &Key, record: Option<&Record>, revision: crate::Revision) {
                match key {
                    $(Key::$ekind(_) => {})*
                    $(Key::$kind(_, name) => {
                        let value = record.and_then(<$kind as ModelRecord>::of).cloned();
                        self.$field.set(name.clone(), value, revision);
                    })*
                }
            }

            /// The record at `key` and the revision that wrote it.
            pub(crate) fn get(&self, key: &Key) -> Option<(crate::Revision, Record)> {
                match key {
                    $(Key::$ekind(_) => None,)*
                    $(Key::$kind(_, name) => self
                        .$field
                        .entry(name)
                        .map(|entry| (entry.revision, Record::$kind((*entry.value).clone()))),)*
                }
            }

            /// The revision that wrote the record at `key`.
            pub(crate) fn revision(&self, key: &Key) -> Option<crate::Revision> {
                match key {
                    $(Key::$ekind(_) => None,)*
                    $(Key::$kind(_, name) => self.$field.entry(name).map(|entry| entry.revision),)*
                }
            }

            /// Every record, in order.
            pub(crate) fn for_each(&self, model: ModelId, mut see: impl FnMut(Key, crate::Revision, Record)) {
                $(for (name, entry) in self.$field.entries() {
                    see(Key::$kind(model, name.clone()), entry.revision, Record::$kind((*entry.value).clone()));
                })*
            }

            /// Whether no record is left.
            pub(crate) fn is_empty(&self) -> bool {
                true $(&& self.$field.is_empty())*
            }
        }
    };
}

records! {
    estate {
        Controller, controller, Only, "controller", |_| Only;
        User, users, UserName, "user", |r| r.name.clone();
        Token, tokens, TokenHash, "token", |r| r.hash;
        ModelIndex, model_names, Pair<UserName, ModelName>, "model-name",
            |r| Pair(r.owner.clone(), r.name.clone());
        Cloud, clouds, CloudName, "cloud", |r| r.name.clone();
        CloudCredentials, cloud_credentials, Pair<UserName, CloudName>, "credential",
            |r| Pair(r.owner.clone(), r.cloud.clone());
        Presence, presence, RequestId, "presence", |r| r.controller.clone();
        Request, requests, RequestId, "request", |r| r.id.clone();
        Bases, bases, Only, "bases", |_| Only;
    }
    model {
        ModelInfo, info, Only, "info", |_| Only;
        Counters, counters, Only, "counters", |_| Only;
        Application, applications, ApplicationName, "application", |r| r.name.clone();
        Scale, scales, ApplicationName, "scale", |r| r.application.clone();
        Leadership, leaderships, ApplicationName, "leadership", |r| r.application.clone();
        LeaderSettings, leader_settings, ApplicationName, "leader-settings",
            |r| r.application.clone();
        ApplicationStatus, application_statuses, ApplicationName, "application-status",
            |r| r.application.clone();
        Unit, units, UnitName, "unit", |r| r.name.clone();
        UnitProgress, unit_progress, UnitName, "unit-progress", |r| r.unit.clone();
        UnitState, unit_states, UnitName, "unit-state", |r| r.unit.clone();
        Machine, machines, MachineId, "machine", |r| r.id;
        Occupancy, occupancies, MachineId, "occupancy", |r| r.machine;
        MachineFacts, machine_facts, MachineId, "machine-facts", |r| r.machine;
        InstanceRecord, instances, MachineId, "instance", |r| r.machine;
        Relation, relations, RelationId, "relation", |r| r.id;
        Membership, memberships, RelationId, "membership", |r| r.relation;
        Databag, databags, Pair<RelationId, Member>, "databag",
            |r| Pair(r.relation, r.member.clone());
        CharmRecord, charms, CharmUrl, "charm", |r| r.url.clone();
        Resource, resources, Pair<ApplicationName, ResourceName>, "resource",
            |r| Pair(r.application.clone(), r.name.clone());
        Secret, secrets, SecretId, "secret", |r| r.id.clone();
        SecretPart, secret_parts, Pair<SecretId, PartNumber>, "secret-part",
            |r| Pair(r.secret.clone(), r.number);
        SecretTrack, secret_tracks, Pair<SecretId, UnitName>, "secret-track",
            |r| Pair(r.secret.clone(), r.unit.clone());
        SecretShelf, secret_shelves, SecretOwner, "secret-shelf", |r| r.holder.clone();
        SshKeys, ssh_keys, Only, "ssh-keys", |_| Only;
        StoragePool, storage_pools, PoolName, "storage-pool", |r| r.name.clone();
        Storage, storages, StorageId, "storage", |r| r.id.clone();
        StorageFacts, storage_facts, StorageId, "storage-facts", |r| r.storage.clone();
        Operation, operations, OperationId, "operation", |r| r.id;
        Task, tasks, TaskId, "task", |r| r.id;
        TaskResult, task_results, TaskId, "task-result", |r| r.task;
        TaskLog, task_logs, TaskId, "task-log", |r| r.task;
        TaskQueue, task_queues, TaskTarget, "task-queue", |r| r.target.clone();
    }
}
