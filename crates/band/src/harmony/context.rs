//! The posterior probability of each chord class at each beat, given the whole melody; called by `path`, which decides.
//!
//! A beat by itself follows its own notes too closely: each passing or neighbour note would get a chord, where people keep the
//! chord. The forward and backward sums over all paths (Rabiner 1989, "A tutorial on hidden Markov models",
//! III.B) weigh a beat by what comes before and after it.

use super::model::{CLASSES, Model};

/// Weight of the model's log-likelihood here. The windows of neighbouring beats overlap, so their likelihoods are not independent and
/// each must weigh less than 1.
const LIKELIHOOD_WEIGHT: f32 = 0.8;
/// Share of the prior that is subtracted from it.
const PRIOR_SHARE: f32 = 0.25;
/// Weight of the transitions.
const TRANSITION_WEIGHT: f32 = 0.95;
/// Added log odds of a chord change, relative to lead sheets.
const CHANGE_BIAS: f32 = 0.3;
/// Lowest probability of a class.
const LEAST: f32 = 1e-4;

/// Natural logarithms of the posterior probabilities of the classes at each beat, from the log-likelihoods and the log odds of a change
/// at each beat (both have one entry a beat).
pub(super) fn in_context(
    model: &Model,
    seen: &[[f32; CLASSES]],
    changes: &[f32],
) -> Vec<[f32; CLASSES]> {
    let follows = shares(model);
    let likelihoods: Vec<[f32; CLASSES]> = seen.iter().map(|seen| weight(model, seen)).collect();
    let changes: Vec<f32> = changes
        .iter()
        .map(|odds| 1.0 / (1.0 + (-odds - CHANGE_BIAS).exp()))
        .collect();
    let mut forward: Vec<[f32; CLASSES]> = Vec::with_capacity(seen.len());
    for (likelihoods, change) in likelihoods.iter().zip(&changes) {
        let mut now = [1.0f32; CLASSES];
        if let Some(before) = forward.last() {
            let mut arrives = [0.0f32; CLASSES];
            for (share, row) in before.iter().zip(&follows) {
                for (sum, step) in arrives.iter_mut().zip(row) {
                    *sum += share * step;
                }
            }
            now = std::array::from_fn(|class| {
                before[class] * (1.0 - change) + arrives[class] * change
            });
        }
        forward.push(normal(std::array::from_fn(|class| {
            now[class] * likelihoods[class]
        })));
    }
    let mut backward = [1.0f32; CLASSES];
    for beat in (0..seen.len()).rev() {
        let here = normal(std::array::from_fn(|class| {
            forward[beat][class] * backward[class]
        }));
        let after: [f32; CLASSES] =
            std::array::from_fn(|class| likelihoods[beat][class] * backward[class]);
        let change = changes[beat];
        backward = normal(std::array::from_fn(|class| {
            let leaves: f32 = follows[class]
                .iter()
                .zip(&after)
                .map(|(step, after)| step * after)
                .sum();
            after[class] * (1.0 - change) + leaves * change
        }));
        // The forward sum is not used again: its place takes the result.
        forward[beat] = here.map(|share| (share + LEAST).ln());
    }
    forward
}

/// Likelihood of each class from the beat alone, at most 1.
fn weight(model: &Model, seen: &[f32; CLASSES]) -> [f32; CLASSES] {
    let logs: [f32; CLASSES] = std::array::from_fn(|class| {
        LIKELIHOOD_WEIGHT * seen[class] - PRIOR_SHARE * model.prior[class].ln()
    });
    let most = logs.iter().fold(f32::MIN, |most, &log| most.max(log));
    logs.map(|log| (log - most).exp())
}

/// Transition probabilities from each class when the chord changes.
fn shares(model: &Model) -> Vec<[f32; CLASSES]> {
    model
        .follows
        .iter()
        .enumerate()
        .map(|(before, row)| {
            normal(std::array::from_fn(|class| {
                if class == before {
                    0.0
                } else {
                    (TRANSITION_WEIGHT * row[class]).exp()
                }
            }))
        })
        .collect()
}

fn normal(values: [f32; CLASSES]) -> [f32; CLASSES] {
    let total = values.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    values.map(|value| value / total)
}

#[cfg(test)]
mod tests {
    use super::{super::model::model, *};

    /// The log-likelihoods of a beat: these for the classes named, hardly any for the others.
    fn log_likelihoods(named: &[(usize, f32)]) -> [f32; CLASSES] {
        let mut row = [0.001f32; CLASSES];
        for &(class, share) in named {
            row[class] = share;
        }
        row.map(f32::ln)
    }

    #[test]
    fn a_passing_beat_is_heard_as_its_neighbours_and_a_downbeat_as_itself() {
        let held = log_likelihoods(&[(0, 0.8), (7, 0.1)]);
        let passing = log_likelihoods(&[(0, 0.35), (7, 0.5)]);
        let seen = [held, held, passing, held, held];
        // Log odds that make a change on weak beats unlikely, and on strong beats likely.
        let weak = in_context(model(), &seen, &[-4.0; 5]);
        let strong = in_context(model(), &seen, &[3.0; 5]);
        assert!(weak[2][0] > weak[2][7], "{:?}", &weak[2][..8]);
        assert!(strong[2][7] > strong[2][0], "{:?}", &strong[2][..8]);
        for row in weak.iter().chain(&strong) {
            let total: f32 = row.iter().map(|log| log.exp()).sum();
            assert!((total - 1.0).abs() < 0.01, "{total}");
        }
    }

    #[test]
    fn the_end_is_heard_back_to_the_start() {
        // Of two classes that are equally likely at a beat, the one that the later beats make likely is chosen.
        let unsure = log_likelihoods(&[(0, 0.4), (5, 0.4)]);
        let sure = |class| log_likelihoods(&[(class, 0.9)]);
        for class in [0, 5] {
            let heard = in_context(model(), &[unsure, unsure, sure(class)], &[-4.0; 3]);
            let other = 5 - class;
            assert!(heard[0][class] > heard[0][other] + 0.5, "{class}");
        }
    }
}
