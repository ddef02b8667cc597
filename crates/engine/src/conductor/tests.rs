//! The conductor under seeded disasters in virtual time, and a few lives step by step.
//!
//! The world here is a model: a vendor that loses responses, refuses, stalls and calls back; a ledger that is a list; a process
//! that dies between any two decisions; hooks that veto, fail and delay, and that plan other jobs in each life. The promises are
//! checked after every step.
//!
//! With the feature `simulation` tests of other crates lead such lives with their stores: [`simulate`].

#![cfg_attr(
    not(test),
    allow(
        clippy::unwrap_used,
        dead_code,
        unused_imports,
        reason = "a test of another crate uses a part of it"
    )
)]

#[cfg(test)]
mod any_polls;
#[cfg(test)]
mod gone;
mod lost_songs;
#[cfg(test)]
mod operations;
mod promises;
#[cfg(test)]
mod recovery;
mod rivals;
#[cfg(test)]
mod scale;
mod seen;
mod steps;
#[cfg(test)]
mod tracks;
mod vendor;
mod world;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use backline_api::{Input as OperationInput, Stage};

use super::*;
use crate::event::RunId;
use crate::index::{ClaimOutcome, Index};
#[cfg(test)]
use crate::ledger::Ledger;
use crate::plan::Rate;
use crate::store::{Batch, KnownJob, Store};
use rivals::Rivals;
use seen::Seen;
use steps::song;
use vendor::{Dice, Vendor};
use world::{Coming, World};

const WINDOW_MS: i64 = 10_000;
const PRICE: Credits = Credits::of_thousandths(12_000);

/// The price of so many songs.
fn times(songs: usize) -> Credits {
    std::iter::repeat_n(PRICE, songs).sum()
}

/// The first number of a key that is a step's.
const STEPS: usize = 1 << 20;

/// What the model's jobs buy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Song,
    /// The provider refuses to make it twice.
    Wav,
    /// Each request is charged.
    Stems,
    /// It is made of stems.
    Midi,
    /// It brings back a song whose files are gone.
    Recovery,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Song,
        Self::Wav,
        Self::Stems,
        Self::Midi,
        Self::Recovery,
    ];

    fn price(self) -> Credits {
        match self {
            Self::Song => PRICE,
            Self::Wav => Credits::of_thousandths(500),
            Self::Stems => Credits::of_thousandths(5_000),
            Self::Midi => Credits::ZERO,
            Self::Recovery => Credits::of_thousandths(2_000),
        }
    }

    /// What the model sells; a song is expected to have so many tracks.
    fn offer(self, tracks: usize, idempotent: bool) -> Offer {
        let (task, track) = ("taskId", "audioId");
        Offer {
            price: self.price(),
            tracks: if self == Self::Song { tracks } else { 0 },
            resend: match self {
                _ if idempotent => Resend::Always,
                Self::Wav => Resend::Once,
                Self::Song | Self::Stems | Self::Midi | Self::Recovery => Resend::Never,
            },
            input: match self {
                Self::Song => OperationInput::Recording { field: "uploadUrl" },
                Self::Wav | Self::Stems => OperationInput::Track { task, track },
                Self::Midi => OperationInput::Stems { task, stem: track },
                Self::Recovery => OperationInput::Song { task },
            },
        }
    }

    /// What a job of the model buys.
    fn of(key: &JobKey) -> Self {
        let bytes = key.to_bytes();
        let number = u64::from_be_bytes(bytes[..8].try_into().unwrap()) as usize;
        match number.checked_sub(STEPS) {
            Some(step) => Self::ALL[step % Self::ALL.len()],
            None => Self::Song,
        }
    }
}

/// The key of what is made of a track, from 1, of a song; of a recovery, of the song's task with this number.
fn step_of(song: usize, track: usize, kind: Kind) -> JobKey {
    let at = Kind::ALL.iter().position(|it| *it == kind).unwrap();
    key(STEPS + (song * MOST_TASKS + track) * Kind::ALL.len() + at)
}

/// More tasks than a seed makes.
const MOST_TASKS: usize = 4096;

/// What is made of the tracks of a song, each behind what it is made of.
fn steps_of(song: usize, tracks: usize) -> impl Iterator<Item = (JobKey, JobKey, usize)> {
    (1..=tracks).flat_map(move |track| {
        let of = |kind| step_of(song, track, kind);
        [
            (of(Kind::Wav), key(song), track),
            (of(Kind::Stems), key(song), track),
            (of(Kind::Midi), of(Kind::Stems), track),
        ]
    })
}

