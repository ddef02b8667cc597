//! Sums of ratings: by preset, and by the values of each swept setting.
//!
//! A comparison of two tracks counts for a preset or a value only if the two sides differ in it. The HTML page sums its
//! comparisons in the same way (`assets/tally.js`), and a browser test compares the figures.

use std::collections::HashMap;

use backline_engine::summary::{Better, JobSummary, Summary};
use indexmap::IndexMap;

use crate::text::wilson;

/// The name of the first grouping; the others are swept settings.
const PRESET: &str = "preset";

/// The ratings of the tracks that share a preset or a value of a swept setting.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Preference {
    /// Number of all tracks, and of the rated ones.
    pub(crate) tracks: u64,
    pub(crate) rated: u64,
    /// Number of starred tracks.
    pub(crate) stars: u64,
    /// Number of comparisons with tracks of another value: won, lost, and without a difference.
    pub(crate) won: u64,
    pub(crate) lost: u64,
    pub(crate) same: u64,
}

impl Preference {
    /// The share of comparisons that were won, with its 95 % interval. A comparison without a difference counts half.
    pub(crate) fn share(&self) -> Option<(f64, f64, f64)> {
        let number = self.won + self.lost + self.same;
        if number == 0 {
            return None;
        }
        let share = (self.won as f64 + self.same as f64 / 2.0) / number as f64;
        let (low, high) = wilson(share, number as f64);
        Some((share, low, high))
    }
}

/// A job's value for each name that tracks are grouped by.
fn values(job: &JobSummary) -> impl Iterator<Item = (&str, &str)> {
    let sweep = job.sweep.iter();
    let sweep = sweep.map(|(name, value)| (name.as_str(), value.as_str()));
    std::iter::once((PRESET, &*job.preset)).chain(sweep)
}

/// The ratings by preset, then by the values of each swept setting; empty if nothing is rated.
pub(crate) fn preferences(summary: &Summary) -> IndexMap<(&str, &str), Preference> {
    let mut all: IndexMap<(&str, &str), Preference> = IndexMap::new();
    let jobs: HashMap<&str, &JobSummary> = summary
        .jobs
        .iter()
        .map(|job| (job.key.as_str(), job))
        .collect();
    for job in &summary.jobs {
        let ratings = || job.tracks.iter().filter_map(|track| track.rating.as_ref());
        for group in values(job) {
            let it = all.entry(group).or_default();
            it.tracks += job.tracks.len() as u64;
            it.rated += ratings().count() as u64;
            it.stars += ratings().filter(|rating| rating.star).count() as u64;
        }
    }
    for comparison in &summary.comparisons {
        let side = |(key, _): &(String, u32)| jobs.get(key.as_str()).copied();
        let (Some(a), Some(b)) = (side(&comparison.a), side(&comparison.b)) else {
            continue;
        };
        for (name, of_a) in values(a) {
            let Some((_, of_b)) = values(b).find(|(other, _)| *other == name) else {
                continue;
            };
            if of_a == of_b {
                continue;
            }
            for (value, wins) in [(of_a, Better::A), (of_b, Better::B)] {
                let it = all.entry((name, value)).or_default();
                match comparison.better {
                    Better::Same => it.same += 1,
                    better if better == wins => it.won += 1,
                    _ => it.lost += 1,
                }
            }
        }
    }
    all.retain(|_, it| it.rated > 0 || it.share().is_some());
    all.sort_by(|one, _, other, _| {
        let is_setting = |(name, _): &(&str, &str)| *name != PRESET;
        (is_setting(one), one).cmp(&(is_setting(other), other))
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::ratings::Ratings;

    /// Two presets, one of them swept: chorus × lofi V5 takes 1 and 2, and a third job that is made another preset.
    fn compared(rows: &str) -> Summary {
        let mut summary = example::summary();
        summary.jobs.truncate(2);
        let mut piano = summary.jobs[0].clone();
        piano.preset = "piano".into();
        piano.key = "c".to_owned();
        piano.sweep = std::sync::Arc::default();
        summary.jobs.push(piano);
        (summary.jobs[0].key, summary.jobs[1].key) = ("a".to_owned(), "b".to_owned());
        let mut ratings = Ratings::default();
        let table = format!("a_variant,b_variant,answer\n{rows}");
        ratings.read(table.as_bytes()).unwrap();
        assert_eq!(ratings.join(&mut summary), 0);
        summary
    }

    #[test]
    fn a_comparison_within_a_value_says_nothing_about_it() {
        let summary = compared("a:1,b:1,a\na:1,c:1,a\nc:2,b:2,b\nb:1,c:1,same\n");
        let all = preferences(&summary);
        let figures = |value| {
            let it = &all[&(PRESET, value)];
            (it.won, it.lost, it.same)
        };
        assert_eq!((figures("lofi"), figures("piano")), ((2, 0, 1), (0, 2, 1)));
        // The other side is not swept.
        let model = &all[&("model", "V5")];
        assert_eq!((model.won, model.lost, model.same), (0, 0, 0));
        assert_eq!(model.share(), None);
        let (share, low, high) = all[&(PRESET, "lofi")].share().unwrap();
        assert!((share - 2.5 / 3.0).abs() < 1e-9 && low < share && share < high);
    }

    #[test]
    fn values_of_a_sweep_are_compared_with_each_other() {
        let mut summary = compared("a:1,b:1,b\na:1,a:2,a\n");
        std::sync::Arc::make_mut(&mut summary.jobs[1].sweep)
            .insert("model".to_owned(), "V4".to_owned());
        let all = preferences(&summary);
        assert_eq!(
            (all[&("model", "V4")].won, all[&("model", "V5")].lost),
            (1, 1)
        );
        assert_eq!(all[&("model", "V5")].won, 0);
    }
}
