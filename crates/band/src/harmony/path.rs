//! Chooses one chord class for each beat: the Viterbi path through the model's log-likelihoods, the transitions and the odds of a change.

use super::{
    context::in_context,
    habits::Habits,
    loops::{self, Part},
    melody::Melody,
    model::{CLASSES, model},
};
use crate::chance::Chance;

/// Weight of the model's log-likelihood, and share of the prior that is subtracted from it: without that every chord would be the tonic
/// or the dominant.
const LIKELIHOOD_WEIGHT: f32 = 0.75;
const PRIOR_SHARE: f32 = 0.86;
/// Share of the posterior given all beats; the rest is the log-likelihood of the beat alone.
const POSTERIOR_SHARE: f32 = 0.8;
/// Both weights in minor. Only ten songs are in minor: too few to learn more than tonic and dominant.
const MINOR: (f32, f32) = (0.3, 0.7);
/// Weight of the transitions, and share of the prior that is subtracted from them.
const TRANSITION_WEIGHT: f32 = 1.15;
const TRANSITION_PRIOR_SHARE: f32 = 0.5;
/// Added log odds of a chord change, relative to lead sheets.
const CHANGE_BIAS: f32 = 1.15;
/// Subtracted log odds of a change within a bar.
const STEADY: f32 = 0.55;
/// What the tonic chord gains where a phrase ends, and at the song's last note.
const PHRASE_END: f32 = 0.8;
const SONG_END: f32 = 6.0;
/// Cost in nats of a chord outside the key at full doubt about the pitches: an untrained singer's wrong semitones are no evidence for
/// it.
const OUTSIDE_KEY: f32 = 5.0;
/// What a loop's chord gains at each beat of a bar that bears it: more than the melody's evidence for another one.
const IN_LOOP: f32 = 12.0;
/// What the dominant gains in the bar before the song's last chord.
const CADENCE: f32 = 0.3;

/// The input of the path beside the melody.
pub(super) struct PathInput<'a> {
    pub(super) habits: &'static Habits,
    /// The song's sections.
    pub(super) parts: &'a [Part],
    /// 0..1.
    pub(super) style_weight: f32,
    /// 0..1.
    pub(super) weirdness: f32,
    /// 0 for the best path; higher values choose among good paths at random.
    pub(super) variety: f32,
    /// Doubt about the sung pitches and the key, 0..1.
    pub(super) doubt: f32,
    /// Length of a bar in seconds.
    pub(super) bar_s: f32,
    pub(super) seed: u64,
}

/// The class at each beat from `melody.first` on.
pub(super) fn path(melody: &Melody, wish: &PathInput<'_>) -> Vec<usize> {
    let model = model();
    let rows = melody.rows();
    let beats: Vec<usize> = (melody.first..melody.positions.len()).collect();
    let seen: Vec<[f32; CLASSES]> = beats
        .iter()
        .map(|&beat| model.log_likelihoods(&rows[beat]))
        .collect();
    let changes: Vec<f32> = beats
        .iter()
        .map(|&beat| change_log_odds(melody, wish, beat))
        .collect();
    let posteriors: Vec<[f32; CLASSES]> = beats
        .iter()
        .zip(&seen)
        .map(|(&beat, seen)| {
            std::array::from_fn(|class| seen[class] + minor_lean(class, melody, beat))
        })
        .collect();
    let heard = in_context(model, &posteriors, &changes);
    let (context, follows) = if melody.minor {
        MINOR
    } else {
        (POSTERIOR_SHARE, TRANSITION_WEIGHT)
    };
    let steps = steps(wish, follows);
    let looped = loops::classes(melody, wish.habits, wish.parts, wish.style_weight);
    let mut totals = [0.0f32; CLASSES];
    let mut back: Vec<[u8; CLASSES]> = Vec::with_capacity(beats.len());
    for (index, &beat) in beats.iter().enumerate() {
        let likelihood: [f32; CLASSES] = std::array::from_fn(|class| {
            context * heard[index][class] + (1.0 - context) * seen[index][class]
        });
        let mut gains = gains(melody, wish, &likelihood, beat);
        if let Some(class) = looped[beat] {
            gains[class] += IN_LOOP;
        }
        let change = CHANGE_BIAS + changes[index];
        let stay = -(change.exp().ln_1p());
        let go = change + stay;
        let mut next = [0.0f32; CLASSES];
        let mut from = [0u8; CLASSES];
        for class in 0..CLASSES {
            let mut best = (f32::NEG_INFINITY, class);
            if index == 0 {
                best.0 = 0.0;
            } else {
                for (before, so_far) in totals.iter().enumerate() {
                    let step = if before == class {
                        stay
                    } else {
                        go + steps[before][class]
                    };
                    if so_far + step > best.0 {
                        best = (so_far + step, before);
                    }
                }
            }
            next[class] = best.0 + gains[class];
            from[class] = best.1 as u8;
        }
        back.push(from);
        // Only differences count: sums of a long song would outgrow the precision that they need.
        let most = next.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        totals = next.map(|total| total - most);
    }
    let mut class = (0..CLASSES)
        .max_by(|&a, &b| totals[a].total_cmp(&totals[b]))
        .unwrap_or(0);
    let mut path = vec![0; beats.len()];
    for index in (0..beats.len()).rev() {
        path[index] = class;
        class = usize::from(back[index][class]);
    }
    path
}

