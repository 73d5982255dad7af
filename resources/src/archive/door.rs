//! Where the readers hand over what they find: policy first, then whoever wants it.

use super::chunk::Chunk;
use super::error::{ArchiveError, Rule};
use super::policy::{Kind, Limits, Policy};

/// Takes the entries of an archive, in its order and already admitted. Folders come before what
/// lies in them, links after everything else.
pub(super) trait Sink {
    fn folder(&mut self, path: &str) -> Result<(), ArchiveError>;
    fn file(&mut self, path: &str, mode: u32, size: u64) -> Result<(), ArchiveError>;
    /// A piece of the file that was named last.
    fn data(&mut self, chunk: Chunk) -> Result<(), ArchiveError>;
    /// The file that was named last is complete.
    fn close(&mut self) -> Result<(), ArchiveError>;
    fn link(&mut self, path: &str, target: &str) -> Result<(), ArchiveError>;
}

/// One sink after another takes each entry, of one reading.
pub(super) struct Both<'a>(pub(super) &'a mut dyn Sink, pub(super) &'a mut dyn Sink);

impl Sink for Both<'_> {
    fn folder(&mut self, path: &str) -> Result<(), ArchiveError> {
        self.0.folder(path)?;
        self.1.folder(path)
    }

    fn file(&mut self, path: &str, mode: u32, size: u64) -> Result<(), ArchiveError> {
        self.0.file(path, mode, size)?;
        self.1.file(path, mode, size)
    }

    fn data(&mut self, chunk: Chunk) -> Result<(), ArchiveError> {
        self.0.data(chunk.clone())?;
        self.1.data(chunk)
    }

    fn close(&mut self) -> Result<(), ArchiveError> {
        self.0.close()?;
        self.1.close()
    }

    fn link(&mut self, path: &str, target: &str) -> Result<(), ArchiveError> {
        self.0.link(path, target)?;
        self.1.link(path, target)
    }
}

/// The policy, and the sink behind it.
pub(super) struct Door<'a> {
    policy: Policy,
    sink: &'a mut dyn Sink,
    links: Vec<(String, String)>,
}

impl<'a> Door<'a> {
    pub(super) fn new(limits: Limits, strip: usize, sink: &'a mut dyn Sink) -> Door<'a> {
        Door { policy: Policy::new(limits, strip), sink, links: Vec::new() }
    }

    pub(super) fn limits(&self) -> &Limits {
        self.policy.limits()
    }

    /// Lets an entry pass. After a file its content follows by [`Door::data`], of exactly the size
    /// that was said, and then [`Door::close`].
    pub(super) fn entry(&mut self, raw: &[u8], kind: &Kind) -> Result<(), ArchiveError> {
        let admitted =
            self.policy.admit(raw, kind).map_err(|rule| ArchiveError::refused(raw, rule))?;
        for folder in &admitted.implied {
            self.sink.folder(folder)?;
        }
        let Some(path) = admitted.path else { return Ok(()) };
        match kind {
            Kind::Folder => self.sink.folder(&path),
            Kind::File { mode, size } => self.sink.file(&path, self.limits().mode(*mode), *size),
            Kind::Link { target } => {
                self.links.push((path, target.clone()));
                Ok(())
            }
        }
    }

    pub(super) fn data(&mut self, chunk: Chunk) -> Result<(), ArchiveError> {
        self.sink.data(chunk)
    }

    pub(super) fn close(&mut self) -> Result<(), ArchiveError> {
        self.sink.close()
    }

    /// The archive is at its end. Only now are links made, so that none is there to be followed
    /// while files are written, and only if all of them together stay inside.
    pub(super) fn finish(self) -> Result<(), ArchiveError> {
        self.policy
            .finish()
            .map_err(|(path, rule)| ArchiveError::refused(path.as_bytes(), rule))?;
        for (path, target) in &self.links {
            self.sink.link(path, target)?;
        }
        Ok(())
    }

    /// Refuses output beyond the ratio; both in bytes.
    pub(super) fn check_ratio(&self, input: u64, output: u64) -> Result<(), Rule> {
        check_ratio(self.limits(), input, output)
    }
}

/// Refuses output beyond the ratio, once it is more than is let pass unmeasured.
pub(super) fn check_ratio(limits: &Limits, input: u64, output: u64) -> Result<(), Rule> {
    if output > limits.unmeasured && output / limits.ratio > input {
        return Err(Rule::Ratio(limits.ratio));
    }
    Ok(())
}
