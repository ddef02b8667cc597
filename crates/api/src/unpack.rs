//! Decompresses files that were sent gzipped although no encoding was accepted. It works piece by piece, so that the caller can
//! stop at its limit.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;

/// Compressed bytes that are processed at a time: gzip expands them at most a thousandfold.
const PIECE_BYTES: usize = 4 * 1024;

/// Whether a `Content-Encoding` is gzip; `None` if it is another encoding that changes the bytes.
pub(crate) fn is_gzip(encoding: Option<&str>) -> Option<bool> {
    match encoding
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
        .as_str()
    {
        "" | "identity" => Some(false),
        "gzip" | "x-gzip" => Some(true),
        _ => None,
    }
}

/// A decompressor for a stream.
pub(crate) struct Unpacker {
    decoder: MultiGzDecoder<Vec<u8>>,
    pending: Bytes,
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unpacker")
    }
}

impl Unpacker {
    /// Starts at the beginning of a stream.
    pub(crate) fn new() -> Self {
        Self {
            decoder: MultiGzDecoder::new(Vec::new()),
            pending: Bytes::new(),
        }
    }

    /// Adds compressed bytes; call [`Unpacker::next`] until it returns `None`.
    pub(crate) fn feed(&mut self, packed: Bytes) {
        self.pending = packed;
    }

    /// Returns the next decompressed bytes; `None` when the input is used up.
    pub(crate) fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.pending.is_empty() {
            let piece = self.pending.split_to(self.pending.len().min(PIECE_BYTES));
            self.decoder.write_all(&piece)?;
            self.decoder.flush()?;
            let out = std::mem::take(self.decoder.get_mut());
            if !out.is_empty() {
                return Ok(Some(out.into()));
            }
        }
        Ok(None)
    }

    /// Returns the last bytes after the end of the stream; an error if the stream was truncated.
    pub(crate) fn end(&mut self) -> io::Result<Bytes> {
        self.decoder.try_finish()?;
        Ok(std::mem::take(self.decoder.get_mut()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn packed(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_stream_is_unpacked_in_bounded_pieces() {
        let body: Vec<u8> = (0..2_000_000u32).map(|n| (n / 9000) as u8).collect();
        let stream = packed(&body);
        let mut unpacker = Unpacker::new();
        let mut out = Vec::new();
        for chunk in stream.chunks(10_000) {
            unpacker.feed(chunk.to_vec().into());
            while let Some(bytes) = unpacker.next().unwrap() {
                assert!(bytes.len() <= PIECE_BYTES * 1040);
                out.extend_from_slice(&bytes);
            }
        }
        out.extend_from_slice(&unpacker.end().unwrap());
        assert!(out == body);

        let mut cut = Unpacker::new();
        cut.feed(stream[..stream.len() - 9].to_vec().into());
        while cut.next().unwrap().is_some() {}
        assert!(cut.end().is_err(), "a stream that ends early is not whole");
    }
}
