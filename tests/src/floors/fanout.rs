//! *fan-out*: over N loopback connections, 200 bytes to each and 64 bytes back from each.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::measure::{MeasureError, io_error};

/// Bytes to each, about those of a goal.
const OUT: usize = 200;
/// Bytes back, about those of a small report.
const BACK: usize = 64;

/// N open connections.
pub struct FanOut {
    server: Runtime,
    /// Kept for its tasks, which answer.
    _clients: Runtime,
    streams: Vec<TcpStream>,
}

impl FanOut {
    /// Opens `count` connections; both ends have a thread of their own.
    pub fn open(count: usize) -> Result<Self, MeasureError> {
        let server = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(io_error("start a runtime"))?;
        let clients = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(io_error("start a runtime"))?;
        let listen = TcpListener::bind("127.0.0.1:0");
        let listener = server.block_on(listen).map_err(io_error("listen on loopback"))?;
        let address = listener.local_addr().map_err(io_error("listen on loopback"))?;
        let mut streams = Vec::with_capacity(count);
        for _ in 0..count {
            clients.spawn(async move {
                let mut stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let mut goal = [0; OUT];
                loop {
                    stream.read_exact(&mut goal).await?;
                    stream.write_all(&[b'r'; BACK]).await?;
                }
                #[expect(unreachable_code, reason = "names the type of the block's errors")]
                Ok::<(), std::io::Error>(())
            });
            let accepted = server.block_on(listener.accept());
            let (stream, _) = accepted.map_err(io_error("accept on loopback"))?;
            stream.set_nodelay(true).map_err(io_error("set a socket's option"))?;
            streams.push(stream);
        }
        Ok(Self { server, _clients: clients, streams })
    }

    /// One message to each and one back, and how long until the last is back.
    pub fn round(&mut self) -> Result<Duration, MeasureError> {
        let streams = std::mem::take(&mut self.streams);
        let began = Instant::now();
        let done = self.server.block_on(async {
            let mut tasks = JoinSet::new();
            for mut stream in streams {
                tasks.spawn(async move {
                    let mut report = [0; BACK];
                    stream.write_all(&[b'g'; OUT]).await?;
                    stream.read_exact(&mut report).await?;
                    Ok::<_, std::io::Error>(stream)
                });
            }
            tasks.join_all().await
        });
        let took = began.elapsed();
        for stream in done {
            self.streams.push(stream.map_err(io_error("use a connection"))?);
        }
        Ok(took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_answers_every_round() {
        let mut fan = FanOut::open(20).unwrap();
        fan.round().unwrap();
        fan.round().unwrap();
        assert_eq!(fan.streams.len(), 20);
    }
}
