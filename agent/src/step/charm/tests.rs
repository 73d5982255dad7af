use super::*;

const HOOK: &str = "#!/bin/sh\ntrue\n";

/// A machine with one charm's archive, and what laying it needs.
struct Desk {
    folder: tempfile::TempDir,
    archive: PathBuf,
    goal: CharmGoal,
}

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::create_dir_all(source.join("hooks")).unwrap();
        fs::write(source.join("metadata.yaml"), "name: wiki\nsummary: s\ndescription: d\n")
            .unwrap();
        fs::write(source.join("hooks/install"), HOOK).unwrap();
        let archive = folder.path().join("packed.charm");
        let packed = muster_resources::archive::pack(&source, &archive, &Limits::charm()).unwrap();
        let goal = CharmGoal {
            url: "local:wiki-0".parse().unwrap(),
            digest: packed.digest,
            modified: 0,
            forced: false,
        };
        Desk { folder, archive, goal }
    }

    fn work(&self, sync: fn(&Path) -> io::Result<()>) -> Work {
        let (unit, private) = (self.folder.path().join("unit"), self.folder.path().join("private"));
        fs::create_dir_all(&private).unwrap();
        Work {
            charm: unit.join("charm"),
            folder: unit,
            kept: kept_path(&private),
            laying: private.join("charm-laying.json"),
            reader: Reader::default(),
            sync,
        }
    }

    fn hook(&self) -> String {
        fs::read_to_string(self.folder.path().join("unit/charm/hooks/install")).unwrap()
    }
}

/// What a power cut before the sync leaves: names without bytes.
fn cut(charm: &Path) -> io::Result<()> {
    for path in ["metadata.yaml", "hooks/install"] {
        fs::File::create(charm.join(path))?;
    }
    Err(io::Error::other("the power is gone"))
}

#[test]
fn r01_r12_a_charm_is_deployed_only_when_its_bytes_are_on_disk() {
    let desk = Desk::new();
    let work = desk.work(cut);
    work.deploy(&desk.archive, &desk.goal).unwrap_err();
    assert!(!work.charm.join(DEPLOYED).exists(), "it is taken for complete");
    assert_eq!(desk.hook(), "");
    // Whoever starts again has all of it laid anew, and what is there is what was sent.
    let mut synced = desk.work(sync);
    synced.deploy(&desk.archive, &desk.goal).unwrap();
    assert_eq!(desk.hook(), HOOK);
    assert!(work.charm.join(DEPLOYED).exists() && !work.charm.join(DEPLOYING).exists());
    // Deployed once, it is left alone.
    synced.sync = |_| Err(io::Error::other("nothing is to be laid"));
    synced.deploy(&desk.archive, &desk.goal).unwrap();
}

#[test]
fn r12_what_is_kept_of_the_old_charm_and_cannot_be_read_is_not_taken_for_nothing() {
    let desk = Desk::new();
    let work = desk.work(sync);
    work.deploy(&desk.archive, &desk.goal).unwrap();
    let kept = fs::read(&work.kept).unwrap();
    fs::remove_file(&work.kept).unwrap();
    // Whatever is wrong with it: a folder cannot be read as a file.
    fs::create_dir(&work.kept).unwrap();
    let error = work.deploy(&desk.archive, &desk.goal).unwrap_err();
    assert!(error.to_string().contains("charm.json"), "{error}");
    fs::remove_dir(&work.kept).unwrap();
    fs::write(&work.kept, kept).unwrap();
    work.deploy(&desk.archive, &desk.goal).unwrap();
}
