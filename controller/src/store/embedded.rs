//! The store of a single controller: one SQLite file, WAL, every commit synced.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use muster_model::record::{Key, Record};
use muster_model::{Revision, Txn};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Commit, Loaded, Store, StoreError};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS record (
        key TEXT PRIMARY KEY,
        revision INTEGER NOT NULL,
        body BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL);
    INSERT OR IGNORE INTO head VALUES (1, 0);
";

/// The number of this layout, kept in the file; a newer one is refused (R18).
const LAYOUT: i64 = 1;

/// One SQLite file under a data directory. The directory is locked while it is open.
#[derive(Debug)]
pub struct Embedded {
    connection: Connection,
    lock: File,
    reserve: u64,
}

impl Embedded {
    /// Makes a store where none is.
    ///
    /// # Errors
    /// If there is one already, or the file cannot be made.
    pub fn create(folder: &Path) -> Result<Self, StoreError> {
        if database(folder).exists() {
            return Err(StoreError::Damaged(format!(
                "there is a store in `{}` already",
                folder.display()
            )));
        }
        Self::connect(folder)
    }

    /// Opens the store that is there. A missing file is damage, never a fresh start (R22).
    ///
    /// # Errors
    /// If there is none, another controller has it, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        if !database(folder).exists() {
            return Err(StoreError::Damaged(format!(
                "`{}` has no store; restore a backup, or make a new controller elsewhere",
                folder.display()
            )));
        }
        Self::connect(folder)
    }

    /// The same, which takes nothing more when fewer bytes than this are free on its disk.
    #[must_use]
    pub fn reserving(mut self, bytes: u64) -> Self {
        self.reserve = bytes;
        self
    }

    /// The same without syncs, for the test that shows what they are for.
    ///
    /// # Errors
    /// If the database does not take the setting.
    #[doc(hidden)]
    pub fn without_sync(self) -> Result<Self, StoreError> {
        self.connection
            .execute_batch("PRAGMA synchronous=OFF")
            .map_err(|source| StoreError::Database { what: "set up", source })?;
        Ok(self)
    }

    fn connect(folder: &Path) -> Result<Self, StoreError> {
        let lock = lock(folder)?;
        let at = |what| move |source| StoreError::Database { what, source };
        let connection = Connection::open(database(folder)).map_err(at("open"))?;
        connection
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;
                 PRAGMA wal_autocheckpoint=4000; PRAGMA busy_timeout=0;",
            )
            .map_err(at("set up"))?;
        let layout: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(at("read the layout of"))?;
        if layout > LAYOUT {
            return Err(StoreError::Damaged(format!(
                "the store has layout {layout}, and this version knows {LAYOUT}; \
                 start the newer version, or restore a backup that this one wrote"
            )));
        }
        if layout < LAYOUT {
            connection.execute_batch(SCHEMA).map_err(at("lay out"))?;
            connection.pragma_update(None, "user_version", LAYOUT).map_err(at("lay out"))?;
        }
        Ok(Embedded { connection, lock, reserve: 0 })
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("store.db")
}

/// How long the lock of a controller that ended is waited for. It is let go of with the last
/// descriptor, and a process that is being started holds a copy until it has become its program.
const LET_GO: Duration = Duration::from_secs(2);

/// Two controllers on one data directory would each believe their own memory.
pub(crate) fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let shown = path.display().to_string();
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| StoreError::File { what: "open", path: shown.clone(), source })?;
    let deadline = Instant::now() + LET_GO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(StoreError::InUse(folder.display().to_string()));
            }
            Err(std::fs::TryLockError::Error(source)) => {
                return Err(StoreError::File { what: "lock", path: shown, source });
            }
        }
    }
}

