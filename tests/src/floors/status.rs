//! *status*: read a JSON document from a socket, decode it, and print as many lines as it has units.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::measure::{MeasureError, io_error};

/// A document with `units` units, about 330 bytes each.
fn document(units: usize) -> Value {
    let unit = |number: usize| {
        let status = json!({"current": "active", "since": "2026-01-01T00:00:00Z", "message": ""});
        json!({
            "name": format!("app/{number}"),
            "machine": number.to_string(),
            "workload-status": status,
            "juju-status": {"current": "idle", "since": "2026-01-01T00:00:00Z", "version": "1.0.0"},
            "public-address": "10.0.0.1",
            "open-ports": ["7077/tcp", "8080/tcp"],
            "leader": number == 0,
        })
    };
    json!({"units": (0..units).map(unit).collect::<Vec<_>>()})
}

/// Encodes, sends, reads, decodes and prints `units` units. Gives the time and the document's bytes.
pub fn round(units: usize) -> Result<(Duration, usize), MeasureError> {
    let document = document(units);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(io_error("listen on loopback"))?;
    let address = listener.local_addr().map_err(io_error("listen on loopback"))?;
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        stream.write_all(&serde_json::to_vec(&document)?)
    });
    let began = Instant::now();
    let mut bytes = Vec::new();
    let mut stream = TcpStream::connect(address).map_err(io_error("connect on loopback"))?;
    stream.read_to_end(&mut bytes).map_err(io_error("read from a socket"))?;
    let decoded: Value =
        serde_json::from_slice(&bytes).map_err(|error| MeasureError::Unequal(error.to_string()))?;
    let mut lines = Vec::new();
    for unit in decoded.get("units").and_then(Value::as_array).into_iter().flatten() {
        let name = unit.get("name").and_then(Value::as_str).unwrap_or_default();
        let status = unit.pointer("/workload-status/current");
        let status = status.and_then(Value::as_str).unwrap_or_default();
        writeln!(lines, "{name:<20}{status}").map_err(io_error("write lines"))?;
    }
    std::fs::write("/dev/null", &lines).map_err(io_error("write lines"))?;
    let took = began.elapsed();
    match server.join() {
        Ok(sent) => sent.map_err(io_error("write to a socket"))?,
        Err(_) => return Err(MeasureError::Unequal("the floor's thread panicked".to_owned())),
    }
    let printed = lines.iter().filter(|byte| **byte == b'\n').count();
    if printed == units {
        Ok((took, bytes.len()))
    } else {
        Err(MeasureError::Unequal(format!("{printed} lines for {units} units")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_unit() {
        let (_, bytes) = round(100).unwrap();
        assert!((20_000..60_000).contains(&bytes), "{bytes}");
    }
}
