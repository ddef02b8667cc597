//! A model of the vendor: it takes jobs, loses responses, refuses, stalls, fails and calls back, as the seed has it.

use backline_api::Track;

use super::*;

/// How long a task may be unknown to the vendor's own details.
const BECOMES_KNOWN_MS: i64 = 15_000;

/// Small, portable, seeded.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    pub(super) fn chance(&mut self, per_cent: u64) -> bool {
        self.below(100) < per_cent
    }
}

pub(super) struct ModelTask {
    pub(super) job: JobKey,
    pub(super) born_at: i64,
    pub(super) made_at: i64,
    /// It makes nothing; whether its credits are given back.
    pub(super) fails: Option<bool>,
    pub(super) token: Token,
    /// What it cost.
    pub(super) price: Credits,
    /// How many tracks it makes, of how many it shows.
    pub(super) makes: usize,
    pub(super) shows: usize,
    /// Until when it is reported as over although tracks are still to come.
    pub(super) early_end_until: i64,
    pub(super) ids: Ids,
    pub(super) addresses: Addresses,
    /// How it says that it is over with fewer tracks than it showed.
    pub(super) short: Short,
    /// The task that it brings back.
    pub(super) recovers: Option<String>,
}

/// What a task's tracks are called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ids {
    Stable,
    Missing,
    Equal,
    /// Others in each poll.
    Changing,
    /// Now one of these, now another.
    Mixed,
}

/// Where a task's tracks lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Addresses {
    Plain,
    /// `audioUrl` is null.
    SourceOnly,
    /// What lies at `audioUrl` can't be used.
    SourceIsGood,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Short {
    Failed,
    CallbackException,
    /// `SUCCESS` with an address that is null.
    Null,
    /// `SUCCESS` with a list that has become shorter.
    Gone,
}

/// The content that lies at an address of the model's; none where it can't be used.
pub(super) fn content_at(url: &str) -> Option<String> {
    let name = url.strip_prefix("https://cdn.example.com/")?;
    Some(name.split('?').next()?.to_owned())
}

/// What the vendor knows: the bill is what the promises are checked against.
#[derive(Default)]
pub(super) struct Vendor {
    pub(super) tasks: BTreeMap<String, ModelTask>,
    pub(super) by_token: HashMap<Token, String>,
    pub(super) bill: HashMap<JobKey, Vec<Token>>,
    pub(super) arrivals: Vec<i64>,
    /// Tasks whose id a living process received, in a response or a callback.
    pub(super) reported: BTreeSet<String>,
    /// Songs' tasks whose files are gone.
    pub(super) gone: BTreeSet<String>,
    /// The task that each recovery is to bring back.
    pub(super) recovers: HashMap<JobKey, String>,
}

impl World {
    /// The vendor's side of a submission, and what the network makes of its response.
    ///
    /// It arrives at `left_ms`. What the vendor decides does not depend on the time of day, so that is decided here.
    pub(super) fn post(&mut self, job: JobKey, token: &Token, left_ms: i64) -> SubmitOutcome {
        match self.take(job, token, left_ms) {
            SubmitOutcome::Accepted(_) | SubmitOutcome::Exists { .. }
                if self.troubles.loses_all =>
            {
                SubmitOutcome::InDoubt {
                    reason: "a page of the front".into(),
                    excerpt: None,
                }
            }
            outcome => outcome,
        }
    }