impl Store for Embedded {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let at = |source| StoreError::Database { what: "read", source };
        let revision = self
            .connection
            .query_row("SELECT revision FROM head", [], |row| row.get::<_, i64>(0))
            .map_err(at)?;
        let mut statement =
            self.connection.prepare("SELECT key, revision, body FROM record").map_err(at)?;
        let mut rows = statement.query([]).map_err(at)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().map_err(at)? {
            let text: String = row.get(0).map_err(at)?;
            let written: i64 = row.get(1).map_err(at)?;
            let body: Vec<u8> = row.get(2).map_err(at)?;
            let key: Key = text.parse().map_err(|error| {
                StoreError::Damaged(format!("the store has the key {text:?}: {error}"))
            })?;
            let record = Record::decode(&key, &body)
                .map_err(|source| StoreError::Record { key: text, source })?;
            records.push((key, number(written), record));
        }
        Ok(Loaded { revision: number(revision), records })
    }

    fn has_room(&mut self) -> Result<bool, StoreError> {
        let found = rustix::fs::fstatvfs(&self.lock).map_err(|errno| StoreError::File {
            what: "measure the disk of",
            path: "store.db".to_owned(),
            source: errno.into(),
        })?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize) >= self.reserve)
    }

    fn commit(&mut self, txns: &[Txn]) -> Result<Vec<Commit>, StoreError> {
        let at = |what| move |source| StoreError::Database { what, source };
        let transaction = self.connection.transaction().map_err(at("write to"))?;
        let head: i64 = transaction
            .query_row("SELECT revision FROM head", [], |row| row.get(0))
            .map_err(at("read"))?;
        let mut revision = number(head);
        let mut answers = Vec::with_capacity(txns.len());
        let mut fresh = Fresh::new();
        for txn in txns {
            if !holds(&transaction, &fresh, txn).map_err(at("read"))? {
                answers.push(Commit::Conflict);
                continue;
            }
            revision = revision.next();
            let writes = txn.writes.iter();
            fresh.extend(writes.map(|(key, record)| (key, (revision, record.as_ref()))));
            answers.push(Commit::Done(revision));
        }
        for (key, (revision, record)) in fresh {
            write(&transaction, key, revision, record)?;
        }
        transaction
            .execute("UPDATE head SET revision = ?1", params![signed(revision)])
            .map_err(at("write to"))?;
        transaction.commit().map_err(at("sync"))?;
        Ok(answers)
    }
}

/// What the Txns of one commit leave: each record once, however many of them write it.
type Fresh<'a> = BTreeMap<&'a Key, (Revision, Option<&'a Record>)>;

fn holds(
    transaction: &Transaction<'_>,
    fresh: &Fresh<'_>,
    txn: &Txn,
) -> Result<bool, rusqlite::Error> {
    let mut statement = transaction.prepare_cached("SELECT revision FROM record WHERE key = ?1")?;
    for (key, expected) in &txn.reads {
        let found = match fresh.get(key) {
            Some((revision, record)) => record.map(|_| *revision),
            None => {
                statement.query_row([key.to_string()], |row| row.get(0)).optional()?.map(number)
            }
        };
        if found != *expected {
            return Ok(false);
        }
    }
    Ok(true)
}

fn write(
    transaction: &Transaction<'_>,
    key: &Key,
    revision: Revision,
    record: Option<&Record>,
) -> Result<(), StoreError> {
    let at = |source| StoreError::Database { what: "write to", source };
    let text = key.to_string();
    let Some(record) = record else {
        let mut statement =
            transaction.prepare_cached("DELETE FROM record WHERE key = ?1").map_err(at)?;
        statement.execute([&text]).map_err(at)?;
        return Ok(());
    };
    let body =
        record.encode().map_err(|source| StoreError::Record { key: text.clone(), source })?;
    let mut statement = transaction
        .prepare_cached(
            "INSERT INTO record VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET revision = ?2, body = ?3",
        )
        .map_err(at)?;
    statement.execute(params![text, signed(revision), body]).map_err(at)?;
    Ok(())
}

/// SQLite's integers are signed; revisions never come near the difference.
fn signed(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

fn number(revision: i64) -> Revision {
    Revision(u64::try_from(revision).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_store_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let mut first = Some(Embedded::create(&path).unwrap());
        super::super::contract::keeps(|| match first.take() {
            Some(store) => store,
            None => Embedded::open(&path).unwrap(),
        });
    }

    #[test]
    fn a_second_controller_on_the_same_data_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Embedded::create(folder.path()).unwrap();
        let refused = Embedded::open(folder.path()).unwrap_err();
        assert!(refused.to_string().contains("in use by another controller"), "{refused}");
    }

    #[test]
    fn r22_a_missing_store_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Embedded::open(folder.path()), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn r18_a_newer_layout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Embedded::create(folder.path()).unwrap());
        let plain = Connection::open(database(folder.path())).unwrap();
        plain.pragma_update(None, "user_version", LAYOUT + 1).unwrap();
        drop(plain);
        let refused = Embedded::open(folder.path()).unwrap_err();
        assert!(refused.to_string().contains("restore a backup"), "{refused}");
    }
}
