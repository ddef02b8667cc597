//! A misbehaviour plan: parsing and checking.

use serde::{Deserialize, Serialize};

use super::fault::{Fault, FileFault, FileKind, PollResponse, SubmitFault};
use super::reply::Reply;
use super::times::Times;

/// Largest plan in bytes: about a thousand rules.
const PLAN_BYTES: usize = 256 * 1024;
/// Most files of one task: the stems of a step.
const MOST_FILES: u8 = 16;
/// Most rules of one plan: each is evaluated for every submission.
const RULES: usize = 1000;

/// A misbehaviour plan; see the [module](super) for its format.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Misbehaviour {
    version: u32,
    /// The seed of all chance.
    #[serde(default)]
    pub(crate) seed: u64,
    #[serde(default)]
    pub(crate) idempotency: Switch,
    #[serde(default)]
    pub(crate) codes: Codes,
    /// The key with which callbacks are signed, as kie signs them.
    pub(crate) callback_key: Option<String>,
    /// Replies to calls that are not about a submission.
    #[serde(default)]
    pub(crate) other_calls: OtherCalls,
    #[serde(default)]
    pub(crate) rules: Vec<Rule>,
}

/// Whether something is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Switch {
    #[default]
    On,
    Off,
}

/// The vendor whose codes the refusals use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Codes {
    #[default]
    Sunoapi,
    Kie,
}

/// Replies to calls that are not about a submission.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OtherCalls {
    /// Record-info of an unknown task.
    pub(crate) unknown_task: Option<OtherCall>,
    /// The balance.
    pub(crate) credits: Option<OtherCall>,
    /// Uploads, of every kind.
    pub(crate) uploads: Option<OtherCall>,
}

/// A reply to the first calls of a kind since the start of the studio.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OtherCall {
    /// The response.
    pub(crate) reply: Reply,
    /// How often it is sent.
    #[serde(default)]
    pub(crate) times: Times,
}

/// A rule: submissions and their faults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(default)]
    pub(crate) when: When,
    #[serde(rename = "do")]
    pub(crate) faults: Vec<Fault>,
}

/// The conditions of a rule; a submission must meet all of them.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct When {
    /// The submissions with these numbers, counted from 1.
    pub(crate) nth: Option<Vec<u64>>,
    /// Every nth submission.
    pub(crate) every: Option<u64>,
    /// From this number on.
    pub(crate) from: Option<u64>,
    /// Up to and including this number.
    pub(crate) to: Option<u64>,
    /// The operation: `add-instrumental`, `wav`, `stems`, `midi` or `recovery`; `*` matches anything.
    pub(crate) operation: Option<String>,
    /// The title; `*` matches anything.
    pub(crate) title: Option<String>,
    /// The tags; `*` matches anything.
    pub(crate) tags: Option<String>,
    /// The `Idempotency-Key` or the last segment of the callback address; `*` matches anything.
    pub(crate) token: Option<String>,
    /// The probability, 0 to 1.
    pub(crate) chance: Option<f64>,
    /// The rule applies to no more than this many submissions.
    pub(crate) times: Option<u32>,
}

/// Why a plan is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It is too large.
    #[error("it has {0} bytes, at most {PLAN_BYTES} are read")]
    TooLarge(usize),
    /// It is not YAML, or not a plan.
    #[error("{message}")]
    Unreadable {
        /// What is wrong, with its line and column.
        message: String,
        /// The lines around it; empty if there are none to show.
        excerpt: String,
    },
    /// It can be parsed but is inconsistent; one sentence for each mistake.
    #[error("{}", .0.join("; "))]
    Senseless(Vec<String>),
}

impl PlanError {
    /// Splits the parser's error into the message and the excerpt; drops the repeated place and message.
    fn unreadable(error: &str) -> Self {
        let mut lines = error.trim_end().lines();
        let first = lines.next().unwrap_or_default();
        let message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
        let excerpt: Vec<&str> = lines
            .filter(|line| !line.trim_start().starts_with("-->"))
            .map(|line| match line.split_once('^') {
                Some((before, _)) => &line[..before.len() + 1],
                None => line,
            })
            .collect();
        Self::Unreadable {
            message,
            excerpt: excerpt.join("\n"),
        }
    }
}

