//! Gzipped tarballs whose bytes depend on nothing but what is put in.

use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::path::Path;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

/// The age of every entry: 1980-01-01, the oldest that a zip made of these files can carry.
const MTIME: u64 = 315_532_800;

/// A tarball being written.
pub struct Tarball {
    tar: tar::Builder<GzEncoder<BufWriter<File>>>,
}

impl Tarball {
    /// Begins a tarball at `path`.
    ///
    /// Compression is the usual: the fastest takes half the time, once, and leaves 6 % more to
    /// send and a quarter more work to whoever unpacks.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let gzip = GzBuilder::new().mtime(0).write(file, Compression::default());
        Ok(Self { tar: tar::Builder::new(gzip) })
    }

    /// Adds a folder.
    pub fn folder(&mut self, name: &str) -> io::Result<()> {
        let mut header = header(tar::EntryType::Directory, 0, 0o755);
        self.tar.append_data(&mut header, format!("{name}/"), io::empty())
    }

    /// Adds a file of `size` bytes.
    pub fn file(
        &mut self,
        name: &str,
        executable: bool,
        size: u64,
        bytes: impl Read,
    ) -> io::Result<()> {
        let mode = if executable { 0o755 } else { 0o644 };
        self.tar.append_data(&mut header(tar::EntryType::Regular, size, mode), name, bytes)
    }

    /// Ends the tarball and brings it to the disk.
    pub fn finish(self) -> io::Result<()> {
        let file = self.tar.into_inner()?.finish()?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(MTIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let home = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = home.path().join(name);
            let mut tarball = Tarball::create(&path).unwrap();
            tarball.folder("top").unwrap();
            tarball.file("top/run", true, 2, &b"hi"[..]).unwrap();
            tarball.finish().unwrap();
            std::fs::read(path).unwrap()
        };
        assert_eq!(make("a.tgz"), make("b.tgz"));
    }
}