/// Score of the transition from each class to each other when the chord changes.
fn steps(wish: &PathInput<'_>, follows: f32) -> Vec<[f32; CLASSES]> {
    let model = model();
    let step = |before: usize, class: usize| {
        follows * (model.follows[before][class] - TRANSITION_PRIOR_SHARE * model.prior[class].ln())
            + wish.style_weight * wish.habits.step(before, class)
    };
    (0..CLASSES)
        .map(|before| std::array::from_fn(|class| step(before, class)))
        .collect()
}

/// Score of each class at a beat.
fn gains(
    melody: &Melody,
    wish: &PathInput<'_>,
    seen: &[f32; CLASSES],
    beat: usize,
) -> [f32; CLASSES] {
    let model = model();
    // The more the style's habits weigh, the less the melody does. The prior is scaled with the melody, or only the rarest chords
    // would remain.
    let singer = 1.15 - 0.3 * wish.style_weight;
    let likelihood = LIKELIHOOD_WEIGHT * singer;
    let common = (PRIOR_SHARE + 0.15 * (wish.weirdness - 0.5).max(0.0)) * singer;
    let mut chance = Chance::new(
        wish.seed,
        &[
            91,
            melody.signature(beat - bar_offset(melody, beat), 2 * melody.in_bar),
        ],
    );
    let at_rest = beat >= melody.rest;
    let ends = melody.ends.contains(&beat);
    let mut gains: [f32; CLASSES] = std::array::from_fn(|class| {
        let mut gain = likelihood * seen[class] - common * model.prior[class].ln()
            + wish.style_weight * wish.habits.worth(class, melody.minor)
            + minor_lean(class, melody, beat);
        if !in_key(class, melody.minor) {
            gain -= OUTSIDE_KEY * wish.doubt;
        }
        if wish.variety > 0.0 {
            // Gumbel noise, the same wherever the same melody returns: a repeat stays a repeat.
            let uniform = chance.unit().clamp(1e-6, 1.0 - 1e-6);
            gain += 0.7 * wish.variety * -(-uniform.ln()).ln();
        }
        gain
    });
    let tonic = tonic_class(melody.minor);
    let dominant = if melody.minor { 4 } else { 7 };
    if !at_rest && beat + melody.in_bar >= melody.rest {
        gains[dominant] += CADENCE;
    }
    if at_rest {
        gains[tonic] += SONG_END;
    } else if ends {
        gains[tonic] += PHRASE_END;
        gains[dominant] += 0.6 * PHRASE_END;
    }
    gains
}

/// The class of the tonic chord.
pub(super) fn tonic_class(minor: bool) -> usize {
    if minor { 12 + 9 } else { 0 }
}

/// Whether all tones of a class belong to the key, harmonic minor's leading note included.
fn in_key(class: usize, minor: bool) -> bool {
    matches!(class, 0 | 5 | 7 | 14 | 16 | 21 | 35) || (minor && matches!(class, 4 | 32))
}

/// Score of a class in minor. Nearly all lead sheets are in major, so the chords of the minor key gain here, and its major dominant
/// loses where the leading note is not sung.
fn minor_lean(class: usize, melody: &Melody, beat: usize) -> f32 {
    if !melody.minor {
        return 0.0;
    }
    match class {
        21 => -0.6,
        14 => 0.3,
        5 | 7 => 0.7,
        0 => 0.55,
        4 => {
            let bar = melody.in_bar as f32;
            let sung_near = melody
                .between(beat as f32 - bar, beat as f32 + bar)
                .any(|(note, _)| note.class == 8);
            if sung_near { 0.4 } else { -0.8 }
        }
        _ => 0.0,
    }
}

fn bar_offset(melody: &Melody, beat: usize) -> usize {
    usize::from(melody.positions[beat]).min(beat)
}

/// Log odds of a change at a beat: those of lead sheets, higher in slow bars, lower in fast ones, and lower on weak beats, where each
/// passing note would otherwise get a chord.
fn change_log_odds(melody: &Melody, wish: &PathInput<'_>, beat: usize) -> f32 {
    let share = model().change(melody.in_bar, usize::from(melody.positions[beat]));
    let pace = (wish.bar_s / 2.2).max(0.2).log2().clamp(-1.2, 1.2);
    let downbeat = melody.positions[beat] == 0;
    let (within, steady) = if downbeat { (0.3, 0.0) } else { (0.8, STEADY) };
    let mut odds =
        (share / (1.0 - share)).ln() - steady + within * pace + wish.habits.pace(downbeat);
    if beat > melody.rest {
        odds -= 6.0;
    }
    odds
}