/// Every so many seeds the real ledger is written beside the model's; it costs an fsync a step.
const LEDGER_EVERY: u64 = 250;

fn key(n: usize) -> JobKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    JobKey::from_bytes(bytes)
}

/// The id of a stem.
fn stem(n: usize) -> StemId {
    ["a", "b"][n].into()
}

/// A stem that was uploaded.
fn at_vendor(uploaded_ms: Option<i64>) -> Prepared {
    Prepared {
        url: "https://files.example.com/stem.wav".into(),
        uploaded_ms,
        hash: None,
    }
}

impl Conductor {
    fn job(&self, key: &JobKey) -> &Job {
        &self.slots[self.slot_of[key]].job
    }
}

fn task_id(text: &str) -> TaskId {
    TaskId(text.to_owned())
}

fn effect_error(class: ResponseClass) -> EffectError {
    EffectError {
        class,
        code: None,
        message: "an error".into(),
        retryable: true,
        retry_after_ms: None,
        no_descriptor: false,
        no_space: false,
    }
}

/// The seeds that the test command runs; `BACKLINE_SEEDS=from..to` chooses others.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("BACKLINE_SEEDS").ok();
    let asked = asked.as_deref().and_then(|text| text.split_once(".."));
    asked.map_or(0..2_000, |(from, to)| {
        from.parse().unwrap()..to.parse().unwrap()
    })
}

#[test]
fn no_disaster_buys_twice_or_loses_what_was_bought() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut each = [0; 18];
    std::thread::scope(|scope| {
        let check_seeds = || {
            let mut seen = Seen::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return seen.counts();
                }
                let store = seed.is_multiple_of(LEDGER_EVERY).then(InFile::boxed);
                check_seed(seed, store, &mut seen);
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(check_seeds)).collect();
        for thread in running {
            let counts = thread.join().unwrap();
            each.iter_mut()
                .zip(counts)
                .for_each(|(sum, count)| *sum += count);
        }
    });
    let least = seeds.count() as u64 / 500;
    assert!(each.iter().all(|number| *number >= least), "{each:?}");
}

/// A real store that is written beside the model's: what it reads back must be the same.
pub trait SimulatedStore {
    /// Writes all of a batch.
    fn append(&mut self, batch: &Batch);
    /// The process is gone, and the next one opens the store.
    fn reopen(&mut self);
    /// The jobs that it has.
    fn jobs(&self) -> HashMap<JobKey, KnownJob>;
    /// What its check finds.
    fn findings(&self) -> Vec<String>;
}

/// Leads the lives of one seed, with this store beside the model's.
///
/// # Panics
/// When a promise is broken, and when the store differs from the model.
pub fn simulate(seed: u64, store: Box<dyn SimulatedStore>) {
    check_seed(seed, Some(store), &mut Seen::default());
}

/// A ledger in a file.
#[cfg(test)]
struct InFile {
    folder: tempfile::TempDir,
    ledger: Option<Ledger>,
}

#[cfg(test)]
impl InFile {
    fn boxed() -> Box<dyn SimulatedStore> {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Self {
            folder,
            ledger: None,
        };
        store.reopen();
        Box::new(store)
    }
}

#[cfg(test)]
impl SimulatedStore for InFile {
    fn append(&mut self, batch: &Batch) {
        let committed = self.ledger.as_mut().unwrap().append(batch).unwrap();
        assert_eq!(committed.refused, []);
    }

    fn reopen(&mut self) {
        self.ledger = None;
        let ledger = Ledger::own(&self.folder.path().join("ledger.sqlite3"));
        self.ledger = Some(ledger.unwrap());
    }

    fn jobs(&self) -> HashMap<JobKey, KnownJob> {
        self.ledger.as_ref().unwrap().jobs().unwrap()
    }

    fn findings(&self) -> Vec<String> {
        let checked = self.ledger.as_ref().unwrap().check().unwrap();
        checked.findings.iter().map(ToString::to_string).collect()
    }
}

