//! *circle*: a message over a loopback socket, a one-row commit with full sync, a message over a
//! second socket, and a program started.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::spawn::Nothing;
use crate::measure::{MeasureError, io_error};

/// Bytes of a message, about those of a small report.
const MESSAGE: usize = 200;

/// Two sockets with a database between them.
pub struct Circle {
    near: TcpStream,
    far: TcpStream,
    middle: Option<JoinHandle<Result<(), MeasureError>>>,
    nothing: Nothing,
}

impl Circle {
    /// Opens both sockets and a database in `folder`.
    pub fn open(folder: &Path) -> Result<Self, MeasureError> {
        let nothing = Nothing::compile(folder)?;
        let database = database(&folder.join("circle.db"))?;
        let (near, from_near) = pair()?;
        let (to_far, far) = pair()?;
        let middle = thread::spawn(move || commit_and_pass_on(&database, from_near, to_far));
        Ok(Self { near, far, middle: Some(middle), nothing })
    }

    /// Goes round once and says how long it took.
    pub fn round(&mut self) -> Result<Duration, MeasureError> {
        let message = [b'x'; MESSAGE];
        let began = Instant::now();
        self.near.write_all(&message).map_err(io_error("write to a socket"))?;
        let mut received = [0; MESSAGE];
        self.far.read_exact(&mut received).map_err(io_error("read from a socket"))?;
        self.nothing.spawn()?;
        Ok(began.elapsed())
    }

    /// Closes the sockets and waits for the thread between them. Gives the rows committed.
    pub fn close(mut self) -> Result<(), MeasureError> {
        self.near.shutdown(std::net::Shutdown::Both).map_err(io_error("close a socket"))?;
        match self.middle.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            _ => Err(MeasureError::Unequal("the floor's thread panicked".to_owned())),
        }
    }
}

/// A database as the embedded store has it: a write-ahead log, synced at each commit.
pub fn database(path: &Path) -> Result<Connection, MeasureError> {
    let database = Connection::open(path)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, value BLOB NOT NULL)", [])?;
    Ok(database)
}

fn commit_and_pass_on(
    database: &Connection,
    mut from: TcpStream,
    mut to: TcpStream,
) -> Result<(), MeasureError> {
    let mut insert = database.prepare("INSERT INTO rows (value) VALUES (?1)")?;
    let mut message = [0; MESSAGE];
    loop {
        // The end of the stream is the end of the floor.
        if from.read_exact(&mut message).is_err() {
            return Ok(());
        }
        insert.execute([&message[..]])?;
        to.write_all(&message).map_err(io_error("write to a socket"))?;
    }
}

fn pair() -> Result<(TcpStream, TcpStream), MeasureError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(io_error("listen on loopback"))?;
    let address = listener.local_addr().map_err(io_error("listen on loopback"))?;
    let near = TcpStream::connect(address).map_err(io_error("connect on loopback"))?;
    let (far, _) = listener.accept().map_err(io_error("accept on loopback"))?;
    for stream in [&near, &far] {
        stream.set_nodelay(true).map_err(io_error("set a socket's option"))?;
    }
    Ok((near, far))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_leaves_a_row() {
        let home = tempfile::tempdir().unwrap();
        let mut circle = Circle::open(home.path()).unwrap();
        for _ in 0..3 {
            circle.round().unwrap();
        }
        circle.close().unwrap();
        let database = Connection::open(home.path().join("circle.db")).unwrap();
        let rows: i64 = database.query_row("SELECT count(*) FROM rows", [], |r| r.get(0)).unwrap();
        assert_eq!(rows, 3);
    }
}
