//! Whatever polls show, the tracks are those of the task.

use proptest::prelude::*;

use super::super::matching::{TrackMatch, match_tracks, matched_facts};
use super::tracks::running;
use super::*;
use crate::event::{TaskStage, TrackFacts};

/// How the model shows a task's tracks in one poll.
#[derive(Debug, Clone)]
struct Poll {
    ids: u8,
    shown: usize,
    available: Vec<bool>,
    /// Which of the fetches that are under way come to an end, and whether they bring a file.
    ends: Vec<Option<bool>>,
}

fn poll() -> impl Strategy<Value = Poll> {
    (
        0..5_u8,
        0..5_usize,
        prop::collection::vec(any::<bool>(), 4),
        prop::collection::vec(prop::option::of(any::<bool>()), 4),
    )
        .prop_map(|(ids, shown, available, ends)| Poll {
            ids,
            shown,
            available,
            ends,
        })
}

proptest! {
    /// Whatever polls show, in the order of the task's list: never more tracks than the largest single one, no kept track lost, and
    /// in the end each of the task's tracks fetched once.
    #[test]
    fn any_polls_make_the_tracks_of_the_task(mut polls in prop::collection::vec(poll(), 0..12), last_ids in 0..5_u8) {
        const TRACKS: usize = 4;
        // At last everything is shown, and every fetch succeeds.
        for _ in 0..3 {
            polls.push(Poll { ids: last_ids, shown: TRACKS, available: vec![true; 4], ends: vec![Some(true); 4] });
        }
        let mut job = running(0);
        let mut largest = 0;
        let mut under_way: BTreeMap<usize, String> = BTreeMap::new();
        let mut kept: BTreeMap<usize, String> = BTreeMap::new();
        for (n, poll) in polls.iter().enumerate() {
            let shown: Vec<TrackFacts> = (0..poll.shown.min(TRACKS)).map(|at| TrackFacts {
                id: match poll.ids {
                    0 => format!("id{at}"),
                    1 => String::new(),
                    2 => "equal".to_owned(),
                    3 => format!("id{at}-{n}"),
                    _ => if at % 2 == 0 { format!("id{at}") } else { String::new() },
                },
                audio_url: poll.available[at].then(|| format!("https://cdn.example.com/{at}.mp3")),
                ..TrackFacts::default()
            }).collect();
            largest = largest.max(shown.len());
            let known = job.task().unwrap().tracks.clone();
            let is_settled = |at: usize| known[at].kept.is_some() || under_way.contains_key(&at);
            let matches = match_tracks(&known, &shown, &is_settled);
            let tracks = matched_facts(&known, &shown, &matches, &is_settled);
            if let Step::Changed(next) = job.step(0, &Event::Stage { stage: TaskStage::First, tracks, placed: true }) {
                job = next;
            }
            prop_assert!(job.task().unwrap().tracks.len() <= largest);
            for (facts, matched) in shown.iter().zip(matches) {
                let (TrackMatch::Known(at) | TrackMatch::New(at)) = matched else { continue };
                let Some(url) = &facts.audio_url else { continue };
                if !kept.contains_key(&at) && !under_way.contains_key(&at) {
                    under_way.insert(at, url.clone());
                }
            }
            for at in std::mem::take(&mut under_way) {
                let (at, url) = at;
                match poll.ends[at.min(3)] {
                    None => { under_way.insert(at, url); }
                    Some(false) => {}
                    Some(true) => {
                        let file = KeptFile { path: url.clone(), sha256: String::new(), length_bytes: 1, duration_s: 1.0, unverified: None };
                        let event = Event::TrackKept { index: at as u32 + 1, part: Part::Track, file };
                        let Step::Changed(next) = job.step(0, &event) else { panic!("not kept") };
                        job = next;
                        prop_assert!(kept.insert(at, url).is_none());
                    }
                }
            }
            for (at, url) in &kept {
                let file = job.task().unwrap().tracks[*at].kept.as_ref();
                prop_assert_eq!(&file.unwrap().path, url);
            }
        }
        let mut files: Vec<&String> = kept.values().collect();
        files.sort();
        files.dedup();
        prop_assert_eq!(files.len(), TRACKS, "{:?}", kept);
        prop_assert_eq!(job.task().unwrap().tracks.len(), TRACKS);
    }
}
