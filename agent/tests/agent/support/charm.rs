//! Charms for tests, as text.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use muster_resources::{Digest, Limits};

/// A charm, as the bodies of its hooks and actions.
#[derive(Clone, Debug, Default)]
pub(crate) struct CharmText {
    files: BTreeMap<String, (String, u32)>,
    links: BTreeMap<String, String>,
    hooks: BTreeMap<String, String>,
}

pub(crate) const METADATA: &str = "name: wiki\nsummary: s\ndescription: d\n\
    requires: {db: {interface: db}}\nprovides: {web: {interface: http}}\npeers: {ring: {interface: ring}}\n\
    storage: {data: {type: filesystem, multiple: {range: 0-}}}\n\
    resources: {blob: {type: file, filename: blob.bin}}\nextra-bindings: {side: null}\n";
pub(crate) const CONFIG: &str = "options:\n  name: {type: string, default: n}\n  size: {type: int}\n  \
    ratio: {type: float, default: 1.5}\n  on: {type: boolean, default: true}\n";
pub(crate) const ACTIONS: &str = "go:\n  params:\n    count: {type: integer, default: 3}\n    who: {type: string}\n\
    beside:\n  parallel: true\nmissing: {}\n";

/// The hooks that this charm answers: all that tests see.
const HOOKS: &[&str] = &[
    "install",
    "start",
    "config-changed",
    "upgrade-charm",
    "leader-elected",
    "leader-settings-changed",
    "update-status",
    "stop",
    "remove",
    "db-relation-created",
    "db-relation-joined",
    "db-relation-changed",
    "db-relation-departed",
    "db-relation-broken",
    "ring-relation-created",
    "ring-relation-joined",
    "ring-relation-changed",
    "ring-relation-departed",
    "ring-relation-broken",
    "secret-changed",
    "secret-remove",
    "secret-rotate",
    "secret-expired",
    "data-storage-attached",
    "data-storage-detaching",
];

impl CharmText {
    pub(crate) fn new() -> CharmText {
        let mut charm = CharmText::default();
        charm.file("metadata.yaml", METADATA, 0o644);
        charm.file("config.yaml", CONFIG, 0o644);
        charm.file("actions.yaml", ACTIONS, 0o644);
        charm
    }

    pub(crate) fn file(&mut self, path: &str, text: &str, mode: u32) -> &mut CharmText {
        self.files.insert(path.to_owned(), (text.to_owned(), mode));
        self
    }

    /// A symbolic link, in a hook's place as well.
    pub(crate) fn link(&mut self, path: &str, target: &str) -> &mut CharmText {
        self.links.insert(path.to_owned(), target.to_owned());
        self
    }

    /// What the hook does, in bash with `set -e`, after it has been traced.
    pub(crate) fn hook(&mut self, name: &str, body: &str) -> &mut CharmText {
        self.hooks.insert(name.to_owned(), body.to_owned());
        self
    }

    pub(crate) fn action(&mut self, name: &str, body: &str) -> &mut CharmText {
        let text = format!("#!/bin/bash\nset -e\n{body}\n");
        self.file(&format!("actions/{name}"), &text, 0o755)
    }

    pub(crate) fn pack(&self, out: &Path) -> (Digest, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let mut files = self.files.clone();
        for name in HOOKS {
            let body = self.hooks.get(*name).map_or("", String::as_str);
            let text = format!(
                "#!/bin/bash\nset -e\nout={}\necho \"$(basename $0)${{JUJU_REMOTE_UNIT:+ $JUJU_REMOTE_UNIT}}${{JUJU_SECRET_ID:+ $JUJU_SECRET_ID}}${{JUJU_STORAGE_ID:+ $JUJU_STORAGE_ID}}\" >> $out/trace\n{body}\n",
                out.display()
            );
            files.entry(format!("hooks/{name}")).or_insert((text, 0o755));
        }
        for (path, target) in &self.links {
            files.remove(path);
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, &path).unwrap();
        }
        for (path, (text, mode)) in &files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
        }
        let packed = out.join("packed.charm");
        let done =
            muster_resources::archive::pack(folder.path(), &packed, &Limits::charm()).unwrap();
        (done.digest, std::fs::read(&packed).unwrap())
    }
}
