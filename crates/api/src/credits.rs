//! Credits: amounts that are added up without rounding, and the account's balance.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lenient::{as_number, number};

/// An amount of credits, in whole thousandths: prices are as fine as 0.4, and sums of them are compared with limits. Written as a number of
/// credits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(from = "f64", into = "f64")]
pub struct Credits(i64);

impl Credits {
    /// No credits.
    pub const ZERO: Self = Self(0);

    /// An amount in thousandths of a credit.
    pub const fn of_thousandths(thousandths: i64) -> Self {
        Self(thousandths)
    }

    /// The amount in thousandths of a credit.
    pub const fn thousandths(self) -> i64 {
        self.0
    }

    /// The amount less another one; nothing where that is larger.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self((self.0 - other.0).max(0))
    }
}

impl From<f64> for Credits {
    /// The nearest thousandth.
    fn from(credits: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast saturates, and no sum of credits comes near"
        )]
        let rounded = (credits * 1000.0).round() as i64;
        Self(rounded)
    }
}

impl From<Credits> for f64 {
    fn from(credits: Credits) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 9e12 credits")]
        let thousandths = credits.0 as f64;
        thousandths / 1000.0
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f64::from(*self).fmt(f)
    }
}

impl Add for Credits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Credits {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Credits {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Credits {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Credits {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Largest balance that is believed: no account has a trillion credits.
const MOST: f64 = 1e12;

/// Reads the credits in the `data` of a credit response: an integer, a float, or a text with a number. Some resellers wrap it.
pub fn read_credits(data: &Value) -> Option<f64> {
    as_number(data)
        .or_else(|| number(data, &["credits", "credit", "balance"]))
        .filter(|credits| credits.abs() <= MOST)
}
