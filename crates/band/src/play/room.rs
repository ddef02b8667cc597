//! The room: a feedback delay network of eight lines, and an echo in the song's own time. Both run at half the rate.

use super::{
    stage::Stereo,
    wave::{Filter, decay_per_frame},
};

/// Lengths of the lines in seconds: no simple ratio between them, so that echoes do not pile up.
const LINES_S: [f32; 8] = [
    0.031_73, 0.037_03, 0.041_93, 0.047_28, 0.053_67, 0.060_05, 0.067_73, 0.075_62,
];

/// What a frame takes of the one before it, each time round: the heights go first.
const DAMPING: f32 = 0.053;

/// Time before the first reflection in seconds.
const PRE_DELAY_S: f32 = 0.018;

/// Adds the reverb of `send` to `out`. `decay_s` is the time in which it falls by 60 dB.
pub(super) fn reverb(send: &Stereo, decay_s: f32, level: f32, rate: f32, out: &mut Stereo) {
    if level <= 0.0 {
        return;
    }
    let mut lines: Vec<Line> = LINES_S
        .iter()
        .map(|&seconds| Line::new(seconds, decay_s, rate))
        .collect();
    let mut low_cut = [Filter::new(180.0, 0.7, rate), Filter::new(180.0, 0.7, rate)];
    let mut high_cut = [
        Filter::new(6000.0, 0.6, rate),
        Filter::new(6000.0, 0.6, rate),
    ];
    let ahead = (PRE_DELAY_S * rate) as usize;
    for frame in 0..out.left.len() {
        let (left, right) = if frame >= ahead {
            (send.left[frame - ahead], send.right[frame - ahead])
        } else {
            (0.0, 0.0)
        };
        let left = high_cut[0].low(low_cut[0].high(left));
        let right = high_cut[1].low(low_cut[1].high(right));
        let mut state: [f32; 8] = [0.0; 8];
        for (line, value) in lines.iter().zip(&mut state) {
            *value = line.heard();
        }
        if frame.is_multiple_of(256) {
            for filter in low_cut.iter_mut().chain(&mut high_cut) {
                filter.settle();
            }
        }
        out.left[frame] += level * 0.5 * (state[0] - state[2] + state[4] - state[6]);
        out.right[frame] += level * 0.5 * (state[1] - state[3] + state[5] - state[7]);
        hadamard(&mut state);
        for (number, line) in lines.iter_mut().enumerate() {
            let input = if number % 2 == 0 { left } else { right };
            line.push(state[number] + input * 0.5);
        }
    }
}

/// An orthogonal mix of eight values: nothing is lost, everything is spread.
fn hadamard(values: &mut [f32; 8]) {
    let mut span = 1;
    while span < 8 {
        let mut at = 0;
        while at < 8 {
            for index in at..at + span {
                let (a, b) = (values[index], values[index + span]);
                values[index] = a + b;
                values[index + span] = a - b;
            }
            at += span * 2;
        }
        span *= 2;
    }
    for value in values.iter_mut() {
        *value *= 0.353_553_4;
    }
}

/// A delay that loses its heights first, as rooms do.
struct Line {
    samples: Vec<f32>,
    at: usize,
    gain: f32,
    before: f32,
}

impl Line {
    fn new(seconds: f32, decay_s: f32, rate: f32) -> Self {
        let frames = (seconds * rate) as usize | 1;
        Self {
            samples: vec![0.0; frames],
            at: 0,
            gain: decay_per_frame(decay_s, rate).powf(frames as f32),
            before: 0.0,
        }
    }

    fn heard(&self) -> f32 {
        self.samples[self.at]
    }

    fn push(&mut self, value: f32) {
        let damped = self.gain * ((1.0 - DAMPING) * value + DAMPING * self.before);
        self.before = value;
        // A very small constant offset would do too; cutting keeps silence silent.
        self.samples[self.at] = if damped.abs() < 1e-12 { 0.0 } else { damped };
        self.at = if self.at + 1 == self.samples.len() {
            0
        } else {
            self.at + 1
        };
    }
}

/// Adds echoes of `send` to `out`, from side to side, each darker than the one before.
pub(super) fn echo(send: &[f32], time_s: f32, level: f32, rate: f32, out: &mut Stereo) {
    if level <= 0.0 {
        return;
    }
    let frames = ((time_s * rate) as usize).max(1);
    let (mut left, mut right) = (vec![0.0f32; frames], vec![0.0f32; frames]);
    let mut dark = [
        Filter::new(2600.0, 0.6, rate),
        Filter::new(2600.0, 0.6, rate),
    ];
    let mut thin = [Filter::new(250.0, 0.7, rate), Filter::new(250.0, 0.7, rate)];
    let mut at = 0;
    let frames_out = out.left.len();
    for (frame, &input) in send.iter().enumerate().take(frames_out) {
        let (heard_left, heard_right) = (left[at], right[at]);
        out.left[frame] += heard_left * level;
        out.right[frame] += heard_right * level;
        left[at] = dark[0].low(thin[0].high(input + 0.42 * heard_right));
        right[at] = dark[1].low(thin[1].high(0.7 * heard_left));
        at = if at + 1 == frames { 0 } else { at + 1 };
        if frame.is_multiple_of(256) {
            for filter in dark.iter_mut().chain(&mut thin) {
                filter.settle();
            }
        }
    }
}
