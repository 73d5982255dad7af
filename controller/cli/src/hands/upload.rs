//! Sending files: hashed, asked for, sent from where an earlier try ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use muster_api::client::Upload;
use muster_model::command::ResourceFile;
use muster_resources::{Digest, Hashing};

use super::progress;
use super::session::{Controller, Session};
use crate::failure::Failure;

/// How often an upload that was cut short goes on by itself.
const TRIES: u32 = 5;

/// A file's digest and size.
pub(super) struct Measured {
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// Hashes a file, with a bar for a long one.
pub(super) async fn measure(session: &Session<'_>, path: &Path) -> Result<Measured, Failure> {
    let what = format!("cannot read `{}`", path.display());
    let open = || -> std::io::Result<(File, u64)> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Err(std::io::Error::from(std::io::ErrorKind::IsADirectory));
        }
        Ok((file, meta.len()))
    };
    let (file, length) = open().map_err(|error| Failure::tried(&what, &error))?;
    let bar = progress::bytes(session.desk, "checking", length);
    let seen = bar.clone();
    let hashed = tokio::task::spawn_blocking(move || {
        let mut hashing = Hashing::new(seen.wrap_read(file));
        std::io::copy(&mut hashing, &mut std::io::sink())?;
        let (_, digest, size) = hashing.finish();
        Ok::<_, std::io::Error>((digest, size))
    });
    let (digest, size) = match hashed.await {
        Ok(result) => result.map_err(|error| Failure::tried(&what, &error))?,
        Err(error) => return Err(Failure::tried(&what, &error)),
    };
    bar.finish_and_clear();
    Ok(Measured { path: path.to_owned(), digest, size })
}

/// Sends a file unless the controller has it. A connection that breaks is taken up again, and what
/// has arrived is not sent twice.
pub(super) async fn send(
    session: &mut Session<'_>,
    on: &Controller,
    file: &Measured,
    label: &str,
) -> Result<(), Failure> {
    let bar = progress::bytes(session.desk, label, file.size);
    let mut turn = 1;
    loop {
        let seen = bar.clone();
        let see = move |upload| match upload {
            Upload::Known => seen.set_position(u64::MAX),
            Upload::Sent(sent) => seen.set_position(sent),
        };
        match on.client.put_blob(&file.path, &file.digest, file.size, see).await {
            Ok(()) => break,
            Err(error) if error.is_passing() && turn < TRIES => {
                bar.set_prefix(format!("{label}, again"));
                tokio::time::sleep(Duration::from_millis(200 << turn)).await;
                turn += 1;
            }
            Err(error) => {
                bar.abandon();
                return Err(on
                    .failed(error)
                    .while_trying(format!("cannot upload `{}`", file.path.display())));
            }
        }
    }
    let known = bar.position() == u64::MAX;
    bar.finish_and_clear();
    let words = if known { "is there already" } else { "uploaded" };
    session.desk.detail(&format!(
        "{label}: {words} ({} bytes, {})",
        file.size,
        file.digest.short()
    ));
    Ok(())
}

/// Measures and sends a file for a resource.
pub(super) async fn resource(
    session: &mut Session<'_>,
    on: &Controller,
    name: &str,
    typed: &str,
) -> Result<ResourceFile, Failure> {
    let path = session.desk.path(typed);
    let file = measure(session, &path)
        .await
        .map_err(|failure| failure.while_trying(format!("resource \"{name}\"")))?;
    send(session, on, &file, &format!("resource {name}")).await?;
    let origin_name =
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(ResourceFile { digest: file.digest, size: file.size, origin_name })
}
