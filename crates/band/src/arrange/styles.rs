//! The tables of the styles, and of the patterns of instruments that only the tags name.

use std::sync::{LazyLock, OnceLock};

use super::{
    Role,
    style::{Guest, Style, StyleId},
};
use crate::data::{DataError, parse};

macro_rules! styles {
    ($($id:ident = $name:literal),* $(,)?) => {
        /// Every style, in the order in which they are offered where the tags name none.
        pub(crate) const ALL: &[StyleId] = &[$(StyleId::$id),*];

        /// A style's file under `crates/band/data`, and its text.
        fn source(id: StyleId) -> (&'static str, &'static str) {
            match id {
                $(StyleId::$id => (
                    concat!("styles/", $name, ".yaml"),
                    include_str!(concat!("../../data/styles/", $name, ".yaml")),
                ),)*
            }
        }
    };
}

styles! {
    PopBallad = "pop-ballad",
    PopRock = "pop-rock",
    IndieFolk = "indie-folk",
    Country = "country",
    Blues = "blues",
    Soul = "soul",
    Funk = "funk",
    Disco = "disco",
    JazzSwing = "jazz-swing",
    BossaNova = "bossa-nova",
    Reggae = "reggae",
    HipHop = "hip-hop",
    LoFi = "lo-fi",
    Trap = "trap",
    House = "house",
    DrumAndBass = "drum-and-bass",
    Synthwave = "synthwave",
    Ambient = "ambient",
    Cinematic = "cinematic",
    Waltz = "waltz",
    Gospel = "gospel",
    Latin = "latin",
    Metal = "metal",
    ChamberStrings = "chamber-strings",
    SingerSongwriter = "singer-songwriter",
}

/// The table of a style, read when it is first used.
pub(crate) fn table(id: StyleId) -> &'static Style {
    static TABLES: [OnceLock<Style>; ALL.len()] = [const { OnceLock::new() }; ALL.len()];
    TABLES[id as usize].get_or_init(|| {
        read(id).unwrap_or_else(|error| panic!("a test reads every style's table: {error}"))
    })
}

fn read(id: StyleId) -> Result<Style, DataError> {
    let (file, text) = source(id);
    let style: Style = parse(file, text)?;
    if style.id == id {
        Ok(style)
    } else {
        Err(DataError::at(file, 2, "`style` is not the file's name"))
    }
}

/// The patterns of an instrument that only the tags name.
pub(crate) fn guest(role: Role, strummed: bool) -> &'static Guest {
    static GUESTS: LazyLock<Vec<Guest>> = LazyLock::new(|| {
        parse("guests.yaml", include_str!("../../data/guests.yaml"))
            .unwrap_or_else(|error| panic!("a test reads the table: {error}"))
    });
    GUESTS
        .iter()
        .find(|row| row.role == role && (!row.strummed || strummed))
        .expect("a test asks for every part and way of playing")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 7] = [
        Role::Drums,
        Role::Percussion,
        Role::Bass,
        Role::Comp,
        Role::Pad,
        Role::Figure,
        Role::Fills,
    ];

    #[test]
    fn every_table_can_be_read_and_has_a_row_for_every_part() {
        for &id in ALL {
            if let Err(error) = read(id) {
                panic!("{error}");
            }
        }
        for strummed in [false, true] {
            for role in ROLES {
                guest(role, strummed);
            }
        }
    }

    #[test]
    fn the_index_of_a_style_is_its_place_in_the_list() {
        for (at, &id) in ALL.iter().enumerate() {
            assert_eq!(id as usize, at, "{id:?}");
        }
    }

    #[test]
    fn mistakes_in_a_table_are_refused_with_file_and_line() {
        const STROKES: &str = r#""x.o.x.o.x.o.x.o.""#;
        let (file, text) = source(StyleId::IndieFolk);
        for (from, to, lines_on, message) in [
            (
                STROKES,
                r#""x.o.x.o.x.o.x.o""#,
                0,
                "has 15 characters: a bar has 16",
            ),
            (
                STROKES,
                r#""x.o.x.o.x.o.x.o. | % | %""#,
                0,
                "3 bars: write one, two, four or eight",
            ),
            (STROKES, r#""x.o.y.o.x.o.x.o.""#, 0, "write one of Xxo^-."),
            ("- kick: ", "- kik: ", 0, "kik"),
            ("- bass: ", "- strum: ", 0, "write one of DUdux-."),
            (
                "from: 0.5",
                "from: 1.5",
                0,
                "1.5 is out of range: write 0 to 1",
            ),
            ("brush-kit", "brush-kid", 0, "brush-kid"),
            ("lead_in: chords", "lead_in: cords", 0, "cords"),
            ("bpm: 96", "bmp: 96", 0, "bmp"),
            ("- part: pad", "- part: comp", 0, "`comp` has no patterns"),
            (
                "- part: bass",
                "- part: figure",
                0,
                "`figure` does not play `bass`",
            ),
            ("style: indie", "bpm: 96\nstyle: indie", 3, "bpm"),
        ] {
            let at = text
                .find(from)
                .unwrap_or_else(|| panic!("{file} has no {from:?}"));
            let line =
                text[..at].lines().count() + usize::from(text[..at].ends_with('\n')) + lines_on;
            let line = line.max(1);
            match parse::<Style>(file, &text.replacen(from, to, 1)) {
                Ok(_) => panic!("{to:?} is taken"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(
                        error.starts_with(&format!("{file}:{line}: ")) && error.contains(message),
                        "{to:?}, line {line}: {error}"
                    );
                }
            }
        }
    }
}
