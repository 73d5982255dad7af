//! What a hook tool and its agent say to each other over the socket.
//!
//! Private between the two, which are one binary; so it is as plain as can be: fields, each behind
//! its length in four bytes. The tool's side must start in a fraction of a millisecond, and reads no
//! JSON.

use std::io::{self, Read, Write};

/// Bytes of standard input, or of a file, that a tool takes: a whole databag in any way of writing it.
pub const MAX_STDIN: usize = 2 * muster_model::limits::SETTINGS;
/// Bytes of one request or answer: the largest input, and room for the words around it.
pub const MAX_MESSAGE: usize = MAX_STDIN + (256 << 10);
/// Fields of one message: more arguments than any line has that a charm writes.
const MAX_FIELDS: usize = 4096;

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The run that it belongs to, by `JUJU_CONTEXT_ID`; empty for `juju-exec`.
    pub context: String,
    /// The tool.
    pub tool: String,
    /// The caller's working directory.
    pub cwd: String,
    /// Standard input, if the tool reads it.
    pub stdin: Option<Vec<u8>>,
    /// The words after the tool's name.
    pub args: Vec<String>,
}

/// What comes of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The exit code.
    pub code: u8,
    /// The file that takes the data in place of standard output; empty for none.
    pub output: String,
    /// Data.
    pub stdout: Vec<u8>,
    /// Words about it.
    pub stderr: Vec<u8>,
}

impl Call {
    /// As fields.
    #[must_use]
    pub fn fields(&self) -> Vec<&[u8]> {
        let stdin: [&[u8]; 2] = match &self.stdin {
            Some(bytes) => [b"y", bytes],
            None => [b"n", b""],
        };
        let mut fields = vec![self.context.as_bytes(), self.tool.as_bytes(), self.cwd.as_bytes()];
        fields.extend(stdin);
        fields.extend(self.args.iter().map(String::as_bytes));
        fields
    }

    /// From fields.
    ///
    /// # Errors
    /// If there are too few, or text is not UTF-8.
    pub fn from_fields(fields: Vec<Vec<u8>>) -> io::Result<Call> {
        let mut fields = fields.into_iter();
        let mut text = || next_text(&mut fields);
        let (context, tool, cwd, has) = (text()?, text()?, text()?, text()?);
        let stdin = fields.next().ok_or_else(short)?;
        let stdin = (has == "y").then_some(stdin);
        let args: io::Result<Vec<String>> = fields.map(to_text).collect();
        Ok(Call { context, tool, cwd, stdin, args: args? })
    }
}

impl Answer {
    /// As fields.
    #[must_use]
    pub fn fields<'a>(&'a self, code: &'a [u8; 1]) -> Vec<&'a [u8]> {
        vec![code, self.output.as_bytes(), &self.stdout, &self.stderr]
    }

    /// From fields.
    ///
    /// # Errors
    /// If there are too few.
    pub fn from_fields(fields: Vec<Vec<u8>>) -> io::Result<Answer> {
        let mut fields = fields.into_iter();
        let code = fields.next().and_then(|field| field.first().copied()).ok_or_else(short)?;
        let output = next_text(&mut fields)?;
        let stdout = fields.next().ok_or_else(short)?;
        let stderr = fields.next().ok_or_else(short)?;
        Ok(Answer { code, output, stdout, stderr })
    }
}

fn short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "a message was cut short")
}

fn to_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn next_text(fields: &mut impl Iterator<Item = Vec<u8>>) -> io::Result<String> {
    fields.next().ok_or_else(short).and_then(to_text)
}

/// A message as bytes.
///
/// # Errors
/// If it is larger than [`MAX_MESSAGE`].
pub fn encode(fields: &[&[u8]]) -> io::Result<Vec<u8>> {
    let size: usize = fields.iter().map(|field| field.len() + 4).sum();
    if size > MAX_MESSAGE || fields.len() > MAX_FIELDS {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(size + 4);
    push_number(&mut bytes, fields.len());
    for field in fields {
        push_number(&mut bytes, field.len());
        bytes.extend_from_slice(field);
    }
    Ok(bytes)
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the message is larger than any may be")
}

fn push_number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

/// Writes one message.
///
/// # Errors
/// If it is too large, or cannot be written.
pub fn write(mut to: impl Write, fields: &[&[u8]]) -> io::Result<()> {
    to.write_all(&encode(fields)?)
}

/// Reads one message.
///
/// # Errors
/// If it is too large, cut short, or cannot be read.
pub fn read(mut from: impl Read) -> io::Result<Vec<Vec<u8>>> {
    let mut number = || -> io::Result<usize> {
        let mut bytes = [0; 4];
        from.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes) as usize)
    };
    let count = number()?;
    if count > MAX_FIELDS {
        return Err(too_large());
    }
    let mut left = MAX_MESSAGE;
    let mut fields = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let mut bytes = [0; 4];
        from.read_exact(&mut bytes)?;
        let length = u32::from_le_bytes(bytes) as usize;
        left = left.checked_sub(length + 4).ok_or_else(too_large)?;
        let mut field = vec![0; length];
        from.read_exact(&mut field)?;
        fields.push(field);
    }
    Ok(fields)
}

/// Reads one message from a task.
///
/// # Errors
/// As [`read`].
pub async fn read_async(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
) -> io::Result<Vec<Vec<u8>>> {
    use tokio::io::AsyncReadExt;

    let count = from.read_u32_le().await? as usize;
    if count > MAX_FIELDS {
        return Err(too_large());
    }
    let mut left = MAX_MESSAGE;
    let mut fields = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let length = from.read_u32_le().await? as usize;
        left = left.checked_sub(length + 4).ok_or_else(too_large)?;
        let mut field = vec![0; length];
        from.read_exact(&mut field).await?;
        fields.push(field);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_answers_read_back() {
        let call = Call {
            context: "wiki/0-install-00ff".into(),
            tool: "relation-set".into(),
            cwd: "/tmp".into(),
            stdin: Some(b"a: 1\n".to_vec()),
            args: vec!["--file".into(), "-".into(), "ü=".into()],
        };
        let bytes = encode(&call.fields()).unwrap();
        assert_eq!(Call::from_fields(read(&*bytes).unwrap()).unwrap(), call);
        let without = Call { stdin: None, args: vec![], ..call };
        let bytes = encode(&without.fields()).unwrap();
        assert_eq!(Call::from_fields(read(&*bytes).unwrap()).unwrap(), without);
        let answer =
            Answer { code: 2, output: "/x".into(), stdout: vec![0, 255], stderr: vec![b'e'] };
        let bytes = encode(&answer.fields(&[2])).unwrap();
        assert_eq!(Answer::from_fields(read(&*bytes).unwrap()).unwrap(), answer);
    }

    #[test]
    fn s12_oversized_and_short_messages_are_refused() {
        assert!(encode(&[&vec![0; MAX_MESSAGE]]).is_err());
        let mut huge = 1u32.to_le_bytes().to_vec();
        huge.extend_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(&*huge).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(read(&u32::MAX.to_le_bytes()[..]).is_err());
        assert_eq!(read(&[1, 0, 0][..]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
