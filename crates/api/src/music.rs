//! What a provider reports about the music of a track. The built-in studio adds it; other vendors leave it out.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lenient::{as_number, number, text};

/// Most chords, instruments or remarks of one track that are read.
const LIST_LIMIT: usize = 2_000;

/// Longest text that is read, in characters.
const TEXT_LIMIT: usize = 300;

/// The music of a track. A value that the provider left out is empty.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Music {
    /// The name of the style.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<String>,
    /// The key, such as `G major`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The tempo in beats per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tempo_bpm: Option<f64>,
    /// The metre, such as `3/4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metre: Option<String>,
    /// The provider's confidence in key, tempo and metre, from 0 to 1.
    #[serde(skip_serializing_if = "Confidence::is_unknown")]
    pub confidence: Confidence,
    /// The chords, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chords: Vec<Chord>,
    /// The instruments that play.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instruments: Vec<String>,
    /// The tags that the provider did not understand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_understood: Vec<String>,
    /// The provider's remarks: a tag that it did not follow, a tempo that it guessed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// The provider's confidence, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Confidence {
    /// Confidence in the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<f64>,
    /// Confidence in the tempo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tempo: Option<f64>,
    /// Confidence in the metre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metre: Option<f64>,
}

/// A chord and its start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Chord {
    /// Its start in seconds.
    pub start_s: f64,
    /// Its symbol, such as `Am7/G`.
    pub name: String,
}

impl Confidence {
    fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

impl Music {
    /// Reads the `facts` of a track; `None` if they contain nothing.
    pub(crate) fn read(track: &Value) -> Option<Self> {
        let facts = track.get("facts")?;
        let word = |key: &str| text(facts, &[key]).map(|text| cut(&text));
        let confidence = facts.get("confidence").unwrap_or(&Value::Null);
        let share = |key: &str| number(confidence, &[key]).map(|value| value.clamp(0.0, 1.0));
        let chords = list(facts, "chords").filter_map(|chord| {
            Some(Chord {
                start_s: as_number(chord.get("start_s")?)?,
                name: cut(&text(chord, &["name"])?),
            })
        });
        let music = Self {
            style: word("style"),
            key: word("key"),
            tempo_bpm: number(facts, &["tempo_bpm"]).filter(|tempo| *tempo > 0.0),
            metre: word("metre"),
            confidence: Confidence {
                key: share("key"),
                tempo: share("tempo"),
                metre: share("metre"),
            },
            chords: chords.collect(),
            instruments: texts(facts, "instruments"),
            not_understood: texts(facts, "not_understood"),
            remarks: texts(facts, "remarks"),
        };
        (music != Self::default()).then_some(music)
    }
}

fn list<'a>(facts: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    let items = facts.get(key).and_then(Value::as_array);
    items.into_iter().flatten().take(LIST_LIMIT)
}

fn texts(facts: &Value, key: &str) -> Vec<String> {
    let texts = list(facts, key).filter_map(Value::as_str);
    texts.filter(|text| !text.is_empty()).map(cut).collect()
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_facts_of_a_track_are_read_as_far_as_they_make_sense() {
        let track = json!({"facts": {
            "key": "G major", "tempo_bpm": 92.5, "metre": "3/4", "style": "folk", "confidence": {"key": 0.9, "tempo": 7, "metre": "x"},
            "chords": [{"start_s": 0.0, "end_s": 1.0, "name": "G"}, {"name": "D"}, "Am"],
            "instruments": ["guitar", 3, ""], "not_understood": ["wobblecore"], "remarks": ["the tempo is uncertain"],
        }});
        let music = Music::read(&track).unwrap();
        assert_eq!(music.key.as_deref(), Some("G major"));
        assert_eq!(
            (
                music.confidence.key,
                music.confidence.tempo,
                music.confidence.metre
            ),
            (Some(0.9), Some(1.0), None)
        );
        assert_eq!(music.chords.len(), 1);
        assert_eq!(music.instruments, ["guitar"]);
        assert_eq!(music.not_understood, ["wobblecore"]);
        for nothing in [
            json!({}),
            json!({"facts": 7}),
            json!({"facts": {"key": null}}),
        ] {
            assert_eq!(Music::read(&nothing), None);
        }
    }
}
