//! The shapes of storage, made from the model's view.

use std::collections::BTreeMap;

use muster_charms::StorageKind;
use muster_model::record::Provider;
use muster_model::status::StorageState;
use muster_model::view::{ModelView, StorageView};
use serde_json::Value;

use super::{
    Device, Filesystem, FilesystemAttachments, Mount, Pool, Pools, Storage, StorageList,
    UnitAttachment, UnitAttachments, Volume, VolumeAttachments,
};
use crate::clock::Zone;
use crate::shape::status::{Info, fading, info};

impl StorageList {
    /// The storage of a model, when the view holds it.
    #[must_use]
    pub fn of(view: &ModelView, zone: &Zone) -> StorageList {
        let mut list = StorageList::default();
        for (id, one) in &view.storage {
            let id = id.to_string();
            list.storage.insert(id.clone(), storage(one, zone));
            // What an instance stands on has no life of its own, so it goes by the same number.
            let number = one.storage.id.number;
            let own = match one.storage.machine {
                Some(machine) => format!("{machine}/{number}"),
                None => number.to_string(),
            };
            match one.storage.kind {
                StorageKind::Filesystem => {
                    list.filesystems.insert(own, filesystem(one, &id, zone)).map(|_| ())
                }
                StorageKind::Block => list.volumes.insert(own, volume(one, &id, zone)).map(|_| ()),
            };
        }
        list
    }
}

fn status(one: &StorageView, zone: &Zone) -> Info {
    match &one.facts {
        Some(facts) => info(&facts.status, zone),
        None => Info {
            current: StorageState::Pending.to_string(),
            since: Some(zone.status(one.storage.created)),
            ..Info::default()
        },
    }
}

fn location(one: &StorageView) -> Option<String> {
    let made = one.facts.as_ref().map(|facts| facts.location.clone());
    made.or_else(|| one.storage.attachment.as_ref().map(|a| a.location.clone()))
        .filter(|path| !path.is_empty())
}

fn units(one: &StorageView) -> BTreeMap<String, UnitAttachment> {
    let attached = one.storage.attachment.iter();
    attached
        .map(|attachment| {
            let unit = UnitAttachment {
                machine: one.storage.machine.map(|machine| machine.to_string()),
                location: location(one),
                life: fading(attachment.life),
            };
            (attachment.unit.to_string(), unit)
        })
        .collect()
}

fn storage(one: &StorageView, zone: &Zone) -> Storage {
    let kind = match one.storage.kind {
        StorageKind::Filesystem => "filesystem",
        StorageKind::Block => "block",
    };
    let units = units(one);
    Storage {
        kind: kind.to_owned(),
        life: fading(one.storage.life),
        status: status(one, zone),
        persistent: one.storage.provider == Provider::Loop,
        attachments: (!units.is_empty()).then_some(UnitAttachments { units }),
    }
}

fn provider_id(one: &StorageView) -> Option<String> {
    one.facts.as_ref().map(|facts| facts.provider_id.clone()).filter(|id| !id.is_empty())
}

fn filesystem(one: &StorageView, id: &str, zone: &Zone) -> Filesystem {
    let units = units(one);
    let mount = one.storage.machine.zip(location(one)).map(|(machine, mount_point)| {
        let mount = Mount { mount_point, read_only: one.storage.read_only, life: None };
        (machine.to_string(), mount)
    });
    let attached = !units.is_empty();
    Filesystem {
        provider_id: provider_id(one),
        volume: None,
        storage: Some(id.to_owned()),
        pool: Some(one.storage.pool.to_string()),
        size: one.storage.size_mib,
        life: fading(one.storage.life),
        status: status(one, zone),
        attachments: attached
            .then(|| FilesystemAttachments { machines: mount.into_iter().collect(), units }),
    }
}

fn volume(one: &StorageView, id: &str, zone: &Zone) -> Volume {
    let units = units(one);
    let device = one.storage.machine.map(|machine| {
        let device = Device {
            read_only: one.storage.read_only,
            device: location(one).map(|path| path.trim_start_matches("/dev/").to_owned()),
            life: None,
        };
        (machine.to_string(), device)
    });
    let attached = !units.is_empty();
    Volume {
        provider_id: provider_id(one),
        storage: Some(id.to_owned()),
        pool: Some(one.storage.pool.to_string()),
        size: one.storage.size_mib,
        persistent: true,
        life: fading(one.storage.life),
        status: status(one, zone),
        attachments: attached
            .then(|| VolumeAttachments { machines: device.into_iter().collect(), units }),
    }
}

/// What makes storage, by its word.
fn word(provider: Provider) -> &'static str {
    match provider {
        Provider::Rootfs => "rootfs",
        Provider::Tmpfs => "tmpfs",
        Provider::Loop => "loop",
    }
}

/// The pools of a model: the ones that every model has, and its own.
#[must_use]
pub fn pools(view: &ModelView) -> Pools {
    let always = [Provider::Rootfs, Provider::Tmpfs, Provider::Loop].map(word);
    let mut pools: Pools = always
        .iter()
        .map(|name| ((*name).to_owned(), Pool { provider: (*name).to_owned(), ..Pool::default() }))
        .collect();
    for (name, pool) in &view.storage_pools {
        let attrs = pool.attributes.iter();
        let attrs = attrs.map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect();
        pools.insert(name.to_string(), Pool { provider: word(pool.provider).to_owned(), attrs });
    }
    pools
}