impl Misbehaviour {
    /// Reads a plan from its YAML text.
    ///
    /// # Errors
    /// When it can't be executed exactly as written.
    pub fn parse(text: &str) -> Result<Misbehaviour, PlanError> {
        if text.len() > PLAN_BYTES {
            return Err(PlanError::TooLarge(text.len()));
        }
        let plan: Misbehaviour = serde_yaml::from_str(text)
            .map_err(|error| PlanError::unreadable(&error.to_string()))?;
        let mistakes = plan.mistakes();
        if mistakes.is_empty() {
            Ok(plan)
        } else {
            Err(PlanError::Senseless(mistakes))
        }
    }

    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.version != 1 {
            mistakes.push(format!(
                "version is {}, this program knows version 1",
                self.version
            ));
        }
        if self.callback_key.as_deref() == Some("") {
            mistakes.push("callback_key is empty".to_owned());
        }
        let calls = &self.other_calls;
        for call in [&calls.unknown_task, &calls.credits, &calls.uploads] {
            mistakes.extend(call.as_ref().and_then(|call| call.reply.mistake()));
        }
        if self.rules.len() > RULES {
            mistakes.push(format!(
                "there are {} rules, at most {RULES} are taken",
                self.rules.len()
            ));
        }
        for (rule, number) in self.rules.iter().zip(1..) {
            let found = rule.when.mistakes().into_iter();
            let found = found.chain(rule.faults.iter().filter_map(Fault::mistake));
            mistakes.extend(found.map(|mistake| format!("rule {number}: {mistake}")));
            if rule.faults.is_empty() {
                mistakes.push(format!("rule {number}: `do` names no fault"));
            }
        }
        mistakes
    }
}

impl Rule {
    /// Identifies the rule in counters, independent of its position in the plan.
    pub(crate) fn digest(&self) -> [u8; 32] {
        blake3::hash(format!("{self:?}").as_bytes()).into()
    }
}

impl When {
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut check = |holds: bool, mistake: &str| {
            if !holds {
                mistakes.push(mistake.to_owned());
            }
        };
        let counted = |number: &u64| *number >= 1;
        check(
            self.nth
                .as_ref()
                .is_none_or(|nth| !nth.is_empty() && nth.iter().all(counted)),
            "`nth` must list numbers from 1 on",
        );
        check(
            self.every.as_ref().is_none_or(counted),
            "`every` must be at least 1",
        );
        check(
            self.to.as_ref().is_none_or(counted)
                && self.to.is_none_or(|to| self.from.unwrap_or(1) <= to),
            "`to` must not lie before `from`",
        );
        check(
            self.chance
                .is_none_or(|chance| (0.0..=1.0).contains(&chance)),
            "`chance` must lie between 0 and 1",
        );
        check(self.times != Some(0), "`times` must be at least 1");
        mistakes
    }
}

impl Fault {
    fn mistake(&self) -> Option<String> {
        match self {
            Fault::Refuse(refuse) if !(201..=599).contains(&refuse.code) => Some(format!(
                "`refuse` needs a code between 201 and 599, not {}",
                refuse.code
            )),
            Fault::Stages(0) => Some("`stages` must be at least 1".to_owned()),
            Fault::Fail(fail) if fail.code == 200 => {
                Some("`fail` with code 200 is none".to_owned())
            }
            Fault::Status(status) if status.name.is_empty() => {
                Some("`status` needs a `name`".to_owned())
            }
            Fault::Response(SubmitFault::Reply(reply)) => reply.mistake(),
            Fault::Poll(poll) => match &poll.response {
                PollResponse::Reply(reply) => reply.mistake(),
                _ => None,
            },
            Fault::Details(steps) if steps.is_empty() => Some("`details` lists no step".to_owned()),
            Fault::Details(steps) => steps.iter().find_map(|step| step.mistake()),
            Fault::MalformedJson(malformed) if malformed.places.is_empty() => {
                Some("`in` of `malformed_json` lists no place".to_owned())
            }
            Fault::DurationS(duration_s) if !duration_s.is_finite() || *duration_s < 0.0 => {
                Some("`duration_s` must be 0 or more".to_owned())
            }
            Fault::File(file) => file.mistake(),
            Fault::LostTrack(lost) if lost.reason.is_empty() => {
                Some("`lost_track` needs a `reason`".to_owned())
            }
            _ => None,
        }
    }
}

