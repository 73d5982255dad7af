//! Keeps the disk busy while others compute, so that little is left for the sync at the end.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Bytes from which on a file is worth a sync of its own; smaller ones go with the one at the end.
const LARGE: u64 = 1 << 20;

/// A thread that syncs large files once they are written.
pub(crate) struct SyncAhead<'scope> {
    files: SyncSender<File>,
    thread: ScopedJoinHandle<'scope, io::Result<()>>,
}

impl<'scope> SyncAhead<'scope> {
    pub(crate) fn start<'env>(scope: &'scope Scope<'scope, 'env>) -> SyncAhead<'scope> {
        let (files, queue) = sync_channel::<File>(1);
        let thread = scope.spawn(move || queue.iter().try_for_each(|file| file.sync_data()));
        SyncAhead { files, thread }
    }

    /// For several threads that write.
    pub(crate) fn queue(&self) -> Queue {
        Queue { files: self.files.clone() }
    }

    pub(crate) fn take(&self, file: File, size: u64) {
        offer(&self.files, file, size);
    }

    /// Waits for what was begun. The kernel tells a failed write once, so it must be heard here.
    pub(crate) fn finish(self) -> io::Result<()> {
        drop(self.files);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the syncing thread has panicked")))
    }
}

/// A way to hand over files from another thread.
pub(crate) struct Queue {
    files: SyncSender<File>,
}

impl Queue {
    pub(crate) fn take(&self, file: File, size: u64) {
        offer(&self.files, file, size);
    }
}

fn offer(files: &SyncSender<File>, file: File, size: u64) {
    if size >= LARGE {
        // If the disk is behind, the file goes with the sync at the end like all others.
        let _left_to_the_end = files.try_send(file);
    }
}
