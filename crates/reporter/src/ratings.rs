//! What listeners said of tracks, read from the tables that the page exports: stars and notes (`stars.csv`), blind results
//! (`…-blind.csv`). `backline report --ratings` joins them to the summary, `backline pick` copies the starred tracks.

use std::collections::HashMap;
use std::io::Read;

use backline_engine::summary::{JobSummary, Rating, Summary};
use indexmap::IndexMap;

use crate::text::wilson;

/// Ratings by job and track.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ratings(HashMap<(String, u32), Rating>);

/// Why a table of ratings can't be read.
#[derive(Debug, thiserror::Error)]
pub enum RatingsError {
    /// It is no CSV.
    #[error("it is no CSV table")]
    Csv(#[from] csv::Error),
    /// It is another table.
    #[error(
        "it has neither the columns of stars.csv (`key`, `track`) nor those of blind results (`a_variant`, `b_variant`, `answer`)"
    )]
    Columns,
}

impl Ratings {
    /// Adds the ratings of a table.
    ///
    /// # Errors
    /// When it is no table of ratings.
    pub fn read(&mut self, table: impl Read) -> Result<(), RatingsError> {
        let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(table);
        let head = table.headers()?.clone();
        let column = |name: &str| head.iter().position(|it| it.trim() == name);
        if let (Some(key), Some(track)) = (column("key"), column("track")) {
            let (star, note) = (column("star"), column("note"));
            for row in table.records() {
                let row = row?;
                let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default();
                let Ok(index) = cell(Some(track)).parse() else {
                    continue;
                };
                let rating = self.of(cell(Some(key)), index);
                // A table without stars is a list of what was chosen.
                rating.star |=
                    star.is_none() || !matches!(cell(star).trim(), "" | "0" | "no" | "false");
                let note = plain(cell(note));
                if !note.is_empty() {
                    rating.note = Some(note.to_owned());
                }
            }
            return Ok(());
        }
        let (Some(a), Some(b), Some(answer)) =
            (column("a_variant"), column("b_variant"), column("answer"))
        else {
            return Err(RatingsError::Columns);
        };
        for row in table.records() {
            let row = row?;
            let cell = |at: usize| row.get(at).unwrap_or_default();
            for (side, name) in [(a, "a"), (b, "b")] {
                let Some((key, index)) = cell(side).rsplit_once(':') else {
                    continue;
                };
                let Ok(index) = index.parse() else { continue };
                let rating = self.of(key, index);
                match cell(answer) {
                    "same" => rating.same += 1,
                    won if won == name => rating.won += 1,
                    _ => rating.lost += 1,
                }
            }
        }
        Ok(())
    }

    fn of(&mut self, key: &str, index: u32) -> &mut Rating {
        self.0.entry((key.to_owned(), index)).or_default()
    }

    /// The rating of a track.
    pub fn get(&self, key: &str, index: u32) -> Option<&Rating> {
        self.0.get(&(key.to_owned(), index))
    }

    /// Joins the ratings to a summary. Returns how many of them are about none of its tracks.
    pub fn join(&self, summary: &mut Summary) -> usize {
        let mut joined = 0;
        for job in &mut summary.jobs {
            for track in &mut job.tracks {
                track.rating = self.get(&job.key, track.index).cloned();
                joined += usize::from(track.rating.is_some());
            }
        }
        self.0.len() - joined
    }
}

/// A text cell without the apostrophe that keeps a spreadsheet from running it.
fn plain(cell: &str) -> &str {
    let is_formula = cell
        .trim_start_matches('\'')
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula => rest,
        _ => cell,
    }
}

/// The ratings of the tracks that share a preset or the value of a swept setting.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PlanState {
    /// Rated tracks.
    pub(crate) tracks: u64,
    /// Starred tracks.
    pub(crate) stars: u64,
    /// Comparisons won, lost, and without a difference.
    pub(crate) won: u64,
    pub(crate) lost: u64,
    pub(crate) same: u64,
}

impl PlanState {
    /// The share of comparisons that were won, half of those without a difference included, with its 95 % interval.
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

/// The ratings by preset, then by the values of each swept setting; empty where nothing is rated.
pub(crate) fn tallies(summary: &Summary) -> IndexMap<(String, String), PlanState> {
    let mut tallies: IndexMap<(String, String), PlanState> = IndexMap::new();
    let groups = |job: &JobSummary| {
        let preset = ("preset".to_owned(), job.preset.clone());
        let sweep = job.sweep.iter();
        std::iter::once(preset)
            .chain(sweep.map(|(name, value)| (name.clone(), value.clone())))
            .collect::<Vec<_>>()
    };
    for job in &summary.jobs {
        for rating in job.tracks.iter().filter_map(|track| track.rating.as_ref()) {
            for group in groups(job) {
                let plan_state = tallies.entry(group).or_default();
                plan_state.tracks += 1;
                plan_state.stars += u64::from(rating.star);
                plan_state.won += u64::from(rating.won);
                plan_state.lost += u64::from(rating.lost);
                plan_state.same += u64::from(rating.same);
            }
        }
    }
    tallies.sort_by(|(one, _), _, (other, _), _| {
        let first = |name: &String| name != "preset";
        (first(one), one).cmp(&(first(other), other))
    });
    tallies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn stars_notes_and_blind_results_are_joined_to_their_tracks() {
        let mut summary = example::summary();
        let (one, other) = (summary.jobs[0].key.clone(), summary.jobs[1].key.clone());
        let mut ratings = Ratings::default();
        let stars = format!(
            "stem,track,star,note,key\nchorus,2,1,'=warm,{one}\nchorus,1,0,thin,{one}\ngone,1,1,,{}\n",
            "f".repeat(64)
        );
        ratings.read(stars.as_bytes()).unwrap();
        let blind = format!(
            "trial,a_variant,b_variant,answer\n1,{one}:2,{other}:1,a\n2,{other}:1,{one}:2,same\n3,{one}:2,{other}:1,b\n"
        );
        ratings.read(blind.as_bytes()).unwrap();
        assert_eq!(ratings.join(&mut summary), 1);
        let rating = summary.jobs[0].tracks[1].rating.clone().unwrap();
        assert_eq!(rating.note.as_deref(), Some("=warm"));
        assert_eq!(
            (rating.star, rating.won, rating.lost, rating.same),
            (true, 1, 1, 1)
        );
        assert!(!summary.jobs[0].tracks[0].rating.clone().unwrap().star);
        let tallies = tallies(&summary);
        let lofi = &tallies[&("preset".to_owned(), "lofi".to_owned())];
        assert_eq!((lofi.tracks, lofi.stars), (3, 1));
        let (share, low, high) = lofi.share().unwrap();
        assert!((share - 0.5).abs() < 1e-9 && low < 0.5 && high > 0.5);
        assert!(tallies.contains_key(&("model".to_owned(), "V5".to_owned())));
    }

    #[test]
    fn another_table_is_refused() {
        let error = Ratings::default()
            .read("a,b\n1,2\n".as_bytes())
            .unwrap_err();
        assert!(matches!(error, RatingsError::Columns));
    }
}
