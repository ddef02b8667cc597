//! Sets how full each section is, from the first verse to the last chorus.
//!
//! Loudness, register and density of the singing rank the sections, but an even singer would get the same bars from first to last. So
//! rank, place in the form and return are mapped to a curve that uses the whole range:
//! verses start sparse and grow, the first chorus is full, the last one fullest; a song of verses alone grows from one to the
//! next, and a song of one section from one phrase to the next.

use crate::analysis::{Section, SectionKind, TimeSpan};

/// Fullness of the first verse, and by how much each later one is fuller, up to a limit.
const FIRST_VERSE: f32 = 0.35;
const VERSE_STEP: f32 = 0.1;
const FULLEST_VERSE: f32 = 0.58;
/// Fullness of what leads up to a chorus.
const BUILD: f32 = 0.62;
/// Fullness of the first chorus and of the last.
const FIRST_CHORUS: f32 = 0.78;
const LAST_CHORUS: f32 = 0.95;
/// Ends of the curve where there is no chorus.
const GROWS: (f32, f32) = (0.36, 0.92);
/// How much of that curve is the sung rank, rather than the place in the song.
const RANK_SHARE: f32 = 0.3;
/// Before the singer, and after.
const INTRO: f32 = 0.3;
const ENDING_SHARE: f32 = 0.7;
/// How far a section's sung energy moves it within its kind.
const SUNG_SHARE: f32 = 0.5;
const SUNG_MOST: f32 = 0.06;
/// What is divided because it is the only section: bars of a division, and the length from which it has eight of them.
const DIVISION_BARS: usize = 4;
const LONG_BARS: usize = 24;

/// How full each section is, 0..1, in order.
pub(super) fn arc(sections: &[Section]) -> Vec<f32> {
    let is_sung =
        |section: &&Section| !matches!(section.kind, SectionKind::Intro | SectionKind::Ending);
    let sung: Vec<&Section> = sections.iter().filter(is_sung).collect();
    let choruses = sung
        .iter()
        .filter(|section| section.kind == SectionKind::Chorus)
        .count();
    let (mut verse, mut chorus, mut place, mut before) = (0usize, 0usize, 0usize, INTRO);
    sections
        .iter()
        .map(|section| {
            let fullness = match section.kind {
                SectionKind::Intro => INTRO,
                SectionKind::Ending => before * ENDING_SHARE,
                _ if choruses == 0 => {
                    let fullness = growing(&sung, place);
                    place += 1;
                    fullness
                }
                SectionKind::Verse => {
                    let fullness = FIRST_VERSE + VERSE_STEP * verse as f32;
                    verse += 1;
                    (fullness + beside_its_kind(section, &sung)).min(FULLEST_VERSE)
                }
                SectionKind::Build => BUILD + beside_its_kind(section, &sung),
                SectionKind::Chorus => {
                    chorus += 1;
                    let last = chorus == choruses && choruses > 1;
                    let share = (chorus - 1) as f32 / (choruses.max(2) - 1) as f32;
                    let fullness = FIRST_CHORUS + (LAST_CHORUS - FIRST_CHORUS) * share;
                    let sung = beside_its_kind(section, &sung);
                    (fullness + sung).max(if last { 0.9 } else { 0.75 })
                }
            };
            before = fullness;
            fullness
        })
        .collect()
}

/// How full a song without choruses is in its section number `place`.
fn growing(sung: &[&Section], place: usize) -> f32 {
    let last = sung.len().saturating_sub(1);
    if last == 0 {
        // The bars of one section have a curve of their own.
        return (GROWS.0 + GROWS.1) / 2.0;
    }
    let rank = sung
        .iter()
        .filter(|other| other.energy < sung[place].energy)
        .count();
    let share =
        (1.0 - RANK_SHARE) * place as f32 / last as f32 + RANK_SHARE * rank as f32 / last as f32;
    let fullness = GROWS.0 + (GROWS.1 - GROWS.0) * share;
    if place == last {
        fullness.max(0.85)
    } else {
        fullness
    }
}

