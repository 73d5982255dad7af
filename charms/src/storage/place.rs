//! Where a file system is mounted (hook contract, section 1.8).

use crate::name::StorageName;
use crate::storage::{StorageKind, StorageSpec};

/// The folder on which instance `number` of the file-system storage `name` is mounted.
///
/// `root` is the agent's own storage folder (`/var/lib/juju/storage` unless a setting says
/// otherwise). Answers `None` for a block device, whose path only the machine knows.
#[must_use]
pub fn mount_point(
    root: &str,
    name: &StorageName,
    spec: &StorageSpec,
    number: u32,
) -> Option<String> {
    if spec.kind == StorageKind::Block {
        return None;
    }
    Some(match &spec.location {
        Some(location) if spec.count.is_single() => location.clone(),
        Some(location) => format!("{}/{name}/{number}", location.trim_end_matches('/')),
        None => format!("{}/{name}/{number}", root.trim_end_matches('/')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Range;

    const ROOT: &str = "/var/lib/juju/storage";

    fn place(spec: &StorageSpec) -> Option<String> {
        mount_point(ROOT, &"data".parse().unwrap(), spec, 3)
    }

    #[test]
    fn a_single_storage_has_the_location_itself() {
        let mut spec = StorageSpec::new(StorageKind::Filesystem);
        spec.location = Some("/srv".to_owned());
        assert_eq!(place(&spec).as_deref(), Some("/srv"));
        spec.count = Range { min: 0, max: Some(1) };
        assert_eq!(place(&spec).as_deref(), Some("/srv"));
    }

    #[test]
    fn several_lie_below_the_location_by_their_id() {
        let mut spec = StorageSpec::new(StorageKind::Filesystem);
        spec.location = Some("/srv/".to_owned());
        spec.count = Range { min: 1, max: None };
        assert_eq!(place(&spec).as_deref(), Some("/srv/data/3"));
    }

    #[test]
    fn without_location_they_lie_in_the_agents_folder() {
        let spec = StorageSpec::new(StorageKind::Filesystem);
        assert_eq!(place(&spec).as_deref(), Some("/var/lib/juju/storage/data/3"));
        assert_eq!(place(&StorageSpec::new(StorageKind::Block)), None);
    }
}