    /// It may take the job and lose the response, or lose the request.
    fn take(&mut self, job: JobKey, token: &Token, left_ms: i64) -> SubmitOutcome {
        let refused = |class| SubmitOutcome::Refused {
            class,
            code: None,
            message: "no".into(),
            retry_after_ms: None,
        };
        if self.chance(4) {
            return SubmitOutcome::NotSent {
                reason: "no route".into(),
            };
        }
        let oldest_ms = self.now - 2 * WINDOW_MS;
        let arrivals = &mut self.vendor.arrivals;
        arrivals.retain(|at_ms| *at_ms > oldest_ms);
        arrivals.push(left_ms);
        arrivals.sort_unstable();
        assert!(
            arrivals
                .windows(5)
                .all(|five| five[4] - five[0] >= WINDOW_MS),
            "seed {}: more than 4 submissions in one window: {arrivals:?}",
            self.seed
        );
        if self.chance(4) {
            return refused(ResponseClass::Wait); // the account's window is checked before anything else
        }
        if self.chance(8) {
            // Others check the account, the parameters or the source first, and know nothing of the token then.
            return match self.dice.below(20) {
                0 => refused(ResponseClass::RefusedRun),
                1 => refused(ResponseClass::StopForCredits),
                2..5 => refused(ResponseClass::WaitLong),
                5..9 => refused(ResponseClass::Refunded),
                _ => refused(ResponseClass::RefusedJob),
            };
        }
        if self.idempotent
            && let Some(id) = self.vendor.by_token.get(token)
        {
            return SubmitOutcome::Accepted(task_id(id));
        }
        if self.chance(3) {
            return match self.dice.below(4) {
                0 => refused(ResponseClass::Wait),
                1 => refused(ResponseClass::WaitLong),
                2 => refused(ResponseClass::Refunded),
                _ => refused(ResponseClass::RefusedJob),
            };
        }
        if self.chance(4) {
            return SubmitOutcome::InDoubt {
                reason: "reset before it was read".into(),
                excerpt: None,
            };
        }
        if Kind::of(&job) == Kind::Wav
            && let Some(existing) = self.existing(job, token)
        {
            return existing;
        }
        let id = format!("task{}", self.vendor.tasks.len());
        self.vendor.bill.entry(job).or_default().push(token.clone());
        self.vendor.by_token.insert(token.clone(), id.clone());
        let made_at = self.now + self.dice.below(60_000).cast_signed();
        let fails = (self.troubles.fails_all || self.chance(4)).then(|| self.dice.chance(50));
        let task = self.draw_task(job, made_at, fails, token);
        self.vendor.tasks.insert(id.clone(), task);
        let may_be_gone = self.recovers && Kind::of(&job) == Kind::Song && !self.troubles.none;
        if may_be_gone && self.dice.chance(20) {
            self.vendor.gone.insert(id.clone());
        }
        if self.callbacks && self.chance(6) {
            // Signed and with a good token, but about another task.
            let wait = self.dice.below(90_000);
            let task = self.wrong_task(&id);
            let token = token.clone();
            self.later(wait, Coming::Callback { token, task });
        }
        if self.callbacks && self.dice.chance(80) {
            for _ in 0..=self.dice.below(2) {
                let wait = self.dice.below(90_000);
                self.later(
                    wait,
                    Coming::Callback {
                        token: token.clone(),
                        task: task_id(&id),
                    },
                );
            }
        }
        if self.chance(1) {
            return SubmitOutcome::InDoubt {
                reason: "reset after it was taken".into(),
                excerpt: None,
            };
        }
        if self.chance(20) {
            // A cache on the way: the response to another submission.
            let other = self.wrong_task(&id);
            if self.vendor.tasks.contains_key(other.as_str()) && self.is_accepted(other.as_str()) {
                return SubmitOutcome::Accepted(other);
            }
        }
        SubmitOutcome::Accepted(task_id(&id))
    }

    /// The refusal of a request whose result exists, because this job or somebody else requested it before.
    fn existing(&mut self, job: JobKey, token: &Token) -> Option<SubmitOutcome> {
        let mut tasks = self.vendor.tasks.iter();
        let made = tasks.find(|(_, task)| task.job == job && task.fails.is_none());
        let id = match made {
            Some((id, _)) => id.clone(),
            None if self.dice.chance(5) => {
                let id = format!("task{}", self.vendor.tasks.len());
                let mut task = self.draw_task(job, self.now, None, token);
                task.price = Credits::ZERO;
                self.vendor.tasks.insert(id.clone(), task);
                id
            }
            None => return None,
        };
        Some(SubmitOutcome::Exists {
            task: self.dice.chance(70).then(|| task_id(&id)),
            code: Some(409),
            message: "it exists".to_owned(),
        })
    }