/// What a section's sung energy adds to others of its kind.
fn beside_its_kind(section: &Section, sung: &[&Section]) -> f32 {
    let energies = sung
        .iter()
        .filter(|other| other.kind == section.kind && other.energy.is_finite())
        .map(|other| other.energy);
    let (sum, count) = energies.fold((0.0, 0.0), |(sum, count), energy| {
        (sum + energy, count + 1.0f32)
    });
    if count == 0.0 || !section.energy.is_finite() {
        return 0.0;
    }
    (SUNG_SHARE * (section.energy - sum / count)).clamp(-SUNG_MOST, SUNG_MOST)
}

/// The divisions of a song of one section: the bars (by index, of those that start at `starts_s`) at which each begins, near
/// every fourth or eighth bar, where a phrase starts if possible.
pub(super) fn divisions(starts_s: &[f64], phrases: &[TimeSpan]) -> Vec<usize> {
    let count = starts_s.len();
    let step = if count >= LONG_BARS {
        2 * DIVISION_BARS
    } else {
        DIVISION_BARS
    };
    let opens = |bar: usize| {
        let bar_s = starts_s
            .get(bar + 1)
            .map_or(starts_s[bar] - starts_s[bar - 1], |next| {
                next - starts_s[bar]
            });
        phrases
            .iter()
            .any(|phrase| (-0.6 * bar_s..0.3 * bar_s).contains(&(phrase.start_s - starts_s[bar])))
    };
    let mut found = vec![0];
    let mut here = 0;
    while here + step + step / 2 <= count {
        let wanted = here + step;
        here = [wanted, wanted - 1, wanted + 1]
            .into_iter()
            .find(|&bar| bar < count && opens(bar))
            .unwrap_or(wanted);
        found.push(here);
    }
    found
}

/// How full division number `place` of `count` is.
pub(super) fn division(place: usize, count: usize) -> f32 {
    if count < 2 {
        return (GROWS.0 + GROWS.1) / 2.0;
    }
    GROWS.0 + (GROWS.1 - GROWS.0) * place as f32 / (count - 1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use SectionKind::{Build, Chorus, Ending, Intro, Verse};

    fn sections(kinds: &[(SectionKind, f32)]) -> Vec<Section> {
        kinds
            .iter()
            .map(|&(kind, energy)| Section {
                span: TimeSpan {
                    start_s: 0.0,
                    end_s: 1.0,
                },
                kind,
                energy,
            })
            .collect()
    }

    #[test]
    fn choruses_are_full_and_the_last_is_fullest() {
        // The energies of an even singer.
        let form = [
            (Intro, 0.3),
            (Verse, 0.46),
            (Build, 0.5),
            (Chorus, 0.57),
            (Verse, 0.5),
            (Chorus, 0.58),
            (Ending, 0.45),
        ];
        let arc = arc(&sections(&form));
        assert!((arc[1] - 0.35).abs() < 0.07, "{arc:?}");
        assert!(arc[3] >= 0.75 && arc[5] >= 0.9, "{arc:?}");
        assert!(arc[4] > arc[1] && arc[4] < arc[2], "{arc:?}");
        assert!(arc[6] < arc[5], "{arc:?}");
    }

    #[test]
    fn a_song_of_verses_grows_and_one_section_is_divided() {
        let arc = arc(&sections(&[(Verse, 0.5), (Verse, 0.48), (Verse, 0.52)]));
        assert!(arc[0] < 0.5 && arc[2] >= 0.85, "{arc:?}");
        assert!(arc.windows(2).all(|pair| pair[0] < pair[1]), "{arc:?}");
        let starts: Vec<f64> = (0..16).map(|bar| f64::from(bar) * 2.0).collect();
        let phrase = |start_s: f64| TimeSpan {
            start_s,
            end_s: start_s + 7.0,
        };
        // The second phrase starts a bar late.
        let found = divisions(&starts, &[phrase(0.0), phrase(10.0), phrase(16.0)]);
        assert_eq!(found, [0, 5, 8, 12]);
        assert!(division(0, 4) < 0.4 && division(3, 4) > 0.9);
        assert_eq!(divisions(&starts[..3], &[]), [0]);
    }
}
