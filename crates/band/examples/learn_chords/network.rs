//! A network with one hidden layer, learned by Adam (Kingma and Ba 2015) on the cross entropy of the chord at each beat.

use crate::{sheets::Sheet, windows::FEATURES};

/// Times that every song is looked at.
const PASSES: usize = 40;
/// Beats between two steps.
const BATCH: usize = 64;
/// Length of a step at the start; it falls to a twentieth.
const STEP: f32 = 0.002;
/// Pull of every weight towards nothing.
const DECAY: f32 = 0.02;
/// Share of the inputs, and of the hidden units, that are hidden from a look, so that none is relied on alone.
const BLIND: (f32, f32) = (0.15, 0.25);

/// The network.
pub(crate) struct Network {
    inputs: usize,
    hidden: usize,
    outputs: usize,
    /// First layer (hidden × inputs), its bias, second layer (outputs × hidden), its bias.
    weights: Vec<f32>,
    chance: u64,
}

impl Network {
    /// A network that knows nothing yet.
    pub(crate) fn new(inputs: usize, hidden: usize, outputs: usize, seed: u64) -> Self {
        let count = hidden * (inputs + 1) + outputs * (hidden + 1);
        let mut network = Self {
            inputs,
            hidden,
            outputs,
            weights: vec![0.0; count],
            chance: seed,
        };
        let first = hidden * inputs;
        for index in 0..count {
            let size = if index < first { 0.12 } else { 0.2 };
            network.weights[index] = size * (2.0 * network.draw() - 1.0);
        }
        network
    }