    /// A task other than `id`: one that nobody knows, or another job's.
    fn wrong_task(&mut self, id: &str) -> TaskId {
        let number = self.dice.below(self.vendor.tasks.len() as u64);
        let other = format!("task{number}");
        let is_other =
            self.vendor.tasks.get(&other).is_some_and(|task| {
                task.job != self.vendor.tasks[id].job && self.is_accepted(&other)
            });
        if is_other {
            task_id(&other)
        } else {
            task_id(&format!("ghost{number}"))
        }
    }

    fn draw_task(
        &mut self,
        job: JobKey,
        made_at: i64,
        fails: Option<bool>,
        token: &Token,
    ) -> ModelTask {
        let kind = Kind::of(&job);
        let odd = match kind {
            Kind::Song => self.faults,
            Kind::Wav | Kind::Stems | Kind::Midi | Kind::Recovery => 0,
        };
        let recovers = self.vendor.recovers.get(&job).cloned();
        let recovered = recovers.as_ref().and_then(|id| self.vendor.tasks.get(id));
        let recovered = recovered.map_or(0, |song| song.makes);
        let born_at = self.now;
        let dice = &mut self.dice;
        let made = match kind {
            Kind::Song => 2,
            Kind::Wav | Kind::Midi => 1,
            Kind::Stems => 2 + dice.below(4) as usize,
            Kind::Recovery => recovered,
        };
        let shows = if dice.chance(odd) {
            1 + dice.below(4) as usize
        } else {
            made
        };
        let short = dice.chance(odd) && shows > 1;
        let makes = if short {
            1 + dice.below(shows as u64 - 1) as usize
        } else {
            shows
        };
        // Shorter than the grace, which is counted from the first poll that reports it.
        let early = if dice.chance(odd) {
            dice.below(Timing::remote(5_000).grace_ms as u64 - 10_000)
        } else {
            0
        };
        ModelTask {
            job,
            born_at,
            made_at,
            fails,
            recovers,
            token: token.clone(),
            price: kind.price(),
            makes,
            shows,
            early_end_until: made_at + early.cast_signed(),
            ids: match dice.chance(odd) {
                false => Ids::Stable,
                true => {
                    let kinds = [Ids::Missing, Ids::Equal, Ids::Changing, Ids::Mixed];
                    kinds[dice.below(4) as usize]
                }
            },
            addresses: match dice.chance(odd) {
                false => Addresses::Plain,
                true => {
                    let kinds = [Addresses::SourceOnly, Addresses::SourceIsGood];
                    kinds[dice.below(2) as usize]
                }
            },
            short: [
                Short::Failed,
                Short::CallbackException,
                Short::Null,
                Short::Gone,
            ][dice.below(4) as usize],
        }
    }

