//! Tells the format of an archive by its first bytes and opens the decoder, all of them in Rust and streaming.
//!
//! Memory: gzip 32 KiB, zstd its window (at most 100 MiB by the decoder's own limit), xz its dictionary (64 MiB for `xz -9`; pages
//! are only touched as data comes, so what an archive claims costs nothing).

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use crate::error::{Error, Result};

const BLOCK: usize = 512;

/// Opens an archive as a stream of plain tar.
pub(super) fn open<'a>(mut reader: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut head = Vec::with_capacity(BLOCK);
    reader
        .by_ref()
        .take(BLOCK as u64)
        .read_to_end(&mut head)
        .map_err(|source| Error::Damaged { entries: 0, source })?;
    let format = Format::of(&head)?;
    let whole = BufReader::with_capacity(128 << 10, Cursor::new(head).chain(reader));
    Ok(match format {
        Format::Tar => Box::new(whole),
        Format::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Format::Xz => Box::new(XzReader::new(whole, true)),
        Format::Zstd => Box::new(ZstdFrames::new(whole)),
    })
}

/// Whether this is a tar archive, plain or compressed. What cannot be decompressed is none.
pub(super) fn holds_tar(reader: impl Read) -> bool {
    let mut head = Vec::with_capacity(BLOCK);
    let Ok(plain) = open(reader) else { return false };
    plain.take(BLOCK as u64).read_to_end(&mut head).is_ok() && is_tar_header(&head)
}

/// Whether a file that begins so is compressed in a way that archives may be.
#[must_use]
pub fn is_compressed(head: &[u8]) -> bool {
    matches!(Format::of(head), Ok(Format::Gzip | Format::Xz | Format::Zstd))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Tar,
    Gzip,
    Xz,
    Zstd,
}

impl Format {
    fn of(head: &[u8]) -> Result<Self> {
        let found = match head {
            [0x1f, 0x8b, ..] => return Ok(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => return Ok(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => return Ok(Self::Zstd),
            _ if is_tar_header(head) || is_end(head) => return Ok(Self::Tar),
            [] => "it is empty",
            [b'B', b'Z', b'h', ..] => "it is compressed by bzip2",
            [b'P', b'K', 3, 4, ..] => "it is a zip file",
            [b'<', ..] => "it looks like a web page",
            _ => "its content is of no known format",
        };
        Err(Error::NotAnArchive { found })
    }
}

/// All tar formats, even those older than "ustar", have the same sum of the header's bytes at the same place.
fn is_tar_header(head: &[u8]) -> bool {
    let Ok(block) = <&[u8; BLOCK]>::try_from(head) else {
        return false;
    };
    let header = tar::Header::from_byte_slice(block);
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    // The field itself, bytes 148 to 155, counts as blanks: pax(1), "ustar Interchange Format".
    let expected = sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..]);
    header.cksum().is_ok_and(|written| written == expected)
}

/// An archive without entries begins with its end: layers that change nothing are so.
fn is_end(head: &[u8]) -> bool {
    head.len() == BLOCK && head.iter().all(|byte| *byte == 0)
}

/// A zstd file is a row of frames, some of which are to be skipped (RFC 8878, 3.1); the decoder knows one frame.
struct ZstdFrames<R> {
    reader: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            decoder: FrameDecoder::new(),
            in_frame: false,
        }
    }

    /// Goes to the next frame with content; false at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.reader.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.reader) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.reader.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }

    /// Compares the sums at the end of a frame; they are optional.
    fn check_sum(&self) -> io::Result<()> {
        match (
            self.decoder.get_checksum_from_data(),
            self.decoder.get_calculated_checksum(),
        ) {
            (Some(written), Some(calculated)) if written != calculated => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the checksum of a zstd frame is wrong",
            )),
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.in_frame {
                while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                    self.decoder
                        .decode_blocks(&mut self.reader, BlockDecodingStrategy::UptoBlocks(1))
                        .map_err(io::Error::other)?;
                }
                if self.decoder.can_collect() > 0 {
                    return self.decoder.read(buffer);
                }
                self.check_sum()?;
            }
            self.in_frame = self.next_frame()?;
            if !self.in_frame {
                return Ok(0);
            }
        }
    }
}
