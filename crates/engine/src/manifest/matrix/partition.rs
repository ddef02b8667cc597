//! `--partition`: one of several parts of a plan, each for a machine with a ledger of its own.
//!
//! A song's part follows from its key, so the parts stay the same when songs are added to the manifest or moved in it. Steps are in the
//! part of their song. The account's limits are divided among the parts: together they stay within them.

use std::fmt;
use std::str::FromStr;

use crate::manifest::source::report::Report;
use crate::plan::{Limits, PlannedJob, Rate};
use crate::settings::JobKey;

/// How the command line writes it: `hash:2/5`.
const HASH: &str = "hash:";

/// Most parts.
const MAX_PARTS: u32 = 10_000;

/// One part of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Which one, from 1.
    number: u32,
    /// How many there are.
    parts: u32,
}

/// A text that is not a partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a partition is `hash:M/N`, as `hash:2/5` for the second of five parts, with M from 1 to N and N up to {MAX_PARTS}"
)]
pub struct NotAPartition;

impl FromStr for Partition {
    type Err = NotAPartition;

    fn from_str(text: &str) -> Result<Self, NotAPartition> {
        let numbers = text.strip_prefix(HASH).and_then(|it| it.split_once('/'));
        let (number, parts) = numbers.ok_or(NotAPartition)?;
        let whole = |text: &str| text.parse::<u32>().map_err(|_| NotAPartition);
        let (number, parts) = (whole(number)?, whole(parts)?);
        match (1..=parts).contains(&number) && parts <= MAX_PARTS {
            true => Ok(Self { number, parts }),
            false => Err(NotAPartition),
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HASH}{}/{}", self.number, self.parts)
    }
}

impl Partition {
    /// Whether a song with this key is in the part. Keys are hashes, so the parts are of about the same size.
    pub(crate) fn has(self, song: &JobKey) -> bool {
        let mut first = [0; 8];
        first.copy_from_slice(&song.to_bytes()[..8]);
        u64::from_be_bytes(first) % u64::from(self.parts) == u64::from(self.number - 1)
    }

    /// Keeps the part's songs, each with its steps. Steps are behind their song.
    pub(crate) fn retain(self, jobs: &mut Vec<PlannedJob>) {
        let mut has_song = false;
        jobs.retain(|job| {
            if job.step.is_none() {
                has_song = self.has(&job.key);
            }
            has_song
        });
    }

    /// The part's share of a manifest's limits. Numbers that can't be divided evenly are one larger in the first parts, and credits are
    /// rounded down to thousandths.
    pub(crate) fn share(self, limits: Limits, report: &mut Report) -> Limits {
        for (what, whole) in [
            ("limits.rate", limits.rate.count),
            ("limits.concurrency", limits.concurrency),
        ] {
            if whole < self.parts {
                report
                    .error(format!(
                        "`{what}` is {whole}, which {} partitions can't share",
                        self.parts
                    ))
                    .help(format!("use at most {whole} partitions"));
            }
        }
        let number = |whole: u32| match whole {
            // No limit.
            u32::MAX => whole,
            _ => whole / self.parts + u32::from(self.number <= whole % self.parts),
        };
        let credits = |whole: f64| (whole * 1_000.0 / f64::from(self.parts)).floor() / 1_000.0;
        Limits {
            concurrency: number(limits.concurrency),
            rate: Rate {
                count: number(limits.rate.count),
                ..limits.rate
            },
            credits: limits.credits.map(credits),
            ledger_credits: limits.ledger_credits.map(credits),
            ..limits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::source::files::Sources;

    fn part(text: &str) -> Partition {
        text.parse().unwrap()
    }

    fn limits(concurrency: u32, count: u32) -> Limits {
        Limits {
            concurrency,
            rate: Rate {
                count,
                window_ms: 10_000,
            },
            credits: Some(100.0),
            ledger_credits: None,
            failures_in_a_row: 5,
            deadline_ms: None,
        }
    }

    #[test]
    fn a_partition_is_written_as_it_is_read() {
        assert_eq!(part("hash:2/5").to_string(), "hash:2/5");
        for wrong in [
            "2/5",
            "hash:0/5",
            "hash:6/5",
            "hash:1/0",
            "hash:1",
            "hash:-1/5",
            "slice:1/2",
            "hash:1/10001",
        ] {
            assert_eq!(wrong.parse::<Partition>(), Err(NotAPartition), "{wrong}");
        }
    }

    #[test]
    fn each_key_is_in_one_part_and_the_parts_are_of_about_one_size() {
        let mut sizes = [0_u32; 5];
        for n in 0_u32..5_000 {
            let key = JobKey::from_bytes(*blake3::hash(&n.to_le_bytes()).as_bytes());
            let of = (1..=5).filter(|number| part(&format!("hash:{number}/5")).has(&key));
            let of: Vec<u32> = of.collect();
            assert_eq!(of.len(), 1, "{of:?}");
            sizes[of[0] as usize - 1] += 1;
        }
        // 1,000 ± 5 standard deviations.
        assert!(
            sizes.iter().all(|size| (860..1_140).contains(size)),
            "{sizes:?}"
        );
    }

    #[test]
    fn the_parts_stay_within_the_limits_together() {
        let mut report = Report::new(Sources::new(None));
        let whole = limits(8, 20);
        let parts: Vec<Limits> = (1..=3)
            .map(|number| part(&format!("hash:{number}/3")).share(whole, &mut report))
            .collect();
        let counts: Vec<u32> = parts.iter().map(|it| it.rate.count).collect();
        assert_eq!(counts, [7, 7, 6]);
        let tasks: Vec<u32> = parts.iter().map(|it| it.concurrency).collect();
        assert_eq!(tasks, [3, 3, 2]);
        assert!(parts.iter().all(|it| it.credits == Some(33.333)));
        assert_eq!(report.errors(), 0);
        part("hash:1/9").share(whole, &mut report);
        assert_eq!(report.errors(), 1, "eight tasks for nine parts");
    }
}
