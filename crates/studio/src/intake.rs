//! Receives bytes in pieces: writes them to a scratch file, counts, limits and hashes them.
//!
//! Uploads and fetched sources are received here, so that no body is ever in memory as a whole.

use std::path::Path;

use tempfile::NamedTempFile;
use tokio::io::{AsyncWriteExt, BufWriter};

/// Bytes at the start of a file that are stored to detect its format.
pub(crate) const HEAD_BYTES: usize = 4096;

/// Why bytes were not received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error("the file is larger than {cap_bytes} bytes")]
    TooLarge { cap_bytes: u64 },
    #[error("the file could not be written")]
    Disk(#[from] std::io::Error),
}

/// A file that is being received. Dropping it removes what was written.
pub(crate) struct Intake {
    file: NamedTempFile,
    writer: BufWriter<tokio::fs::File>,
    hasher: blake3::Hasher,
    head: Vec<u8>,
    bytes: u64,
    cap_bytes: u64,
}

/// A completely received file, still in the scratch folder.
pub(crate) struct Received {
    pub(crate) file: NamedTempFile,
    pub(crate) bytes: u64,
    pub(crate) content: [u8; 32],
    /// The first bytes, to detect the format.
    pub(crate) head: Vec<u8>,
}

impl Intake {
    /// Opens a scratch file of at most `cap_bytes`.
    pub(crate) fn open(scratch: &Path, cap_bytes: u64) -> Result<Intake, IntakeError> {
        let file = NamedTempFile::new_in(scratch)?;
        let writer = BufWriter::with_capacity(64 * 1024, tokio::fs::File::from_std(file.reopen()?));
        Ok(Intake {
            file,
            writer,
            hasher: blake3::Hasher::new(),
            head: Vec::new(),
            bytes: 0,
            cap_bytes,
        })
    }

    /// Receives the next bytes.
    pub(crate) async fn push(&mut self, chunk: &[u8]) -> Result<(), IntakeError> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.cap_bytes {
            return Err(IntakeError::TooLarge {
                cap_bytes: self.cap_bytes,
            });
        }
        let wanted = HEAD_BYTES.saturating_sub(self.head.len()).min(chunk.len());
        self.head.extend_from_slice(&chunk[..wanted]);
        self.hasher.update(chunk);
        self.writer.write_all(chunk).await?;
        Ok(())
    }

    /// Completes the file.
    pub(crate) async fn finish(mut self) -> Result<Received, IntakeError> {
        self.writer.flush().await?;
        Ok(Received {
            file: self.file,
            bytes: self.bytes,
            content: *self.hasher.finalize().as_bytes(),
            head: self.head,
        })
    }
}
