//! Ambient, cinematic, waltz and chamber strings.

use crate::{
    analysis::Vocabulary,
    arrange::{
        Instrument as I, Role,
        style::{
            ANSWER, Feel, HOLD, Piece::*, Style, StyleId, Swing, beat, comp, line, pick, voice,
        },
    },
};

/// Pads, few notes, a large room; no kit.
pub(crate) static AMBIENT: Style = Style {
    id: StyleId::Ambient,
    name: "ambient",
    bpm: 66.0,
    swing: Swing::Straight,
    feel: Feel::Gentle,
    vocabulary: Vocabulary::Modal,
    room: (4.5, 0.5),
    delay: 0.35,
    finish: (-0.25, 0.05),
    loose_ms: 12.0,
    voices: &[
        voice(
            Role::Bass,
            &[I::SubBass, I::SynthBass, I::UprightBass],
            -6.0,
            0.0,
            0.2,
            &[line(0, "1---------------")],
        ),
        voice(
            Role::Pad,
            &[I::SynthPad, I::Strings, I::Organ],
            -2.0,
            0.0,
            0.0,
            HOLD,
        ),
        voice(Role::Pad, &[I::Strings, I::Flute], -11.0, 0.1, 0.5, HOLD),
        voice(
            Role::Figure,
            &[I::Piano, I::ElectricPiano, I::Harp],
            -6.0,
            -0.2,
            0.0,
            &[
                pick(0, "1.....3.....5..."),
                pick(0, "3.......5......."),
                pick(1, "1...3...5...4..."),
                pick(2, "1.3.5.4.3.5.4.3."),
            ],
        ),
        voice(
            Role::Figure,
            &[I::Glockenspiel, I::Vibraphone, I::SynthPluck],
            -14.0,
            0.35,
            0.45,
            &[pick(0, "......5........."), pick(1, "..5.......4.....")],
        ),
        voice(
            Role::Fills,
            &[I::Flute, I::Harp, I::Vibraphone],
            -10.0,
            0.2,
            0.2,
            ANSWER,
        ),
    ],
};

/// Strings that grow, low drums, brass at the top.
pub(crate) static CINEMATIC: Style = Style {
    id: StyleId::Cinematic,
    name: "cinematic",
    bpm: 84.0,
    swing: Swing::Straight,
    feel: Feel::Gentle,
    vocabulary: Vocabulary::Film,
    room: (3.0, 0.4),
    delay: 0.0,
    finish: (-0.05, 0.05),
    loose_ms: 8.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::AcousticKit, I::ElectronicKit],
            -7.0,
            0.0,
            0.55,
            &[
                beat(0, &[(LowTom, "X...............")]),
                beat(
                    1,
                    &[(LowTom, "X.......x.....x."), (Kick, "X...............")],
                ),
                beat(
                    2,
                    &[
                        (LowTom, "X..x..x.X..x..xx"),
                        (Kick, "X.......X......."),
                        (MidTom, "....x.......x..."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::UprightBass, I::SynthBass, I::FingerBass],
            -6.0,
            0.0,
            0.3,
            &[line(0, "1---------------"), line(2, "1-------1-------")],
        ),
        voice(Role::Pad, &[I::Strings, I::SynthPad], -3.0, 0.0, 0.0, HOLD),
        voice(
            Role::Comp,
            &[I::Piano, I::Harp],
            -6.0,
            -0.15,
            0.0,
            &[
                comp(0, "x---------------"),
                comp(1, "x-------x-------"),
                comp(2, "X---x---X---x---"),
            ],
        ),
        voice(
            Role::Figure,
            &[I::Harp, I::Piano, I::NylonGuitar],
            -8.0,
            0.3,
            0.3,
            &[
                pick(0, "1.3.4.5.4.3.4.3."),
                pick(1, "1.3.5.3.1.3.5.3."),
                pick(2, "1353135313531353"),
            ],
        ),
        voice(Role::Pad, &[I::Brass, I::Organ], -10.0, -0.2, 0.72, HOLD),
        voice(
            Role::Fills,
            &[I::Flute, I::Strings, I::Glockenspiel],
            -8.0,
            0.2,
            0.2,
            ANSWER,
        ),
    ],
};

/// Bass on one; at home in 3/4, where the shared patterns play.
pub(crate) static WALTZ: Style = Style {
    id: StyleId::Waltz,
    name: "waltz",
    bpm: 110.0,
    swing: Swing::Straight,
    feel: Feel::Folk,
    vocabulary: Vocabulary::Triads,
    room: (1.6, 0.26),
    delay: 0.0,
    finish: (0.0, 0.03),
    loose_ms: 8.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::BrushKit, I::AcousticKit],
            -10.0,
            0.0,
            0.5,
            &[beat(
                0,
                &[(Kick, "x..............."), (Snare, "....o...o...o...")],
            )],
        ),
        voice(
            Role::Bass,
            &[I::UprightBass, I::FingerBass],
            -4.0,
            0.0,
            0.0,
            &[line(0, "1-------5-------"), line(1, "1---....5---....")],
        ),
        voice(
            Role::Comp,
            &[I::Piano, I::NylonGuitar, I::ElectricPiano],
            -4.0,
            -0.1,
            0.0,
            &[comp(0, "....x-......x-.."), comp(1, "..x-x-x-..x-x-x-")],
        ),
        voice(Role::Pad, &[I::Strings, I::Organ], -8.0, 0.1, 0.3, HOLD),
        voice(
            Role::Figure,
            &[I::Harp, I::NylonGuitar, I::SteelGuitar],
            -9.0,
            0.35,
            0.45,
            &[pick(0, "1.3.4.5.4.3.4.3.")],
        ),
        voice(
            Role::Fills,
            &[I::Flute, I::Strings, I::Glockenspiel],
            -7.0,
            0.2,
            0.1,
            ANSWER,
        ),
    ],
};

/// A string section and a little piano.
pub(crate) static CHAMBER_STRINGS: Style = Style {
    id: StyleId::ChamberStrings,
    name: "chamber strings",
    bpm: 84.0,
    swing: Swing::Straight,
    feel: Feel::Gentle,
    vocabulary: Vocabulary::Triads,
    room: (2.0, 0.32),
    delay: 0.0,
    finish: (-0.05, 0.0),
    loose_ms: 9.0,
    voices: &[
        voice(
            Role::Bass,
            &[I::UprightBass, I::FingerBass],
            -5.0,
            0.0,
            0.1,
            &[
                line(0, "1-------5-------"),
                line(1, "1-------5---1-a-"),
                line(2, "1---3---5---a---"),
            ],
        ),
        voice(
            Role::Pad,
            &[I::Strings, I::SynthPad, I::Organ],
            -1.0,
            0.0,
            0.0,
            HOLD,
        ),
        voice(
            Role::Figure,
            &[I::Harp, I::Piano, I::NylonGuitar],
            -7.0,
            0.25,
            0.3,
            &[
                pick(0, "1...3...4...3..."),
                pick(1, "1.3.4.3.5.3.4.3."),
                pick(2, "1.3.5.3.4.3.5.4."),
            ],
        ),
        voice(
            Role::Comp,
            &[I::Piano, I::Harp],
            -9.0,
            -0.2,
            0.5,
            &[comp(0, "x---------------"), comp(1, "x-------x-------")],
        ),
        voice(
            Role::Fills,
            &[I::Flute, I::Strings],
            -8.0,
            0.15,
            0.15,
            ANSWER,
        ),
    ],
};
