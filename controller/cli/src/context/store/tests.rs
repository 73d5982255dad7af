use super::*;

fn controller(uuid: &str) -> Controller {
    Controller::new(
        uuid.to_owned(),
        vec!["127.0.0.1:17070".to_owned()],
        "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned(),
        "localhost".to_owned(),
    )
}

#[test]
fn what_is_written_is_read_and_the_token_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("a/b"));
    assert_eq!(store.read().unwrap(), Contents::default());
    store
        .change(|contents| {
            contents.controllers.controllers.insert("home".to_owned(), controller("u1"));
            contents.controllers.current = Some("home".to_owned());
            let account = Account::new("admin".to_owned(), "s3cret".to_owned(), "superuser");
            contents.accounts.controllers.insert("home".to_owned(), account);
        })
        .unwrap();
    let back = store.read().unwrap();
    assert_eq!(back.controllers.controllers.get("home"), Some(&controller("u1")));
    assert_eq!(back.controllers.current.as_deref(), Some("home"));
    assert!(!format!("{back:?}").contains("s3cret"));
    let text = fs::read_to_string(store.folder().join("controllers.yaml")).unwrap();
    assert!(text.contains("    ca-cert: |\n      -----BEGIN CERTIFICATE-----\n"), "{text}");
    assert!(text.ends_with("current-controller: home\n"), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(store.folder().join("accounts.yaml")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    store.change(|contents| contents.forget("home")).unwrap();
    assert_eq!(store.read().unwrap(), Contents::default());
}

#[test]
fn keys_of_other_programs_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().to_owned());
    fs::write(
        folder.path().join("controllers.yaml"),
        "controllers:\n  old:\n    uuid: u0\n    type: lxd\n    controller-machine-count: 1\nother: 3\n",
    )
    .unwrap();
    store
        .change(|contents| {
            contents.controllers.controllers.insert("new".to_owned(), controller("u1"));
        })
        .unwrap();
    let text = fs::read_to_string(folder.path().join("controllers.yaml")).unwrap();
    assert!(text.contains("controller-machine-count: 1\n"), "{text}");
    assert!(text.contains("type: lxd\n") && text.contains("other: 3\n"), "{text}");
}

#[test]
fn many_writers_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().to_owned());
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for turn in 0..10 {
                    store
                        .change(|contents| {
                            let name = format!("c-{writer}-{turn}");
                            contents.controllers.controllers.insert(name, controller("u"));
                        })
                        .unwrap();
                    store.read().unwrap();
                }
            });
        }
    });
    assert_eq!(store.read().unwrap().controllers.controllers.len(), 80);
}

#[test]
fn a_broken_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().to_owned());
    fs::write(folder.path().join("models.yaml"), "controllers: [1\n").unwrap();
    let said = Failure::from(store.read().unwrap_err()).message;
    assert!(said.starts_with("cannot understand `") && said.contains("models.yaml"), "{said}");
}