impl FileFault {
    fn mistake(&self) -> Option<String> {
        let is = |kind| self.kind == kind;
        let status_is_an_error = |status: u16| (400..=599).contains(&status);
        [
            (
                self.track
                    .is_none_or(|track| (1..=MOST_FILES).contains(&track)),
                "`file` knows tracks 1 and 2 of a song, and at most 16 files of a step",
            ),
            (
                (self.status.is_none() && self.retry_after_s.is_none()) || is(FileKind::Dead),
                "`status` and `retry_after_s` go with `kind: dead` only",
            ),
            (
                self.status.is_none_or(status_is_an_error),
                "a dead link's status lies between 400 and 599",
            ),
            (
                self.to.is_none() || is(FileKind::Redirect),
                "`to` goes with `kind: redirect` only",
            ),
            (
                self.bytes_per_s.is_some() == is(FileKind::Trickle),
                "`bytes_per_s` goes with `kind: trickle`, and that needs it",
            ),
            (
                self.bytes_per_s != Some(0),
                "`bytes_per_s` must be at least 1",
            ),
        ]
        .into_iter()
        .find_map(|(holds, mistake)| (!holds).then(|| mistake.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_is_written() {
        let plan = Misbehaviour::parse(
            "version: 1\nseed: 7\nidempotency: off\ncodes: kie\nrules:\n  - when: {nth: [2]}\n    do:\n      - response: drop\n      - null_urls: 2\n      - unknown: forever\n      - numeric_times\n",
        )
        .unwrap();
        assert_eq!(
            (plan.seed, plan.idempotency, plan.codes),
            (7, Switch::Off, Codes::Kie)
        );
        assert_eq!(plan.rules.len(), 1);
        assert_eq!(plan.rules[0].faults.len(), 4);
    }

    #[test]
    fn the_names_of_older_plans_mean_the_same() {
        let plan = |faults: &str| {
            let rules = format!("version: 1\nrules: [{{do: [{faults}]}}]");
            Misbehaviour::parse(&rules).unwrap().rules
        };
        for (older, newer) in [
            ("{answer: drop}", "{response: drop}"),
            ("{answer_late_ms: 40}", "{response_late_ms: 40}"),
            (
                "{look: {answer: too_often, looks: 2}}",
                "{poll: {response: too_often, polls: 2}}",
            ),
            (
                "{status: {word: REMIXING, looks: 1}}",
                "{status: {name: REMIXING, polls: 1}}",
            ),
            (
                "{callbacks: {before_answer: true}}",
                "{callbacks: {before_response: true}}",
            ),
        ] {
            assert_eq!(plan(older), plan(newer));
        }
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = Misbehaviour::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?} gave {error:?}");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        refused("version: 2", "version is 2");
        refused("seed: 1", "version");
        refused("version: 1\nrulez: []", "rulez");
        refused("version: 1\nrulez: []", "line 2");
        refused("version: 1\nrules:\n  - do: [explode]", "explode");
        refused(
            "version: 1\nrules:\n  - when: {nht: [1]}\n    do: [drop_request]",
            "nht",
        );
        refused("version: 1\nrules:\n  - do: [{response: dorp}]", "dorp");
        refused("version: 1\nrules:\n  - do: [{null_urls: 0}]", "above 0");
        refused("version: 1\nrules:\n  - do: [{null_urls: ever}]", "forever");
        refused("version: 1\nversion: 1", "version");
    }

    #[test]
    fn the_message_is_one_line_and_the_excerpt_has_the_place() {
        let text = "version: 1\nrules:\n  - wen: 5\n    do: [drop_request]\n";
        let PlanError::Unreadable { message, excerpt } = Misbehaviour::parse(text).unwrap_err()
        else {
            panic!("it can't be read")
        };
        assert_eq!(
            message,
            "line 3 column 5: unknown field `wen`, expected one of when, do"
        );
        assert!(excerpt.contains("3 |   - wen: 5\n"), "{excerpt}");
        assert!(
            excerpt.contains("    ^\n") && !excerpt.contains("unknown"),
            "{excerpt}"
        );
    }

    #[test]
    fn all_senseless_rules_are_reported_at_once() {
        let text = "version: 1\nrules:\n  - do: []\n  - when: {chance: 1.5, every: 0}\n    do: [{refuse: {code: 200}}]\n  - do: [{file: {kind: empty, status: 404}}]\n";
        let PlanError::Senseless(mistakes) = Misbehaviour::parse(text).unwrap_err() else {
            panic!("it can be read")
        };
        assert_eq!(
            mistakes,
            [
                "rule 1: `do` names no fault",
                "rule 2: `every` must be at least 1",
                "rule 2: `chance` must lie between 0 and 1",
                "rule 2: `refuse` needs a code between 201 and 599, not 200",
                "rule 3: `status` and `retry_after_s` go with `kind: dead` only",
            ]
        );
    }
}