    /// The vendor's side of a poll.
    pub(super) fn schedule_poll(&mut self, id: &TaskId) -> Result<TaskView, EffectError> {
        if self.chance(1) {
            return Err(match self.dice.below(4) {
                0 => EffectError {
                    code: Some(404),
                    ..effect_error(ResponseClass::RefusedRun)
                },
                1 => effect_error(ResponseClass::Wait),
                2 => effect_error(ResponseClass::RefusedJob),
                _ => effect_error(ResponseClass::InDoubt),
            });
        }
        let Some(task) = self.vendor.tasks.get(id.as_str()) else {
            return Ok(TaskView {
                task_id: id.clone(),
                stage: Stage::Unknown,
                tracks: Vec::new(),
                missing: Vec::new(),
            });
        };
        let usual = self.tracks();
        let dice = &mut self.dice;
        let ids = match task.ids {
            Ids::Mixed => {
                [Ids::Stable, Ids::Missing, Ids::Equal, Ids::Changing][dice.below(4) as usize]
            }
            ids => ids,
        };
        let (poll, signature) = (dice.roll(), dice.roll());
        let kind = Kind::of(&task.job);
        // What a recovery shows are the tracks of the song.
        let (shown_id, shown_ids) = match &task.recovers {
            Some(song) => match self.vendor.tasks[song].ids {
                Ids::Stable => (song.as_str(), Ids::Stable),
                _ => (song.as_str(), Ids::Missing),
            },
            None => (id.as_str(), ids),
        };
        let is_gone = self.vendor.gone.contains(id.as_str());
        let track = |n: usize, available: bool| {
            if kind == Kind::Midi {
                return Track {
                    artefact: Some("midi".to_owned()),
                    notes: Some(Arc::default()),
                    ..Track::default()
                };
            }
            let url = format!("https://cdn.example.com/{shown_id}-{n}.mp3?signature={signature}");
            let dead = format!("https://dead.example.com/{id}-{n}.mp3");
            let url = if is_gone {
                format!("{dead}?source")
            } else {
                url
            };
            let (audio, source) = match task.addresses {
                Addresses::Plain => (Some(url), None),
                Addresses::SourceOnly => (None, Some(url)),
                Addresses::SourceIsGood => (Some(dead), Some(url)),
            };
            Track {
                artefact: matches!(kind, Kind::Wav | Kind::Stems).then(|| format!("part{n}")),
                id: match shown_ids {
                    Ids::Stable | Ids::Mixed => format!("{shown_id}-{n}"),
                    Ids::Missing => String::new(),
                    Ids::Equal => "equal".to_owned(),
                    Ids::Changing => format!("{n}-{poll}"),
                },
                audio_url: audio.filter(|_| available),
                source_audio_url: source.filter(|_| available),
                ..Track::default()
            }
        };
        let message = "over".to_owned();
        let failed = |refunded| Stage::Failed {
            code: Some(500),
            message: "no luck".into(),
            refunded,
        };
        let incomplete = || Stage::Incomplete {
            code: None,
            message: message.clone(),
            refunded: false,
        };
        let list = |shown: usize, available: usize| -> Vec<Track> {
            (0..shown).map(|n| track(n, n < available)).collect()
        };
        let (stage, tracks) = if self.now < task.made_at {
            let stages = if kind == Kind::Song { 6 } else { 2 };
            match dice.below(stages) {
                0 if self.now < task.born_at + BECOMES_KNOWN_MS => (Stage::Unknown, Vec::new()),
                0 | 1 => (Stage::Pending, Vec::new()),
                2 => (Stage::Text, list(task.shows, 0)),
                3 => (Stage::First, list(1, 1)),
                // The first track's address at every place.
                4 => {
                    let mut all = list(task.shows, task.shows);
                    let first = all[0].clone();
                    for track in &mut all {
                        track.audio_url.clone_from(&first.audio_url);
                        track.source_audio_url.clone_from(&first.source_audio_url);
                    }
                    (Stage::First, all)
                }
                _ => (Stage::First, list(task.shows, 1)),
            }
        } else if let Some(refunded) = task.fails {
            // Some of what was shown before may have been heard of already: then the task ends as partial.
            (failed(refunded), Vec::new())
        } else if self.now < task.early_end_until {
            let available = dice.below(task.makes as u64) as usize;
            match dice.below(4) {
                0 => (incomplete(), list(task.shows, available)),
                2 if task.makes > 1 && usual > 1 => (Stage::Complete, list(1, 1)),
                1 if available > 0 => (failed(false), list(task.shows, available)),
                _ => (incomplete(), list(task.shows, 0)),
            }
        } else if task.makes < task.shows {
            let shown = list(task.shows, task.makes);
            match task.short {
                Short::Failed => (failed(false), shown),
                Short::CallbackException | Short::Null => (incomplete(), shown),
                Short::Gone => (Stage::Complete, list(task.makes, task.makes)),
            }
        } else {
            (Stage::Complete, list(task.shows, task.shows))
        };
        Ok(TaskView {
            task_id: id.clone(),
            stage,
            tracks,
            missing: Vec::new(),
        })
    }
}
