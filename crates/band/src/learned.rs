//! Files of learned weights, as the learning programs write them: little-endian floats, and layers of one signed byte a weight.

/// A layer of units that each see all inputs.
pub(crate) struct DenseLayer {
    inputs: usize,
    weights: Vec<f32>,
    biases: Vec<f32>,
}

impl DenseLayer {
    /// A unit's sum over the inputs, with its bias.
    pub(crate) fn sum(&self, unit: usize, inputs: &[f32]) -> f32 {
        let weights = &self.weights[unit * self.inputs..(unit + 1) * self.inputs];
        let sum: f32 = weights
            .iter()
            .zip(inputs)
            .map(|(weight, input)| weight * input)
            .sum();
        sum + self.biases[unit]
    }
}

/// Reads a file of weights from its start; its length is the learning program's and a test's business.
pub(crate) struct Bytes(pub(crate) &'static [u8]);

impl Bytes {
    pub(crate) fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self
            .0
            .split_first_chunk()
            .expect("the file is as long as the model: a test reads it whole");
        self.0 = rest;
        *head
    }

    pub(crate) fn floats<const N: usize>(&mut self) -> [f32; N] {
        std::array::from_fn(|_| f32::from_le_bytes(self.take()))
    }

    /// Units as a scale and one signed byte a weight, then the biases.
    pub(crate) fn layer(&mut self, units: usize, inputs: usize) -> DenseLayer {
        let mut weights = Vec::with_capacity(units * inputs);
        for _ in 0..units {
            let scale = f32::from_le_bytes(self.take());
            for _ in 0..inputs {
                weights.push(f32::from(i8::from_le_bytes(self.take())) * scale);
            }
        }
        let biases = (0..units)
            .map(|_| f32::from_le_bytes(self.take()))
            .collect();
        DenseLayer {
            inputs,
            weights,
            biases,
        }
    }
}
