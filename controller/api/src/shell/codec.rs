//! Frames as bytes: their length in four, what they are in one, and what they hold.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

use super::{Frame, PIECE, Size, Stream};

/// Bytes of one frame: a piece, or a line to run as long as the kernel takes one.
const MAX_FRAME: usize = 256 << 10;

const START: u8 = 1;
const INPUT: u8 = 2;
const OUTPUT: u8 = 3;
const ERRORS: u8 = 4;
const INPUT_ENDS: u8 = 5;
const TAKEN: u8 = 6;
const SIZE: u8 = 7;
const ENDED: u8 = 8;
const STILL: u8 = 9;

/// Why bytes are no frame, or are not had.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The connection broke, or a frame is longer than any.
    #[error("the stream broke off")]
    Broken(#[from] io::Error),
    /// What is in a frame is not what its kind holds.
    #[error("the stream holds what no shell says")]
    Strange,
}

pub(super) struct Codec(LengthDelimitedCodec);

impl Codec {
    pub(super) fn new() -> Codec {
        Codec(LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec())
    }
}

impl Encoder<Frame> for Codec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, to: &mut BytesMut) -> Result<(), FrameError> {
        self.0.encode(packed(&frame)?, to).map_err(FrameError::Broken)
    }
}

impl Decoder for Codec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, from: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.0.decode(from)? {
            Some(bytes) => unpacked(bytes.freeze()).map(Some),
            None => Ok(None),
        }
    }
}

fn packed(frame: &Frame) -> Result<Bytes, FrameError> {
    let mut bytes = BytesMut::new();
    match frame {
        Frame::Start(start) => {
            bytes.put_u8(START);
            bytes.put_slice(&serde_json::to_vec(start).map_err(|_| FrameError::Strange)?);
        }
        Frame::Bytes(stream, piece) => {
            bytes.reserve(piece.len() + 1);
            bytes.put_u8(kind(*stream));
            bytes.put_slice(piece);
        }
        Frame::InputEnds => bytes.put_u8(INPUT_ENDS),
        Frame::Taken(stream, count) => {
            bytes.put_u8(TAKEN);
            bytes.put_u8(kind(*stream));
            bytes.put_u32(*count);
        }
        Frame::Size(size) => {
            bytes.put_u8(SIZE);
            bytes.put_u16(size.rows);
            bytes.put_u16(size.columns);
        }
        Frame::Ended(ended) => {
            bytes.put_u8(ENDED);
            bytes.put_slice(&serde_json::to_vec(ended).map_err(|_| FrameError::Strange)?);
        }
        Frame::Still => bytes.put_u8(STILL),
    }
    Ok(bytes.freeze())
}

fn kind(stream: Stream) -> u8 {
    match stream {
        Stream::In => INPUT,
        Stream::Out => OUTPUT,
        Stream::Err => ERRORS,
    }
}

fn stream(kind: u8) -> Result<Stream, FrameError> {
    match kind {
        INPUT => Ok(Stream::In),
        OUTPUT => Ok(Stream::Out),
        ERRORS => Ok(Stream::Err),
        _ => Err(FrameError::Strange),
    }
}

fn unpacked(mut bytes: Bytes) -> Result<Frame, FrameError> {
    if bytes.is_empty() {
        return Err(FrameError::Strange);
    }
    let own = bytes.get_u8();
    let exactly =
        |count: usize| if bytes.len() == count { Ok(()) } else { Err(FrameError::Strange) };
    match own {
        START => serde_json::from_slice(&bytes).map(Frame::Start).map_err(|_| FrameError::Strange),
        INPUT | OUTPUT | ERRORS if bytes.len() <= PIECE => Ok(Frame::Bytes(stream(own)?, bytes)),
        INPUT_ENDS => exactly(0).map(|()| Frame::InputEnds),
        TAKEN => {
            exactly(5)?;
            Ok(Frame::Taken(stream(bytes.get_u8())?, bytes.get_u32()))
        }
        SIZE => {
            exactly(4)?;
            Ok(Frame::Size(Size { rows: bytes.get_u16(), columns: bytes.get_u16() }))
        }
        ENDED => serde_json::from_slice(&bytes).map(Frame::Ended).map_err(|_| FrameError::Strange),
        STILL => exactly(0).map(|()| Frame::Still),
        _ => Err(FrameError::Strange),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Door, Ended, Start, Terminal};
    use super::*;

    #[test]
    fn frames_read_back() {
        let size = Size { rows: 40, columns: 132 };
        let start = Start {
            door: Door::Shell { user: Some("ubuntu".into()), command: Some("ls 'ü'".into()) },
            terminal: Some(Terminal { kind: "xterm".into(), size }),
        };
        let frames = [
            Frame::Start(start),
            Frame::Start(Start { door: Door::Server { key: "k".into() }, terminal: None }),
            Frame::Bytes(Stream::In, Bytes::from_static(b"\0\xff")),
            Frame::Bytes(Stream::Err, Bytes::from(vec![7; PIECE])),
            Frame::InputEnds,
            Frame::Taken(Stream::Out, u32::MAX),
            Frame::Size(size),
            Frame::Ended(Ended::Exit(3)),
            Frame::Ended(Ended::Refused("why".into())),
            Frame::Still,
        ];
        let mut bytes = BytesMut::new();
        for frame in frames.clone() {
            Codec::new().encode(frame, &mut bytes).unwrap();
        }
        // However the bytes come.
        let (mut codec, mut held, mut read) = (Codec::new(), BytesMut::new(), Vec::new());
        for byte in bytes {
            held.put_u8(byte);
            read.extend(codec.decode(&mut held).unwrap());
        }
        assert_eq!(read, frames);
    }

    #[test]
    fn s12_what_is_no_frame_is_refused_before_it_is_kept() {
        for bytes in [
            &[0, 0, 0, 0][..],
            &[0, 0, 0, 1, 77],
            &[0, 0, 0, 2, STILL, 0],
            &[0, 0, 0, 3, TAKEN, INPUT, 1],
            &[0, 0, 0, 6, TAKEN, STILL, 0, 0, 0, 1],
            &[0, 0, 0, 2, START, b'{'],
            &u32::MAX.to_be_bytes(),
        ] {
            let mut held = BytesMut::from(bytes);
            assert!(Codec::new().decode(&mut held).is_err(), "{bytes:?}");
        }
        let mut held = BytesMut::new();
        let long = Frame::Bytes(Stream::In, Bytes::from(vec![0; PIECE + 1]));
        Codec::new().encode(long, &mut held).unwrap();
        assert!(Codec::new().decode(&mut held).is_err(), "a piece is longer than any");
    }
}
