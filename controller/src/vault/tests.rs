//! What is sealed, and what becomes of it when it is moved, changed or wrapped anew.

use muster_charms::secret::Plain;

use super::*;

fn vault() -> Vault {
    Vault::new(Keys::mint().unwrap())
}

fn place(owner: &str, revision: u32) -> Place {
    Place {
        model: "f7b5b0a6-2f2c-4f0e-8a44-3c2a66a1c001".parse().unwrap(),
        secret: "9m4e2mr0ui3e8a215n4g".parse().unwrap(),
        revision,
        owner: owner.parse().unwrap(),
    }
}

fn content(text: &str) -> Content {
    Content::new([("password".parse().unwrap(), Plain::new(text))].into()).unwrap()
}

/// Reliability S14.
#[test]
fn what_is_sealed_is_opened_at_its_own_place_and_nowhere_else() {
    let (vault, clear) = (vault(), content("hunter2"));
    let sealed = vault.seal(&place("wiki", 1), &clear).unwrap();
    assert_eq!(vault.open(&place("wiki", 1), &sealed.bytes.0).unwrap(), clear);
    let mut others = vec![place("wiki", 2), place("wiki/0", 1), place("-", 1)];
    others.push(Place { secret: "9m4e2mr0ui3e8a215n4h".parse().unwrap(), ..place("wiki", 1) });
    let model = "f7b5b0a6-2f2c-4f0e-8a44-3c2a66a1c002".parse().unwrap();
    others.push(Place { model, ..place("wiki", 1) });
    for other in others {
        let opened = vault.open(&other, &sealed.bytes.0);
        assert!(matches!(opened, Err(VaultError::Sealed)), "{other:?}");
    }
    // Another vault has other keys.
    let far = super::Vault::new(Keys::mint().unwrap());
    assert!(matches!(far.open(&place("wiki", 1), &sealed.bytes.0), Err(VaultError::Sealed)));
    // No bit of it may differ, and none may be missing.
    for at in 0..sealed.bytes.0.len() {
        let mut bent = sealed.bytes.0.clone();
        bent[at] ^= 1;
        assert!(vault.open(&place("wiki", 1), &bent).is_err(), "byte {at}");
        assert!(vault.open(&place("wiki", 1), &bent[..at]).is_err(), "cut at {at}");
    }
}

/// Reliability S14.
#[test]
fn nothing_of_the_content_is_in_what_is_sealed() {
    let (vault, clear) = (vault(), content("hunter2hunter2"));
    let one = vault.seal(&place("wiki", 1), &clear).unwrap();
    let two = vault.seal(&place("wiki", 1), &clear).unwrap();
    assert_ne!(one.bytes, two.bytes, "the same content is sealed twice to the same bytes");
    assert_eq!(one.checksum, two.checksum);
    for sealed in [one, two] {
        let text = String::from_utf8_lossy(&sealed.bytes.0).into_owned();
        assert!(!text.contains("hunter2") && !text.contains("password"));
    }
    // Whoever guesses the content cannot check it, not even across secrets.
    let guess = super::Vault::new(Keys::mint().unwrap());
    let other = Place { secret: "9m4e2mr0ui3e8a215n4h".parse().unwrap(), ..place("wiki", 1) };
    let sums = [
        vault.seal(&place("wiki", 1), &clear).unwrap().checksum,
        vault.seal(&other, &clear).unwrap().checksum,
        vault.seal(&place("wiki", 1), &content("hunter3")).unwrap().checksum,
        guess.seal(&place("wiki", 1), &clear).unwrap().checksum,
    ];
    for (at, sum) in sums.iter().enumerate() {
        assert!(!sums[at + 1..].contains(sum), "{at}");
    }
}

/// Reliability S14.
#[test]
fn a_new_key_wraps_what_the_old_one_did() {
    let mut keys = Keys::mint().unwrap();
    let clear = content("hunter2");
    let old = Vault::new(keys.clone());
    let sealed = old.seal(&place("wiki", 1), &clear).unwrap().bytes.0;
    keys.add().unwrap();
    let both = Vault::new(keys.clone());
    assert_eq!(both.open(&place("wiki", 1), &sealed).unwrap(), clear);
    let anew = both.rewrap(&place("wiki", 1), &sealed).unwrap().unwrap();
    assert_eq!(both.rewrap(&place("wiki", 1), &anew).unwrap(), None);
    assert_eq!(anew[HEAD..], sealed[HEAD..], "the content itself is not sealed again");
    keys.forget_old();
    let new = Vault::new(keys);
    assert_eq!(new.open(&place("wiki", 1), &anew).unwrap(), clear);
    assert!(new.open(&place("wiki", 1), &sealed).is_err());
    assert!(old.open(&place("wiki", 1), &anew).is_err());
}

/// Reliability S16.
#[test]
fn a_vault_says_nothing_of_its_keys() {
    let keys = Keys::mint().unwrap();
    assert_eq!(format!("{keys:?} {:?}", Vault::new(keys.clone())), "Keys(…) Vault(…)");
}
