//! Opens the stems' files before anything is bought: each is read once, hashed, and decoded to its end.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::manifest::source::files::open_regular;
use crate::plan::StemFile;

/// Longest file that is read: two hours of uncompressed studio sound.
const MAX_BYTES: u64 = 1 << 30;

/// Below this there is nothing to hear: −60 dBFS, where 16-bit recordings have little but their noise.
const SILENCE: f32 = 0.001;

/// Most files that are held in memory at once.
const MAX_THREADS: usize = 8;

/// Reads files on all processors; the answers are in the files' order.
pub(crate) fn examine(files: &[&Path]) -> Vec<Result<StemFile, String>> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_THREADS)
        .min(files.len());
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::with_capacity(files.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((at, file)) = Some(next.fetch_add(1, Ordering::Relaxed))
                    .and_then(|at| Some((at, files.get(at)?)))
                {
                    let answer = examine_one(file);
                    answers
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((at, answer));
                }
            });
        }
    });
    let mut answers = answers
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn examine_one(path: &Path) -> Result<StemFile, String> {
    let unread = |error: std::io::Error| format!("it can't be read: {error}");
    let file = open_regular(path).map_err(|problem| problem.to_string())?;
    let length_bytes = file.metadata().map_err(unread)?.len();
    if length_bytes > MAX_BYTES {
        return Err(format!("it is larger than {} MB", MAX_BYTES >> 20));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(&file).map_err(unread)?;
    // In pieces: a plan of large recordings would hold one of them in memory for each core.
    let probe = backline_audio::probe_from(&file).map_err(|error| error.to_string())?;
    Ok(StemFile {
        path: path.to_owned(),
        hash: *hasher.finalize().as_bytes(),
        length_bytes,
        duration_s: probe.duration_s,
        format: probe.format,
        silent: probe.peak < SILENCE,
    })
}
