//! Bytes from the controller into the machine's cache: once for all units, from where an earlier
//! attempt ended, and under their digest only when they are whole.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use muster_resources::{BlobStore, Digest, Stage, StoreError};
use thiserror::Error;

use crate::controller::{Bytestream, ControllerError};
use crate::world::World;

/// Tries for a blob that the controller does not have yet (hook contract, section 1.12).
const TRIES: u32 = 10;

/// How long to wait after so many tries: from 200 milliseconds to eight seconds, together half a
/// minute.
fn pause(tries: u32) -> Duration {
    let doubled = Duration::from_millis(200) * (1 << tries.saturating_sub(1).min(6));
    doubled.min(Duration::from_secs(8))
}

/// Why a blob is not here.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    #[error("cannot fetch blob {digest} from the controller")]
    Call { digest: Digest, source: ControllerError },
    #[error("cannot keep blob {digest}")]
    Keep { digest: Digest, source: StoreError },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("the task that writes blobs broke")]
    Broken(#[source] tokio::task::JoinError),
}

/// Makes sure that the blob is in the cache. Without its size, which a goal does not say for charms,
/// it goes through a file of its own first.
pub(crate) async fn blob(
    world: &World,
    digest: Digest,
    size: Option<u64>,
) -> Result<(), FetchError> {
    // One fetch at a time for each digest: whoever comes second finds it there.
    let _held = world.locks.group(&format!("blob {digest}")).await;
    let mut tries = 0;
    loop {
        if world.blobs.contains(&digest) {
            return Ok(());
        }
        let result = match size {
            Some(size) => sized(world, digest, size).await,
            None => unsized_(world, digest).await,
        };
        tries += 1;
        match result {
            Ok(()) => return Ok(()),
            Err(FetchError::Call { source, .. })
                if tries < TRIES && !matches!(source, ControllerError::Broken(_)) =>
            {
                tracing::debug!(%digest, "a blob is asked for again");
                tokio::time::sleep(pause(tries)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn stream(world: &World, digest: Digest, offset: u64) -> Result<Bytestream, FetchError> {
    let stream = world.controller.blob(&digest, offset).await;
    stream.map_err(|source| FetchError::Call { digest, source })
}

async fn sized(world: &World, digest: Digest, size: u64) -> Result<(), FetchError> {
    let keep = move |source| FetchError::Keep { digest, source };
    let blobs: BlobStore = world.blobs.clone();
    let staged = blocking(move || blobs.stage_waiting(digest, size)).await?.map_err(keep)?;
    let Stage::Ready(mut staged) = staged else { return Ok(()) };
    let mut pieces = stream(world, digest, staged.length()).await?;
    // A thread writes and hashes while the next pieces arrive; some are held in between.
    let (send, mut receive) = tokio::sync::mpsc::channel::<bytes::Bytes>(16);
    let writer = tokio::task::spawn_blocking(move || {
        while let Some(piece) = receive.blocking_recv() {
            staged.append(staged.length(), &piece)?;
        }
        Ok::<_, StoreError>(staged)
    });
    let mut cut = None;
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => {
                if send.send(piece).await.is_err() {
                    break;
                }
            }
            Err(source) => {
                cut = Some(source);
                break;
            }
        }
    }
    drop(send);
    let mut staged = writer.await.map_err(FetchError::Broken)?.map_err(keep)?;
    if let Some(source) = cut {
        // What came is kept for the next try.
        blocking(move || staged.sync()).await?.map_err(keep)?;
        return Err(FetchError::Call { digest, source });
    }
    blocking(move || staged.finish()).await?.map_err(keep)
}

async fn unsized_(world: &World, digest: Digest) -> Result<(), FetchError> {
    let path = world.settings.paths.muster.join(format!("arriving-{digest}"));
    let wrong = |source| FetchError::Write { path: path.clone(), source };
    let mut file = std::fs::File::create(&path).map_err(wrong)?;
    let mut pieces = stream(world, digest, 0).await?;
    let mut size = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|source| FetchError::Call { digest, source })?;
        size += piece.len() as u64;
        file.write_all(&piece).map_err(wrong)?;
    }
    drop(file);
    let blobs = world.blobs.clone();
    let from = path.clone();
    let kept = blocking(move || {
        let mut file = std::fs::File::open(&from)
            .map_err(|source| FetchError::Write { path: from.clone(), source })?;
        blobs.put(digest, size, &mut file).map_err(|source| FetchError::Keep { digest, source })
    })
    .await?;
    std::fs::remove_file(&path).map_err(wrong)?;
    kept
}

/// Runs something that waits for the disk where it holds nobody up.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, FetchError> {
    tokio::task::spawn_blocking(work).await.map_err(FetchError::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hook contract C20.
    #[test]
    fn c20_a_blob_is_asked_for_ten_times_and_ever_more_seldom() {
        let waits: Vec<u128> = (1..TRIES).map(|tries| pause(tries).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 8000, 8000, 8000]);
    }
}
