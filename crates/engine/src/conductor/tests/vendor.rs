//! A model of the vendor: it takes jobs, loses answers, refuses, stalls, fails and calls back, as the seed has it.

use super::*;

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
    pub(super) made_at: i64,
    pub(super) fails: Option<bool>,
    pub(super) token: Token,
}

/// What the vendor knows: the bill is what the promises are checked against.
#[derive(Default)]
pub(super) struct Vendor {
    pub(super) tasks: BTreeMap<String, ModelTask>,
    pub(super) by_token: HashMap<Token, String>,
    pub(super) bill: HashMap<JobKey, Vec<Token>>,
    pub(super) arrivals: Vec<i64>,
    /// Tasks whose id a living process was told, by an answer or a callback.
    pub(super) told: BTreeSet<String>,
}

impl World {
    /// The vendor's side of a submission: it may take the job and lose the answer, or lose the request.
    pub(super) fn post(&mut self, job: JobKey, token: &Token) -> SubmitOutcome {
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
        self.vendor.arrivals.push(self.now);
        let inside = self
            .vendor
            .arrivals
            .iter()
            .filter(|at| self.now - **at < WINDOW_MS)
            .count();
        assert!(
            inside <= 4,
            "seed {}: {inside} submissions in one window",
            self.seed
        );
        if self.chance(4) {
            return refused(AnswerClass::Wait); // the account's window is looked at before anything else
        }
        if self.chance(8) {
            // Others look at the account, the parameters or the source first, and know nothing of the token then.
            return match self.dice.below(20) {
                0 => refused(AnswerClass::RefusedRun),
                1 => refused(AnswerClass::StopForCredits),
                2..5 => refused(AnswerClass::WaitLong),
                5..9 => refused(AnswerClass::Refunded),
                _ => refused(AnswerClass::RefusedJob),
            };
        }
        if self.idempotent
            && let Some(id) = self.vendor.by_token.get(token)
        {
            return SubmitOutcome::Accepted(task_id(id));
        }
        if self.chance(3) {
            return match self.dice.below(4) {
                0 => refused(AnswerClass::Wait),
                1 => refused(AnswerClass::WaitLong),
                2 => refused(AnswerClass::Refunded),
                _ => refused(AnswerClass::RefusedJob),
            };
        }
        if self.chance(4) {
            return SubmitOutcome::InDoubt {
                reason: "reset before it was read".into(),
                excerpt: None,
            };
        }
        let id = format!("task{}", self.vendor.tasks.len());
        self.vendor.bill.entry(job).or_default().push(token.clone());
        self.vendor.by_token.insert(token.clone(), id.clone());
        let made_at = self.now + self.dice.below(60_000).cast_signed();
        let fails = self.chance(4).then(|| self.dice.chance(50));
        self.vendor.tasks.insert(
            id.clone(),
            ModelTask {
                job,
                made_at,
                fails,
                token: token.clone(),
            },
        );
        if self.callbacks && self.dice.chance(80) {
            for _ in 0..=self.dice.below(2) {
                let wait = self.dice.below(90_000);
                self.later(
                    wait,
                    Input::Called {
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
        SubmitOutcome::Accepted(task_id(&id))
    }

    pub(super) fn look(&mut self, id: &TaskId) -> TaskView {
        let task = &self.vendor.tasks[id.as_str()];
        let track = |n: usize, url: bool| Track {
            id: format!("{id}-{n}"),
            audio_url: url.then(|| format!("https://cdn.example.com/{id}-{n}.mp3?signed=1")),
            ..Track::default()
        };
        let stage = match (self.now >= task.made_at, task.fails) {
            (true, Some(refunded)) => Stage::Failed {
                code: Some(500),
                message: "no luck".into(),
                refunded,
            },
            (true, None) => Stage::Complete,
            (false, _) => match self.dice.below(4) {
                0 => Stage::Unknown,
                1 => Stage::Pending,
                2 => Stage::Text,
                _ => Stage::First,
            },
        };
        let tracks = match stage {
            Stage::Complete => vec![track(1, true), track(2, true)],
            Stage::First => vec![track(1, true), track(2, false)],
            _ => Vec::new(),
        };
        TaskView {
            task_id: id.clone(),
            stage,
            tracks,
        }
    }
}
