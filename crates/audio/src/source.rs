//! Reads a file in pieces: probing and decoding seek to the parts of its head and end that they need.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

/// Bytes that are read at once while headers are followed through a file.
const WINDOW_BYTES: usize = 64 * 1024;

/// How many bytes may be read until more are allowed.
#[derive(Debug, Default)]
pub(crate) struct Allowance(AtomicU64);

impl Allowance {
    /// Allows so many bytes from here on.
    pub(crate) fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// Whether it is used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Uses so many bytes of it. Fails when fewer are left.
    fn take(&self, bytes: u64) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        self.set(left.saturating_sub(bytes));
        match bytes <= left {
            true => Ok(()),
            false => Err(io::Error::other("more is read than is allowed")),
        }
    }
}

/// The bytes of a file, with replacements of four bytes each.
pub(crate) struct PatchedSource<S> {
    inner: S,
    length: u64,
    at: u64,
    patches: BTreeMap<u64, [u8; 4]>,
    allowance: Option<Arc<Allowance>>,
    window: Vec<u8>,
    window_at: u64,
}

impl<S: Read + Seek> PatchedSource<S> {
    pub(crate) fn new(mut inner: S) -> io::Result<Self> {
        let length = inner.seek(SeekFrom::End(0))?;
        inner.seek(SeekFrom::Start(0))?;
        Ok(Self {
            inner,
            length,
            at: 0,
            patches: BTreeMap::new(),
            allowance: None,
            window: Vec::new(),
            window_at: 0,
        })
    }

    /// Its length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Up to `count` bytes from `at` on; fewer at the end.
    pub(crate) fn bytes_at(&mut self, at: u64, count: usize) -> io::Result<Vec<u8>> {
        self.inner.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        (&mut self.inner)
            .take(count as u64)
            .read_to_end(&mut bytes)?;
        self.inner.seek(SeekFrom::Start(self.at))?;
        Ok(bytes)
    }

    /// Up to `N` bytes from `at` on, for callers that read a file forwards in small steps.
    pub(crate) fn header_at<const N: usize>(&mut self, at: u64) -> io::Result<Option<[u8; N]>> {
        let within = |window_at: u64, window: &[u8]| {
            let start = usize::try_from(at.checked_sub(window_at)?).ok()?;
            window.get(start..start + N)?.try_into().ok()
        };
        if let Some(found) = within(self.window_at, &self.window) {
            return Ok(Some(found));
        }
        self.window = self.bytes_at(at, WINDOW_BYTES)?;
        self.window_at = at;
        Ok(within(at, &self.window))
    }

    /// Replaces four bytes in all later reads.
    pub(crate) fn patch(&mut self, at: u64, bytes: [u8; 4]) {
        self.patches.insert(at, bytes);
    }

    /// Limits all later reads to the allowance.
    pub(crate) fn limit(&mut self, allowance: Arc<Allowance>) {
        self.allowance = Some(allowance);
    }
}

impl<S: Read + Seek> Read for PatchedSource<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(allowance) = &self.allowance {
            allowance.take(count as u64)?;
        }
        let reached = self.at.saturating_sub(3)..self.at + count as u64;
        for (at, bytes) in self.patches.range(reached) {
            for (place, byte) in (*at..).zip(bytes) {
                if let Some(offset) = place.checked_sub(self.at)
                    && let Some(target) = buffer[..count].get_mut(offset as usize)
                {
                    *target = *byte;
                }
            }
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl<S: Read + Seek> Seek for PatchedSource<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.inner.seek(to)?;
        Ok(self.at)
    }
}

impl<S: Read + Seek + Send + Sync> MediaSource for PatchedSource<S> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn bytes_are_replaced_wherever_a_read_begins() {
        for step in 1..8 {
            let mut source = PatchedSource::new(Cursor::new(b"0123456789".to_vec())).unwrap();
            source.patch(3, *b"abcd");
            let mut all = Vec::new();
            let mut buffer = vec![0; step];
            loop {
                match source.read(&mut buffer).unwrap() {
                    0 => break,
                    count => all.extend_from_slice(&buffer[..count]),
                }
            }
            assert_eq!(all, b"012abcd789", "{step}");
            assert_eq!(source.seek(SeekFrom::Start(4)).unwrap(), 4);
            source.read_exact(&mut buffer[..1]).unwrap();
            assert_eq!(buffer[0], b'b');
        }
    }

    #[test]
    fn headers_are_found_in_and_beyond_a_window() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| at as u8).collect();
        let mut source = PatchedSource::new(Cursor::new(bytes)).unwrap();
        for at in [0, 7, 65_534, 130_000, 199_996, 3] {
            let expected: Vec<u8> = (at..at + 4).map(|at| at as u8).collect();
            assert_eq!(
                source.header_at::<4>(at).unwrap().unwrap().to_vec(),
                expected
            );
        }
        assert_eq!(source.header_at::<4>(199_997).unwrap(), None);
    }
}
