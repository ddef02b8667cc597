//! Acoustic singer-songwriter: one guitar in front, the others join late and softly.

use crate::{
    analysis::Vocabulary,
    arrange::{
        Instrument as I, Role,
        style::{
            ANSWER, Feel, HOLD, Piece::*, Style, StyleId, Swing, beat, comp, line, pick, strum,
            voice,
        },
    },
};

/// Thumb and fingers, a piano in the other room.
pub(crate) static SINGER_SONGWRITER: Style = Style {
    id: StyleId::SingerSongwriter,
    name: "acoustic singer-songwriter",
    bpm: 84.0,
    swing: Swing::Straight,
    feel: Feel::Gentle,
    vocabulary: Vocabulary::Open,
    room: (0.9, 0.16),
    delay: 0.0,
    finish: (-0.05, 0.02),
    loose_ms: 10.0,
    voices: &[
        voice(
            Role::Comp,
            &[I::SteelGuitar, I::NylonGuitar, I::Piano],
            0.0,
            -0.12,
            0.0,
            &[
                pick(0, "1.3.2.4.1.3.2.4."),
                pick(0, "1..4.3.42..4.3.4"),
                pick(1, "1.342.341.342.34"),
                pick(1, "1.4.3.4.2.4.3.4."),
                strum(2, "D---d-uxD-u-d-ux"),
                strum(2, "D-d-x-ud-ud-x-u-"),
            ],
        ),
        voice(
            Role::Drums,
            &[I::BrushKit, I::HandPercussion],
            -11.0,
            0.0,
            0.6,
            &[
                beat(
                    1,
                    &[(Kick, "x.......x......."), (Snare, "....o.......o...")],
                ),
                beat(
                    2,
                    &[(Kick, "x.....x.x......."), (Snare, "..o.x.o...o.x.o.")],
                ),
            ],
        ),
        voice(
            Role::Percussion,
            &[I::HandPercussion],
            -16.0,
            0.35,
            0.5,
            &[
                beat(0, &[(Shaker, "o.x.o.x.o.x.o.x.")]),
                beat(0, &[(Tambourine, "....o.......o...")]),
            ],
        ),
        voice(
            Role::Bass,
            &[I::UprightBass, I::FingerBass],
            -5.0,
            0.0,
            0.35,
            &[
                line(0, "1---------------"),
                line(1, "1-------1-------"),
                line(1, "1-----5-1-------"),
                line(2, "1-----1-5---1-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::Piano, I::ElectricPiano],
            -10.0,
            0.25,
            0.45,
            &[
                comp(0, "x---------------"),
                comp(1, "x-------..x-----"),
                comp(2, "x-----x-x---x---"),
            ],
        ),
        voice(Role::Pad, &[I::Strings], -15.0, 0.1, 0.7, HOLD),
        voice(
            Role::Fills,
            &[I::SteelGuitar, I::NylonGuitar, I::Piano],
            -8.0,
            0.3,
            0.0,
            ANSWER,
        ),
    ],
};
