//! Opens the stems' files before anything is bought: each is read once, hashed, and decoded to its end.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::manifest::source::files::{ReadProblem, open_regular};
use crate::plan::StemFile;

/// Longest file that is read: two hours of uncompressed studio sound.
const MAX_BYTES: u64 = 1 << 30;

/// Below this there is nothing to hear: −60 dBFS, where 16-bit recordings have little but their noise.
const SILENCE: f32 = 0.001;

/// Most files that are in memory at once.
const MAX_THREADS: usize = 8;

/// Why a file is not a recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingProblem {
    #[error("{0}")]
    Open(ReadProblem),
    #[error("it can't be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("it is larger than {} MB", MAX_BYTES >> 20)]
    TooLarge,
    #[error(transparent)]
    Decode(#[from] backline_audio::DecodeError),
}

impl From<ReadProblem> for RecordingProblem {
    fn from(problem: ReadProblem) -> Self {
        Self::Open(problem)
    }
}

/// Reads files on all processors; the results are in the order of the files.
pub(crate) fn examine(files: &[&Path]) -> Vec<Result<StemFile, RecordingProblem>> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_THREADS)
        .min(files.len());
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(files.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((at, file)) = Some(next.fetch_add(1, Ordering::Relaxed))
                    .and_then(|at| Some((at, files.get(at)?)))
                {
                    let result = examine_one(file);
                    results
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((at, result));
                }
            });
        }
    });
    let mut results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

fn examine_one(path: &Path) -> Result<StemFile, RecordingProblem> {
    let file = open_regular(path)?;
    let length_bytes = file.metadata()?.len();
    if length_bytes > MAX_BYTES {
        return Err(RecordingProblem::TooLarge);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(&file)?;
    // In pieces: a plan of large recordings would otherwise need one of them in memory for each core.
    let probe = backline_audio::probe_from(&file)?;
    Ok(StemFile {
        path: path.to_owned(),
        hash: *hasher.finalize().as_bytes(),
        length_bytes,
        duration_s: probe.duration_s,
        format: probe.format,
        silent: probe.peak < SILENCE,
    })
}
