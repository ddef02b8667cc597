//! Which words of the vocabulary the band only comes near to: it has no banjo and no tango, and says what it plays instead.

/// Whether the instrument or the style that a phrase names is not the band's own, and the nearest one stands in for it.
pub(super) fn is_only_near(phrase: &str) -> bool {
    let singular = phrase.strip_suffix('s').unwrap_or(phrase);
    [phrase, singular]
        .iter()
        .any(|phrase| INSTRUMENTS.contains(phrase) || STYLES.contains(phrase))
}

/// Instruments that another one stands in for. A trumpet is played by the brass, a violin by the strings: by a section.
const INSTRUMENTS: &[&str] = &[
    "12 string guitar",
    "accordion",
    "acid bass",
    "banjo",
    "bassoon",
    "bongo",
    "cajon",
    "celesta",
    "cello",
    "chime",
    "church organ",
    "clarinet",
    "djembe",
    "fiddle",
    "french horn",
    "fretless bass",
    "harmonium",
    "harpsichord",
    "clavinet",
    "kalimba",
    "lap steel",
    "mandolin",
    "marimba",
    "music box",
    "oboe",
    "pan flute",
    "pedal steel",
    "piccolo",
    "recorder",
    "sax",
    "saxophone",
    "slap bass",
    "slide guitar",
    "steel drum",
    "trombone",
    "trumpet",
    "tuba",
    "viola",
    "violin",
    "whistle",
    "xylophone",
];

/// Styles that another one stands in for.
const STYLES: &[&str] = &[
    "alt country",
    "bachata",
    "baroque",
    "big band",
    "blues rock",
    "bluegrass",
    "bolero",
    "boogie",
    "celtic",
    "cha cha",
    "cha cha cha",
    "classical",
    "cumbia",
    "dancehall",
    "death metal",
    "dream pop",
    "drill",
    "dub",
    "flamenco",
    "future bass",
    "grunge",
    "industrial",
    "irish",
    "jungle",
    "k pop",
    "mambo",
    "motown",
    "phonk",
    "pop punk",
    "punk",
    "reggaeton",
    "rock and roll",
    "rock n roll",
    "rumba",
    "salsa",
    "samba",
    "shoegaze",
    "ska",
    "tango",
    "techno",
    "thrash",
    "thrash metal",
    "trance",
    "vaporwave",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tags::words::{Meaning, meaning_of};

    #[test]
    fn every_word_that_is_only_near_is_known() {
        for phrase in INSTRUMENTS {
            let meaning = meaning_of(phrase);
            assert!(
                matches!(meaning, Some(Meaning::Sound { wants: Some(_), .. })),
                "{phrase:?}: {meaning:?}"
            );
        }
        for phrase in STYLES {
            let meaning = meaning_of(phrase);
            assert!(
                matches!(meaning, Some(Meaning::Style(_))),
                "{phrase:?}: {meaning:?}"
            );
        }
    }
}
