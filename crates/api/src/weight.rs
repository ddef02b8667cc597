//! A number from 0 to 1 in steps of 0.01.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A weight from 0 to 1 in steps of 0.01. It is stored in hundredths, so that `0.61` is always sent as `0.61`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Weight(u8);

/// Why a number is not a [`Weight`].
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum WeightError {
    /// Below 0, above 1, or not a number.
    #[error("a weight lies between 0 and 1, {0} does not")]
    OutOfRange(f64),
    /// It has more decimals than the contract allows.
    #[error("a weight has at most two decimals, {0} has more")]
    TooFine(f64),
}

impl Weight {
    /// Largest distance from a whole hundredth: far above the rounding error of a computed float, far below a typing error.
    const TOLERANCE: f64 = 1e-6;

    /// The weight of `hundredths`; `None` above 100.
    pub fn from_hundredths(hundredths: u8) -> Option<Self> {
        (hundredths <= 100).then_some(Self(hundredths))
    }

    /// Its hundredths, 0 to 100.
    pub fn hundredths(self) -> u8 {
        self.0
    }

    /// The number, 0 to 1.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl TryFrom<f64> for Weight {
    type Error = WeightError;

    fn try_from(value: f64) -> Result<Self, WeightError> {
        let hundredths = (value * 100.0).round();
        if !(0.0..=100.0).contains(&hundredths)
            || !(-Self::TOLERANCE..=1.0 + Self::TOLERANCE).contains(&value)
        {
            Err(WeightError::OutOfRange(value))
        } else if (value - hundredths / 100.0).abs() > Self::TOLERANCE {
            Err(WeightError::TooFine(value))
        } else {
            Ok(Self(hundredths as u8)) // 0..=100 as checked
        }
    }
}

impl From<Weight> for f64 {
    fn from(weight: Weight) -> f64 {
        weight.value()
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_become_weights() {
        #[track_caller]
        fn check(value: f64, expected: Option<u8>) {
            assert_eq!(
                Weight::try_from(value).ok().map(Weight::hundredths),
                expected,
                "{value}"
            );
        }
        check(0.0, Some(0));
        check(-0.0, Some(0));
        check(1.0, Some(100));
        check(0.61, Some(61));
        check(0.610_000_000_1, Some(61));
        check(0.1 + 0.2, Some(30));
        check(0.615, None);
        check(0.6101, None);
        check(-0.01, None);
        check(-0.001, None);
        check(1.001, None);
        check(1.01, None);
        check(f64::NAN, None);
        check(f64::INFINITY, None);
        check(f64::NEG_INFINITY, None);
    }

    #[test]
    fn a_weight_is_sent_with_two_decimals() {
        let json = |value: f64| serde_json::to_string(&Weight::try_from(value).unwrap()).unwrap();
        assert_eq!(
            (json(0.610_000_000_1), json(0.7), json(1.0)),
            ("0.61".into(), "0.7".into(), "1.0".into())
        );
        assert_eq!(serde_json::from_str::<Weight>("1").unwrap(), Weight(100));
        assert!(serde_json::from_str::<Weight>("0.615").is_err());
        assert!(serde_json::from_str::<Weight>("\"0.6\"").is_err());
    }

    proptest! {
        #[test]
        fn a_weight_survives_the_wire(hundredths in 0u8..=100) {
            let weight = Weight::from_hundredths(hundredths).unwrap();
            let text = serde_json::to_string(&weight).unwrap();
            prop_assert!(text.len() <= 4, "{text}");
            prop_assert_eq!(serde_json::from_str::<Weight>(&text).unwrap(), weight);
        }

        #[test]
        fn no_number_panics(value in any::<f64>()) {
            if let Ok(weight) = Weight::try_from(value) {
                prop_assert!((weight.value() - value).abs() < 2e-6);
            }
        }
    }
}
