//! Runs that several processes carry out: each is given songs, with all of their steps, one at a time.
//!
//! ```text
//!  give ──► the jobs are resumed as at the start of a run ──► over: nothing is left to do for the song here
//! ```
//!
//! Every process has a slot for each job of the plan, and knows the state of those that it was given. The run ends when none is left to
//! give; the process that began it then reads all jobs and says how it ended.

use super::*;

/// Whether other processes carry out jobs of the run as well.
#[derive(Debug)]
pub(super) enum Sharing {
    /// No.
    Alone,
    /// Yes, and songs may still be given.
    Open {
        /// What is to be done when a job is given first.
        to_resume: HashMap<usize, ToResume>,
        /// What the jobs had cost before the run, in credits.
        credits_before: Credits,
    },
    /// None is left to give.
    Over,
}

/// Why nothing is left to do for a song.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// It is carried out as far as this run can.
    Done,
    /// Another process has changed it, or this one buys nothing more: it is to be given anew.
    Left,
}

impl Sharing {
    pub(super) fn of(is_shared: bool, jobs: &[ResumedJob]) -> Self {
        match is_shared {
            false => Self::Alone,
            true => Self::Open {
                to_resume: HashMap::new(),
                credits_before: jobs.iter().map(|job| job.job.credits).sum(),
            },
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    pub(super) fn keep(&mut self, job: ToResume) {
        if let Self::Open { to_resume, .. } = self {
            to_resume.insert(job.at, job);
        }
    }

    fn take(&mut self, at: usize) -> Option<ToResume> {
        match self {
            Self::Open { to_resume, .. } => to_resume.remove(&at),
            Self::Alone | Self::Over => None,
        }
    }
}

impl Conductor {
    /// The place of a job's song, and those of all of its steps.
    pub(super) fn family(&self, at: usize) -> std::ops::Range<usize> {
        let mut song = at;
        while let Some((above, _)) = self.parent(song) {
            song = above;
        }
        let steps = &self.slots[song + 1..];
        let is_step = |slot: &&JobSlot| matches!(slot.input, SlotInput::Step { .. });
        song..song + 1 + steps.iter().take_while(is_step).count()
    }

    /// The keys of a song and its steps; none where the plan has no such song.
    pub(crate) fn family_of(&self, song: &JobKey) -> Vec<JobKey> {
        let at = self.slot_of.get(song).copied();
        let members = at.map_or(0..0, |at| self.family(at));
        members.map(|at| self.slots[at].key).collect()
    }

    /// The song of a job of the plan.
    pub(crate) fn song_of(&self, job: &JobKey) -> Option<JobKey> {
        let at = self.slot_of.get(job)?;
        Some(self.slots[self.family(*at).start].key)
    }

    /// Takes a song and its steps, as the store has them now.
    pub(crate) fn give(
        &mut self,
        now_ms: i64,
        jobs: Vec<(JobKey, Option<KnownJob>)>,
        decision: &mut Decision,
    ) {
        let mut given = Vec::with_capacity(jobs.len());
        for (key, known) in jobs {
            let Some(&at) = self.slot_of.get(&key) else {
                continue;
            };
            let known = known.unwrap_or_default();
            let first = self.sharing.take(at);
            let slot = &mut self.slots[at];
            let is_as_planned = slot.version == known.version;
            if first.is_none() {
                // It was given before.
                self.reserved -= slot.job.reserved;
            }
            slot.elsewhere = match known.account == self.config.account {
                true => None,
                false => Some(known.account).filter(|account| !account.is_empty()),
            };
            slot.hook_progress = match known.job.attempts {
                0 => HookProgress::Nothing,
                _ => HookProgress::All,
            };
            (slot.job, slot.version) = (known.job, known.version);
            (slot.is_taken, slot.given_up) = (false, false);
            (slot.is_with_hooks, slot.submitted) = (false, false);
            (slot.delays, slot.retries) = (0, 0);
            slot.followed_since_ms = now_ms;
            slot.following = FollowedTask::default();
            (slot.claim_in_poll, slot.claim_tries, slot.claims_left) = (None, 0, 0);
            self.reserved += slot.job.reserved;
            self.in_flight += usize::from(slot.holds_place());
            self.index.take_in(key, &self.slots[at].job);
            self.note_doubt(at, now_ms);
            let first = first.filter(|_| is_as_planned);
            given.push(first.unwrap_or(ToResume {
                at,
                missing: Vec::new(),
                refusal: None,
            }));
        }
        for next in given {
            self.resume_one(next, now_ms, decision);
        }
    }

    /// Whether nothing is left to do for a song that was given, once none of its effects is under way; then it is let go.
    pub(crate) fn song_over(&mut self, song: &JobKey, now_ms: i64) -> Option<Over> {
        let &at = self.slot_of.get(song)?;
        let members = self.family(at);
        if members.clone().any(|at| !self.is_idle(at, now_ms)) {
            return None;
        }
        let is_left = members.clone().any(|at| self.slots[at].is_taken);
        let buys = matches!(self.mode, Mode::Running);
        for at in members.filter(|_| !is_left) {
            self.let_go(at);
        }
        Some(match !is_left && buys {
            true => Over::Done,
            false => Over::Left,
        })
    }

    /// None is left to give: takes the states that all jobs have in the store now.
    pub(crate) fn end_sharing(&mut self, mut jobs: HashMap<JobKey, KnownJob>) {
        if let Sharing::Open { credits_before, .. } =
            std::mem::replace(&mut self.sharing, Sharing::Over)
        {
            for slot in &mut self.slots {
                slot.job = jobs.remove(&slot.key).unwrap_or_default().job;
            }
            let credits: Credits = self.slots.iter().map(|slot| slot.job.credits).sum();
            self.spent = credits - credits_before;
            self.reserved = self.slots.iter().map(|slot| slot.job.reserved).sum();
            self.spent_by_others = Credits::ZERO;
        }
    }

    /// After all processes are done: what a job would buy that the credits do not cover.
    pub(super) fn left_unbought(&self) -> Option<usize> {
        if !matches!(self.sharing, Sharing::Over) {
            return None;
        }
        let mut left = (0..self.slots.len()).filter(|at| {
            matches!(self.slots[*at].job.phase, Phase::Planned | Phase::Failed(_))
                && self.slots[*at].selected
                && self.may_be_bought(*at)
                && !self.waits_for_parent(*at)
                && !self.affords(self.slots[*at].offer)
        });
        left.next().map(|at| self.slots[at].offer)
    }

    /// Whether nothing happens by itself for a job, nor is to be bought within the credits.
    fn is_idle(&self, at: usize, now_ms: i64) -> bool {
        let slot = &self.slots[at];
        if slot.is_taken {
            return true;
        }
        let follows = slot.poll_at.is_some()
            || slot.claim_poll_at.is_some()
            || slot.following.fetch_at.is_some();
        let hears = self.config.hears_callbacks && self.doubts.lasts(at, now_ms);
        if follows || hears {
            return self.is_draining();
        }
        if !matches!(self.mode, Mode::Running) {
            return true;
        }
        let is_prepared = match slot.input {
            SlotInput::Stem(stem) => self.stems[stem].state != StemState::Failed,
            SlotInput::Step { .. } => {
                matches!(self.step_input(at), Some(crate::job::StepInput::Ready(_)))
            }
        };
        let waits = match slot.input {
            SlotInput::Stem(stem) => {
                let waiting = self.waiting.get(&stem);
                waiting.is_some_and(|waiting| waiting.contains(&at))
            }
            SlotInput::Step { .. } => false,
        };
        let is_queued = self.ready.contains(at, slot.offer)
            || self.undecided_submit.contains(at, slot.offer)
            || self.undecided_upload.contains(&at)
            || slot.is_with_hooks
            || waits;
        let repeats = self.again.contains(at);
        !(is_prepared && (repeats || is_queued && self.affords(slot.offer)))
    }
}
