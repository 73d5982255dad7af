//! Sending bytes: hashed before, resumable, streamed.

use std::io::{Seek, SeekFrom};
use std::path::Path;

use bytes::Bytes;
use futures_util::stream;
use muster_resources::Digest;
use tokio::io::AsyncReadExt;

use super::call::CallError;
use super::user::Client;
use crate::body::BlobState;
use crate::route::Name;

/// How many bytes are read from the file at a time.
const PIECE: usize = 256 << 10;

/// What happens while bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// The controller has the bytes already.
    Known,
    /// So many of them were handed to the network.
    Sent(u64),
}

impl Client {
    /// How much of a blob the controller has.
    ///
    /// # Errors
    /// If the controller cannot be reached.
    pub async fn blob_state(&self, digest: &Digest) -> Result<BlobState, CallError> {
        let request = self.endpoint.request(Name::BlobState, &[&digest.to_string()]);
        self.endpoint.json(request).await
    }

    /// Sends the file with this digest and size, from where an earlier try ended; `see` is told of
    /// the progress.
    ///
    /// # Errors
    /// If the file cannot be read, differs from its digest, or the controller cannot be reached;
    /// then what arrived is kept, and the next try goes on from there.
    pub async fn put_blob(
        &self,
        path: &Path,
        digest: &Digest,
        size: u64,
        see: impl Fn(Upload) + Send + Sync + 'static,
    ) -> Result<(), CallError> {
        let offset = match self.blob_state(digest).await? {
            BlobState::Whole { .. } => {
                see(Upload::Known);
                return Ok(());
            }
            BlobState::Partial { offset } => offset,
        };
        let mut file = std::fs::File::open(path).map_err(CallError::Body)?;
        file.seek(SeekFrom::Start(offset)).map_err(CallError::Body)?;
        let file = tokio::fs::File::from_std(file);
        let body = stream::try_unfold((file, offset, see), |(mut file, sent, see)| async move {
            let mut piece = vec![0; PIECE];
            let count = file.read(&mut piece).await?;
            if count == 0 {
                return Ok::<_, std::io::Error>(None);
            }
            piece.truncate(count);
            let sent = sent + count as u64;
            see(Upload::Sent(sent));
            Ok(Some((Bytes::from(piece), (file, sent, see))))
        });
        let append = || {
            self.endpoint
                .request(Name::BlobAppend, &[&digest.to_string()])
                .query(&[("offset", offset.to_string()), ("size", size.to_string())])
        };
        let sent = self.endpoint.send(append().body(reqwest::Body::wrap_stream(body))).await;
        if let Err(CallError::Unreachable { .. }) = sent {
            // A server that has refused does not read on, and its answer is lost with what was not
            // read. Asked again with nothing to send, it says why.
            self.endpoint.send(append()).await?;
        }
        sent.map(|_| ())
    }
}
