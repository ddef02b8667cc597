//! How often a fault happens: a number of times from the start, or always.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How often something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Times {
    /// The first this many times.
    First(u32),
    /// Always.
    #[default]
    Forever,
}

impl Times {
    /// Whether it happens at the `number`th time, counted from 1.
    pub(crate) fn covers(self, number: u32) -> bool {
        match self {
            Times::First(count) => number <= count,
            Times::Forever => true,
        }
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Times::First(count) => serializer.serialize_u32(*count),
            Times::Forever => serializer.serialize_str("forever"),
        }
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Written by hand: an untagged enum would lose the position of a mistake.
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Times;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number above 0, or `forever`")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Times, E> {
                match u32::try_from(count) {
                    Ok(count @ 1..) => Ok(Times::First(count)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(count), &self)),
                }
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Times, E> {
                match u64::try_from(count) {
                    Ok(count) => self.visit_u64(count),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(count), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Times, E> {
                if word == "forever" {
                    Ok(Times::Forever)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(word), &self))
                }
            }
        }
        deserializer.deserialize_any(Read)
    }
}
