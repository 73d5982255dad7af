//! Changing the vault's key: what the old one has wrapped is wrapped by a new one, and the old one
//! is forgotten.
//!
//! It may be cut off at any moment and is begun again: as long as something may be wrapped by an
//! old key, the file has both.

use std::path::Path;

use muster_model::record::{Ciphertext, Key, Pair, PartNumber, Record, Secret, SecretPart};
use muster_model::{Estate, Txn};

use super::{Keys, Place, Vault, VaultError};
use crate::ledger;
use crate::store::Store;

/// Revisions that one commit wraps anew.
const AT_ONCE: usize = 50;

/// Changes the key of a vault whose controller does not run; answers how many revisions were wrapped
/// anew. One that was cut off goes on with the key that it had made.
///
/// # Errors
/// If a file or the store cannot be read or written, or a content is not this vault's.
pub fn rotate(folder: &Path, store: &mut impl Store) -> Result<usize, VaultError> {
    let mut keys = Keys::open(folder, false)?;
    if keys.count() == 1 {
        keys.add()?;
        keys.save(folder)?;
    }
    let vault = Vault::new(keys.clone());
    let mut wrapped = 0;
    loop {
        let loaded = store.load().map_err(VaultError::Store)?;
        let some = next(&vault, &ledger::fold(&loaded))?;
        if some.is_empty() {
            break;
        }
        wrapped += some.len();
        store.commit(&some).map_err(VaultError::Store)?;
    }
    keys.forget_old();
    keys.save(folder)?;
    Ok(wrapped)
}

/// Some of the revisions that an old key has wrapped, each as a Txn.
fn next(vault: &Vault, estate: &Estate) -> Result<Vec<Txn>, VaultError> {
    let mut some = Vec::new();
    for model in estate.models() {
        for secret in model.table::<Secret>().values() {
            for revision in secret.revisions.keys() {
                let number = PartNumber { revision: *revision, part: 0 };
                let name = Pair(secret.id.clone(), number);
                let Some(entry) = model.table::<SecretPart>().entry(&name) else { continue };
                let place = Place {
                    model: model.id(),
                    secret: secret.id.clone(),
                    revision: *revision,
                    owner: secret.owner.clone(),
                };
                let Some(bytes) = vault.rewrap(&place, &entry.value.bytes.0)? else { continue };
                let part = SecretPart { bytes: Ciphertext(bytes), ..(*entry.value).clone() };
                let key = Key::SecretPart(model.id(), name);
                let mut txn = Txn::default();
                txn.reads.insert(key.clone(), Some(entry.revision));
                txn.writes.insert(key, Some(Record::SecretPart(part)));
                some.push(txn);
                if some.len() == AT_ONCE {
                    return Ok(some);
                }
            }
        }
    }
    Ok(some)
}
