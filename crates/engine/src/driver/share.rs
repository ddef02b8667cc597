//! The songs of a shared run that this process was given, and what becomes of each.

use std::collections::HashMap;

use tokio::sync::{mpsc, oneshot};

use crate::conductor::{Conductor, Input, Over};
use crate::event::RunId;
use crate::settings::JobKey;
use crate::store::RunHeader;

/// A run that several processes carry out.
#[derive(Debug)]
pub struct SharedRun {
    /// Songs for this process to carry out; closed once none is left for any process.
    pub songs: mpsc::Receiver<GivenSong>,
    /// The run.
    pub id: RunId,
    /// The run as the ledger has it, where another process began it and this one only works on it.
    pub joins: Option<RunHeader>,
}

/// A song, with its steps, for this process alone to carry out.
#[derive(Debug)]
pub struct GivenSong {
    /// Its key.
    pub key: JobKey,
    /// Sent to once nothing is left to do for it; dropped where the song is to be given anew, to any process.
    pub done: oneshot::Sender<()>,
}

/// The songs that this process has.
pub(super) struct Share {
    songs: mpsc::Receiver<GivenSong>,
    pub(super) given: HashMap<JobKey, oneshot::Sender<()>>,
    /// Effects under way for each.
    under_way: HashMap<JobKey, u32>,
    pub(super) is_open: bool,
    /// Whether the run is another process's.
    pub(super) joins: bool,
}

impl Share {
    pub(super) fn new(run: SharedRun) -> Self {
        Self {
            songs: run.songs,
            given: HashMap::new(),
            under_way: HashMap::new(),
            is_open: true,
            joins: run.joins.is_some(),
        }
    }

    /// The next song, or that none is left; never where there is nothing to wait for.
    pub(super) async fn next(share: &mut Option<Self>) -> Option<GivenSong> {
        match share {
            Some(share) if share.is_open => share.songs.recv().await,
            _ => std::future::pending().await,
        }
    }

    /// Counts an effect that begins.
    pub(super) fn begins(&mut self, conductor: &Conductor, job: &JobKey) {
        if let Some(song) = conductor.song_of(job) {
            *self.under_way.entry(song).or_default() += 1;
        }
    }

    /// Counts an effect that has ended.
    pub(super) fn ends(&mut self, conductor: &Conductor, input: &Input) {
        let song = input.job().and_then(|job| conductor.song_of(job));
        if let Some(song) = song
            && let Some(count) = self.under_way.get_mut(&song)
        {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&song);
            }
        }
    }

    /// Gives back the songs for which nothing is left to do.
    pub(super) fn give_back(&mut self, conductor: &mut Conductor, now_ms: i64) {
        let quiet = self
            .given
            .keys()
            .filter(|song| !self.under_way.contains_key(song));
        let ended = quiet.filter_map(|song| Some((*song, conductor.song_over(song, now_ms)?)));
        let ended: Vec<(JobKey, Over)> = ended.collect();
        for (song, over) in ended {
            if let Some(done) = self.given.remove(&song)
                && over == Over::Done
            {
                // The queue may have ended; then another process finds that nothing is left to do.
                let _ = done.send(());
            }
        }
    }
}