    fn draw(&mut self) -> f32 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 40) as f32 / (1u64 << 24) as f32
    }

    fn second(&self) -> usize {
        self.hidden * (self.inputs + 1)
    }

    /// Probabilities of the classes.
    pub(crate) fn see(&self, row: &[f32]) -> Vec<f32> {
        let hidden = self.hidden_of(row);
        self.outputs_of(&hidden)
    }

    fn hidden_of(&self, row: &[f32]) -> Vec<f32> {
        let biases = self.hidden * self.inputs;
        (0..self.hidden)
            .map(|unit| {
                let weights = &self.weights[unit * self.inputs..(unit + 1) * self.inputs];
                let sum: f32 = weights
                    .iter()
                    .zip(row)
                    .map(|(weight, value)| weight * value)
                    .sum();
                (sum + self.weights[biases + unit]).tanh()
            })
            .collect()
    }

    fn outputs_of(&self, hidden: &[f32]) -> Vec<f32> {
        let second = self.second();
        let biases = second + self.outputs * self.hidden;
        let mut values: Vec<f32> = (0..self.outputs)
            .map(|unit| {
                let from = second + unit * self.hidden;
                let weights = &self.weights[from..from + self.hidden];
                let sum: f32 = weights
                    .iter()
                    .zip(hidden)
                    .map(|(weight, value)| weight * value)
                    .sum();
                sum + self.weights[biases + unit]
            })
            .collect();
        let most = values.iter().fold(f32::MIN, |most, &value| most.max(value));
        let mut total = 0.0;
        for value in &mut values {
            *value = (*value - most).exp();
            total += *value;
        }
        values.iter_mut().for_each(|value| *value /= total);
        values
    }

    /// Learns from `learned`; prints how it does on `held_out`.
    pub(crate) fn learn(&mut self, learned: &[Sheet], held_out: &[Sheet]) {
        let mut looks: Vec<(usize, usize, usize)> = Vec::new();
        for (song, sheet) in learned.iter().enumerate() {
            for (beat, label) in sheet.labels.iter().enumerate() {
                looks.extend(label.map(|label| (song, beat, label.class)));
            }
        }
        let count = self.weights.len();
        let (mut first, mut second) = (vec![0.0f32; count], vec![0.0f32; count]);
        let mut slope = vec![0.0f32; count];
        let steps = PASSES * looks.len().div_ceil(BATCH);
        let mut step = 0;
        for pass in 0..PASSES {
            for index in (1..looks.len()).rev() {
                let other = (self.draw() * (index + 1) as f32) as usize;
                looks.swap(index, other.min(index));
            }
            for batch in looks.chunks(BATCH) {
                slope.fill(0.0);
                for &(song, beat, class) in batch {
                    self.add_slope(&learned[song].rows[beat], class, &mut slope);
                }
                step += 1;
                let pace = STEP * (1.0 - 0.95 * step as f32 / steps as f32);
                let (warm1, warm2) = (1.0 - 0.9f32.powi(step), 1.0 - 0.999f32.powi(step));
                for index in 0..count {
                    let now = slope[index] / batch.len() as f32;
                    first[index] += 0.1 * (now - first[index]);
                    second[index] += 0.001 * (now * now - second[index]);
                    let move_by = first[index] / warm1 / ((second[index] / warm2).sqrt() + 1e-8);
                    self.weights[index] -= pace * (move_by + DECAY * self.weights[index]);
                }
            }
            if pass % 5 == 4 {
                println!(
                    "pass {:2}: learned {:.3}, held out {:.3}",
                    pass + 1,
                    accuracy(self, learned),
                    accuracy(self, held_out)
                );
            }
        }
    }

    fn add_slope(&mut self, row: &[f32; FEATURES], class: usize, slope: &mut [f32]) {
        let seen: Vec<f32> = row
            .iter()
            .map(|&value| {
                if value != 0.0 && self.draw() < BLIND.0 {
                    0.0
                } else {
                    value / (1.0 - BLIND.0)
                }
            })
            .collect();
        let full = self.hidden_of(&seen);
        let kept: Vec<f32> = (0..self.hidden)
            .map(|_| {
                if self.draw() < BLIND.1 {
                    0.0
                } else {
                    1.0 / (1.0 - BLIND.1)
                }
            })
            .collect();
        let hidden: Vec<f32> = full
            .iter()
            .zip(&kept)
            .map(|(value, keep)| value * keep)
            .collect();
        let mut wrong = self.outputs_of(&hidden);
        wrong[class] -= 1.0;
        let second = self.second();
        let biases = second + self.outputs * self.hidden;
        let mut back = vec![0.0f32; self.hidden];
        for (unit, &error) in wrong.iter().enumerate() {
            let from = second + unit * self.hidden;
            for index in 0..self.hidden {
                slope[from + index] += error * hidden[index];
                back[index] += error * self.weights[from + index];
            }
            slope[biases + unit] += error;
        }
        let first_biases = self.hidden * self.inputs;
        for unit in 0..self.hidden {
            let error = back[unit] * kept[unit] * (1.0 - full[unit] * full[unit]);
            let row_slope = &mut slope[unit * self.inputs..(unit + 1) * self.inputs];
            for (sum, value) in row_slope.iter_mut().zip(&seen) {
                *sum += error * value;
            }
            slope[first_biases + unit] += error;
        }
    }

    /// Rounds every weight to one of 255 steps of its unit, and returns units as a scale and one byte a weight, biases last.
    pub(crate) fn quantised(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let second = self.second();
        let layers = [
            (0, self.hidden, self.inputs),
            (second, self.outputs, self.hidden),
        ];
        for (start, units, inputs) in layers {
            let biases = start + units * inputs;
            for unit in 0..units {
                let weights = &mut self.weights[start + unit * inputs..start + (unit + 1) * inputs];
                let largest = weights
                    .iter()
                    .fold(1e-6f32, |most, weight| most.max(weight.abs()));
                let scale = largest / 127.0;
                bytes.extend(scale.to_le_bytes());
                for weight in weights {
                    let rounded = (*weight / scale).round() as i8;
                    *weight = f32::from(rounded) * scale;
                    bytes.push(rounded as u8);
                }
            }
            for bias in &self.weights[biases..biases + units] {
                bytes.extend(bias.to_le_bytes());
            }
        }
        bytes
    }
}

/// Share of the beats with a major or minor chord whose likeliest class is the written one.
pub(crate) fn accuracy(network: &Network, sheets: &[Sheet]) -> f64 {
    let (mut right, mut all) = (0usize, 0usize);
    for sheet in sheets {
        for (row, label) in sheet.rows.iter().zip(&sheet.labels) {
            let Some(label) = label.filter(|label| label.class < 24) else {
                continue;
            };
            let seen = network.see(row);
            let best = (0..seen.len()).max_by(|&a, &b| seen[a].total_cmp(&seen[b]));
            all += 1;
            right += usize::from(best == Some(label.class));
        }
    }
    right as f64 / all.max(1) as f64
}