/// Leads the lives of one seed, and checks what they leave.
fn check_seed(seed: u64, store: Option<Box<dyn SimulatedStore>>, seen: &mut Seen) {
    let mut world = World::new(seed, store);
    let jobs = 2 + world.dice.below(8) as usize;
    let mut outcome = None;
    for life in 0..12 {
        world.disturb(life == 11);
        world.rivals.active = (1..8).contains(&life);
        outcome = world.live(jobs, life < 8);
        if life < 8 {
            world.resolve();
        }
        world.replay();
        world.reopen();
    }
    // After the last, immortal lives every task that was bought and reported is known; one whose response and callbacks were lost
    // is in doubt, and only where the vendor keeps no promise about tokens.
    let outcome = outcome.unwrap_or_else(|| panic!("seed {seed}: the last run was cut off"));
    let followed = world.followed();
    if outcome == Outcome::Vetoed {
        let is_vetoed = |key: &JobKey| {
            let job = world.jobs.get(key).map(|known| &known.job.phase);
            matches!(job, Some(Phase::Vetoed { .. }))
        };
        assert!(
            followed.iter().any(is_vetoed),
            "seed {seed}: none is vetoed"
        );
    }
    for (id, task) in &world.vendor.tasks {
        let job = &world.jobs[&task.job].job;
        // A job that no plan means any more is in the ledger as it was left, and no run follows it.
        let is_followed = followed.contains(&task.job);
        let settled = !matches!(job.phase, Phase::Submitting { .. });
        let doubt = matches!(job.phase, Phase::InDoubt { .. });
        assert!(
            settled || !is_followed,
            "seed {seed}: {outcome:?} left {:?} open",
            task.job
        );
        assert!(
            !doubt || !world.idempotent || !is_followed,
            "seed {seed}: in doubt although its request could be repeated"
        );
        assert!(
            world.is_known(id) || !world.vendor.reported.contains(id),
            "seed {seed}: {id} was reported and is in no row: {:?}",
            task.job
        );
        assert!(
            world.is_accepted(id) || !world.vendor.reported.contains(id) || !is_followed,
            "seed {seed}: {id} was reported and is not accepted: {:?}",
            task.job
        );
        assert!(
            job.claims.is_empty() || !is_followed,
            "seed {seed}: claims are left: {:?}",
            job.claims
        );
        if is_followed {
            let usual = match Kind::of(&task.job) {
                Kind::Song => world.tracks(),
                Kind::Wav | Kind::Stems | Kind::Midi | Kind::Recovery => 0,
            };
            let lost = world.vendor.gone.contains(id);
            match Kind::of(&task.job) {
                Kind::Recovery => {
                    World::check_recovery(seed, (id, task), job, &mut world.seen);
                }
                Kind::Song if lost && world.is_recovered(id) => {
                    World::check_files(seed, (id, task), job);
                }
                Kind::Song if lost => {}
                _ => World::check_tracks(seed, usual, (id, task), job, &mut world.seen),
            }
        }
        let forgotten = matches!(job.phase, Phase::Planned) && task.fails.is_none();
        assert!(
            !forgotten || world.said_again.contains_key(&task.job),
            "seed {seed}: {:?} was bought with {:?} and is forgotten",
            task.job,
            task.token
        );
    }
    seen.vetoed += world.seen.vetoed;
    seen.delayed += world.seen.delayed;
    seen.found += world.seen.found;
    seen.partial += world.seen.partial;
    seen.early += world.seen.early;
    seen.nameless += world.seen.nameless;
    seen.sources += world.seen.sources;
    seen.deleted += world.seen.deleted;
    seen.stepped += world.seen.stepped;
    seen.recovered += world.seen.recovered;
    for (sum, number) in seen.refused.iter_mut().zip(world.rivals.refused) {
        *sum += number;
    }
    seen.strays += world.rivals.strays;
    for record in &world.records {
        match &record.event {
            Event::Accepted {
                via: crate::event::Via::Callback,
                ..
            } => seen.confirmed += 1,
            Event::ClaimRejected { .. } => seen.rejected += 1,
            Event::Accepted {
                via: crate::event::Via::Refusal,
                ..
            } => seen.adopted += 1,
            Event::InputMissing { .. } => seen.inputs += 1,
            _ => {}
        }
    }
    for key in &followed {
        let task = world.jobs.get(key).and_then(|known| known.job.task());
        let is_its_own = |task: &crate::job::Task| {
            let real = world.vendor.tasks.get(task.id.as_str());
            real.is_some_and(|real| real.job == *key)
        };
        assert!(
            task.is_none_or(is_its_own),
            "seed {seed}: {key:?} follows {task:?}"
        );
    }
}
