//! The account's balance.

use serde_json::Value;

use crate::lenient::{as_number, number};

/// Largest balance that is believed: no account has a trillion credits.
const MOST: f64 = 1e12;

/// Reads the credits in the `data` of a credit response: an integer, a float, or a text with a number. Some resellers wrap it.
pub fn read_credits(data: &Value) -> Option<f64> {
    as_number(data)
        .or_else(|| number(data, &["credits", "credit", "balance"]))
        .filter(|credits| credits.abs() <= MOST)
}
