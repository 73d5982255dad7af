//! Tables of storage (CLI contract §4.6, §6).

use super::naturally;
use super::table::Table;
use crate::shape::storage::{Pools, StorageList};

/// A size in MiB as people write it: `10 GiB`, `512 MiB`.
fn size(mib: u64) -> String {
    const UNITS: [&str; 4] = ["MiB", "GiB", "TiB", "PiB"];
    let mut scale = 1u64;
    let mut unit = 0;
    while unit + 1 < UNITS.len() && mib >= scale * 1024 {
        scale *= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    let tenths = (mib % scale) * 10 / scale;
    if tenths == 0 {
        format!("{} {name}", mib / scale)
    } else {
        format!("{}.{tenths} {name}", mib / scale)
    }
}

struct Row {
    unit: String,
    id: String,
    kind: String,
    pool: String,
    mount: String,
    size: String,
    status: String,
    message: String,
}

fn rows(list: &StorageList) -> Vec<Row> {
    let mut rows = Vec::new();
    for (id, storage) in naturally(&list.storage) {
        let filesystem = list.filesystems.values().find(|f| f.storage.as_ref() == Some(id));
        let volume = list.volumes.values().find(|v| v.storage.as_ref() == Some(id));
        let pool =
            filesystem.and_then(|f| f.pool.clone()).or_else(|| volume.and_then(|v| v.pool.clone()));
        let amount = filesystem.map(|f| f.size).or_else(|| volume.map(|v| v.size));
        let row = |unit: String, mount: String| Row {
            unit,
            id: id.clone(),
            kind: storage.kind.clone(),
            pool: pool.clone().unwrap_or_default(),
            mount,
            size: amount.filter(|size| *size > 0).map(size).unwrap_or_default(),
            status: storage.status.current.clone(),
            message: storage.status.message.clone(),
        };
        let units = storage.attachments.as_ref().map(|a| &a.units);
        match units.filter(|units| !units.is_empty()) {
            Some(units) => {
                for (unit, attachment) in naturally(units) {
                    rows.push(row(unit.clone(), attachment.location.clone().unwrap_or_default()));
                }
            }
            None => rows.push(row(String::new(), String::new())),
        }
    }
    // What no unit has stands first, then by unit.
    rows.sort_by(|a, b| muster_console::natural::compare(&a.unit, &b.unit));
    rows
}

/// The list of `storage`.
#[must_use]
pub fn list(list: &StorageList) -> String {
    let mut table =
        Table::with(&["Unit", "Storage ID", "Type", "Pool", "Size", "Status", "Message"]);
    for r in rows(list) {
        table.row([r.unit, r.id, r.kind, r.pool, r.size, r.status, r.message]);
    }
    table.text()
}

/// The section of `status --storage`.
pub(super) fn in_status(list: &StorageList) -> Table {
    let mut table = Table::with(&[
        "Storage Unit",
        "Storage ID",
        "Type",
        "Pool",
        "Mountpoint",
        "Size",
        "Status",
        "Message",
    ]);
    for r in rows(list) {
        table.row([r.unit, r.id, r.kind, r.pool, r.mount, r.size, r.status, r.message]);
    }
    table
}

/// The list of `storage --filesystem`.
#[must_use]
pub fn filesystems(list: &StorageList) -> String {
    let mut table = Table::with(&[
        "Machine",
        "Unit",
        "Storage ID",
        "ID",
        "Volume",
        "Provider ID",
        "Mountpoint",
        "Size",
        "State",
        "Message",
    ]);
    for (id, filesystem) in naturally(&list.filesystems) {
        let attached = filesystem.attachments.as_ref();
        let machine = attached.and_then(|a| a.machines.iter().next());
        let unit = attached.and_then(|a| a.units.keys().next());
        table.row([
            machine.map(|(id, _)| id.clone()).unwrap_or_default(),
            unit.cloned().unwrap_or_default(),
            filesystem.storage.clone().unwrap_or_default(),
            id.clone(),
            filesystem.volume.clone().unwrap_or_default(),
            filesystem.provider_id.clone().unwrap_or_default(),
            machine.map(|(_, mount)| mount.mount_point.clone()).unwrap_or_default(),
            size(filesystem.size),
            filesystem.status.current.clone(),
            filesystem.status.message.clone(),
        ]);
    }
    table.text()
}

/// The list of `storage --volume`.
#[must_use]
pub fn volumes(list: &StorageList) -> String {
    let mut table = Table::with(&[
        "Machine",
        "Unit",
        "Storage ID",
        "Volume ID",
        "Provider ID",
        "Device",
        "Size",
        "State",
        "Message",
    ]);
    for (id, volume) in naturally(&list.volumes) {
        let attached = volume.attachments.as_ref();
        let machine = attached.and_then(|a| a.machines.iter().next());
        let unit = attached.and_then(|a| a.units.keys().next());
        table.row([
            machine.map(|(id, _)| id.clone()).unwrap_or_default(),
            unit.cloned().unwrap_or_default(),
            volume.storage.clone().unwrap_or_default(),
            id.clone(),
            volume.provider_id.clone().unwrap_or_default(),
            machine.and_then(|(_, device)| device.device.clone()).unwrap_or_default(),
            size(volume.size),
            volume.status.current.clone(),
            volume.status.message.clone(),
        ]);
    }
    table.text()
}

/// The list of `storage-pools`.
#[must_use]
pub fn pools(pools: &Pools) -> String {
    let mut table = Table::with(&["Name", "Provider", "Attributes"]);
    for (name, pool) in naturally(pools) {
        let attributes: Vec<String> = pool
            .attrs
            .iter()
            .map(|(key, value)| match value.as_str() {
                Some(text) => format!("{key}={text}"),
                None => format!("{key}={value}"),
            })
            .collect();
        table.row([name.clone(), pool.provider.clone(), attributes.join(" ")]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::status::Info;
    use crate::shape::storage::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (mib, text) in [
            (1, "1 MiB"),
            (512, "512 MiB"),
            (1024, "1 GiB"),
            (1536, "1.5 GiB"),
            (10240, "10 GiB"),
            (2 << 20, "2 TiB"),
        ] {
            assert_eq!(size(mib), text);
        }
    }

    #[test]
    fn kept_storage_stands_first() {
        let info = |word: &str| Info { current: word.to_owned(), ..Info::default() };
        let mut all = StorageList::default();
        let kept = Storage {
            kind: "filesystem".to_owned(),
            status: info("detached"),
            persistent: true,
            ..Storage::default()
        };
        all.storage.insert("data/10".to_owned(), kept.clone());
        let mut units = std::collections::BTreeMap::new();
        units.insert(
            "wiki/0".to_owned(),
            UnitAttachment { location: Some("/srv/data".to_owned()), ..UnitAttachment::default() },
        );
        let held = Storage {
            status: info("attached"),
            attachments: Some(UnitAttachments { units }),
            ..kept
        };
        all.storage.insert("data/2".to_owned(), held);
        all.filesystems.insert(
            "0/0".to_owned(),
            Filesystem {
                storage: Some("data/2".to_owned()),
                pool: Some("loop".to_owned()),
                size: 2048,
                ..Filesystem::default()
            },
        );
        expect_test::expect![[r#"
            Unit    Storage ID  Type        Pool  Size   Status    Message
                    data/10     filesystem               detached
            wiki/0  data/2      filesystem  loop  2 GiB  attached
        "#]]
        .assert_eq(&list(&all));
        expect_test::expect![[r#"
            Machine  Unit  Storage ID  ID   Volume  Provider ID  Mountpoint  Size   State  Message
                           data/2      0/0                                   2 GiB
        "#]]
        .assert_eq(&filesystems(&all));
    }
}
