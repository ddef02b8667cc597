//! Which track of a task is which, from one poll to the next: a pure decision, recorded with what the poll showed.
//!
//! A vendor's ids are missing at times, are equal for both tracks, or change between polls; lists grow, shrink and come back. What
//! is relied on is that a list without usable ids keeps its order. So a shown track is matched
//!
//! 1. by its name, where a step made it: `vocal`, `drums`,
//! 2. by its id, where no other track of the same response has it,
//! 3. by its address, likewise,
//! 4. by its position in the list,
//! 5. to a known track that the response does not show, one that is not settled first.
//!
//! Only where every known track is taken is a shown track a new one. So a task never has more tracks than the largest single
//! response showed. A track is *settled* once a file of it is kept or being fetched: from then on its id is that of the file, and
//! another id at its position is another name for it, not another track, until one response shows both.

use std::collections::HashMap;

use crate::event::TrackFacts;
use crate::job::Track;

/// Which track of the task a shown track is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrackMatch {
    /// It is the known track with this index, from 0.
    Known(usize),
    /// It is taken for the settled track with this index, which has another id: nothing of it is taken in.
    Hidden(usize),
    /// It is a new track, which gets this index.
    New(usize),
}

impl TrackMatch {
    /// The index of the task's track.
    pub(super) fn index(self) -> usize {
        match self {
            Self::Known(at) | Self::Hidden(at) | Self::New(at) => at,
        }
    }
}

/// Finds a known track for the shown one at a position of the response, given which known ones are taken.
type Find<'a> = &'a dyn Fn(usize, &TrackFacts, &[bool]) -> Option<usize>;

/// Returns the match of each track in `shown`, in the response's order. `is_settled` says it of a known track's index.
pub(super) fn match_tracks(
    known: &[Track],
    shown: &[TrackFacts],
    is_settled: &dyn Fn(usize) -> bool,
) -> Vec<TrackMatch> {
    let ids = counts(shown.iter().map(|facts| facts.id.as_str()));
    let known_ids = counts(known.iter().map(|track| track.facts.id.as_str()));
    let addresses = counts(shown.iter().filter_map(|facts| facts.audio_url.as_deref()));
    let names = |facts: &TrackFacts| ids.get(facts.id.as_str()) == Some(&1);
    let is_named = |at: usize| known_ids.get(known[at].facts.id.as_str()) == Some(&1);
    let mut taken = vec![false; known.len()];
    let mut found: Vec<Option<usize>> = vec![None; shown.len()];
    let mut claim = |find: Find<'_>| {
        for (at, facts) in shown.iter().enumerate() {
            if found[at].is_none()
                && let Some(index) = find(at, facts, &taken)
            {
                (found[at], taken[index]) = (Some(index), true);
            }
        }
    };
    let free = |taken: &[bool], test: &dyn Fn(usize) -> bool| {
        (0..known.len()).find(|at| !taken[*at] && test(*at))
    };
    claim(&|_, facts, taken| {
        let same = |at: usize| known[at].facts.artefact == facts.artefact;
        (!facts.artefact.is_empty())
            .then(|| free(taken, &same))
            .flatten()
    });
    // A name is enough: another one is another file.
    let nameless = |facts: &TrackFacts| facts.artefact.is_empty().then_some(());
    claim(&|_, facts, taken| {
        nameless(facts)?;
        let same = |at: usize| known[at].facts.id == facts.id;
        names(facts).then(|| free(taken, &same)).flatten()
    });
    claim(&|_, facts, taken| {
        nameless(facts)?;
        let url = facts.audio_url.as_deref()?;
        let same = |at: usize| known[at].facts.audio_url.as_deref() == Some(url);
        (addresses.get(url) == Some(&1))
            .then(|| free(taken, &same))
            .flatten()
    });
    claim(&|at, facts, taken| nameless(facts).and_then(|()| free(taken, &|index| index == at)));
    claim(&|_, facts, taken| {
        nameless(facts).and_then(|()| free(taken, &|index| !is_settled(index)))
    });
    claim(&|_, facts, taken| nameless(facts).and_then(|()| free(taken, &|_| true)));
    let is_renamed = |at: usize, facts: &TrackFacts| {
        names(facts) && is_named(at) && known[at].facts.id != facts.id
    };
    let mut next = known.len();
    let resolve = |(facts, found): (&TrackFacts, Option<usize>)| match found {
        Some(at) if is_settled(at) && is_renamed(at, facts) => TrackMatch::Hidden(at),
        Some(at) => TrackMatch::Known(at),
        None => {
            next += 1;
            TrackMatch::New(next - 1)
        }
    };
    shown.iter().zip(found).map(resolve).collect()
}

/// Returns what a poll shows, in the order of the task's tracks: empty facts where it shows nothing. A settled track keeps its id, and an id
/// that several tracks of the response have is none.
pub(super) fn matched_facts(
    known: &[Track],
    shown: &[TrackFacts],
    matches: &[TrackMatch],
    is_settled: &dyn Fn(usize) -> bool,
) -> Vec<TrackFacts> {
    let ids = counts(shown.iter().map(|facts| facts.id.as_str()));
    let mut all = vec![TrackFacts::default(); known.len()];
    for (facts, matched) in shown.iter().zip(matches) {
        let mut facts = facts.clone();
        if ids.get(facts.id.as_str()) != Some(&1) {
            facts.id.clear();
        }
        match *matched {
            TrackMatch::Hidden(_) => {}
            TrackMatch::New(_) => all.push(facts),
            TrackMatch::Known(at) => {
                if is_settled(at) && !known[at].facts.id.is_empty() {
                    facts.id.clear();
                }
                all[at] = facts;
            }
        }
    }
    all
}

/// How often each text occurs; an empty one is none.
fn counts<'a>(texts: impl Iterator<Item = &'a str>) -> HashMap<&'a str, usize> {
    let mut counts = HashMap::new();
    for text in texts.filter(|text| !text.is_empty()) {
        *counts.entry(text).or_default() += 1;
    }
    counts
}
