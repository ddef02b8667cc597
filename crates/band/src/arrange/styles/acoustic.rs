//! Indie folk, country, reggae and latin.

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

/// Picked and strummed guitars, brushes, upright bass.
pub(crate) static INDIE_FOLK: Style = Style {
    id: StyleId::IndieFolk,
    name: "indie folk",
    bpm: 96.0,
    swing: Swing::Straight,
    feel: Feel::Folk,
    vocabulary: Vocabulary::Open,
    room: (1.1, 0.2),
    delay: 0.0,
    finish: (-0.05, 0.05),
    loose_ms: 9.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::BrushKit, I::AcousticKit],
            -8.0,
            0.0,
            0.5,
            &[
                beat(0, &[(Kick, "x.......x.......")]),
                beat(
                    1,
                    &[(Kick, "X.......x......."), (Snare, "..o.x.o...o.x.o.")],
                ),
                beat(
                    2,
                    &[(Kick, "X.....x.x......."), (Snare, "o.oox.ooo.oox.oo")],
                ),
            ],
        ),
        voice(
            Role::Percussion,
            &[I::HandPercussion],
            -14.0,
            0.4,
            0.4,
            &[
                beat(0, &[(Shaker, "x.o.x.o.x.o.x.o.")]),
                beat(0, &[(Tambourine, "....x.......x...")]),
            ],
        ),
        voice(
            Role::Bass,
            &[I::UprightBass, I::FingerBass],
            -4.0,
            0.0,
            0.3,
            &[
                line(0, "1-------5-------"),
                line(1, "1-----1-5-----a-"),
                line(1, "1-------5---1-a-"),
                line(2, "1---1-1-5---5-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::SteelGuitar, I::NylonGuitar, I::Ukulele],
            -2.0,
            -0.25,
            0.0,
            &[
                pick(0, "1.3.2.4.1.3.2.4."),
                pick(0, "1..3..4.2..3..4."),
                strum(1, "D---d-u-.-u-d-u-"),
                strum(1, "D---D-u-d-u-D-u-"),
                strum(2, "D-d-D-ud.udud-u-"),
                strum(2, "D-duD-u-d-duD-u-"),
            ],
        ),
        voice(
            Role::Figure,
            &[I::Ukulele, I::NylonGuitar, I::Piano],
            -10.0,
            0.4,
            0.55,
            &[pick(0, "4.3.2.3.4.3.2.3."), pick(1, "2.4.3.4.2.4.3.4.")],
        ),
        voice(Role::Pad, &[I::Strings, I::Organ], -13.0, 0.15, 0.55, HOLD),
        voice(
            Role::Fills,
            &[I::NylonGuitar, I::SteelGuitar, I::Flute],
            -8.0,
            0.3,
            0.2,
            ANSWER,
        ),
    ],
};

/// Boom-chick guitar, train beat, clean leads.
pub(crate) static COUNTRY: Style = Style {
    id: StyleId::Country,
    name: "country",
    bpm: 108.0,
    swing: Swing::Straight,
    feel: Feel::Folk,
    vocabulary: Vocabulary::Triads,
    room: (1.0, 0.16),
    delay: 0.0,
    finish: (0.05, 0.05),
    loose_ms: 6.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::AcousticKit, I::BrushKit],
            -6.0,
            0.0,
            0.3,
            &[
                beat(0, &[(Kick, "X.......X......."), (Rim, "....x.......x...")]),
                beat(
                    1,
                    &[
                        (Kick, "X.......X......."),
                        (Rim, "....x.......x..."),
                        (Closed, "o.x.o.x.o.x.o.x."),
                    ],
                ),
                beat(
                    2,
                    &[(Kick, "X...x...X...x..."), (Snare, "o.oxX.oxo.oxX.ox")],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X.......X.....x."),
                        (Snare, "....X.......X..."),
                        (Closed, "x.x.x.x.x.x.x.x."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::UprightBass, I::FingerBass],
            -3.0,
            0.0,
            0.15,
            &[
                line(0, "1-------4-------"),
                line(1, "1---....4---...."),
                line(1, "1---....5---..a-"),
                line(2, "1---..1-4---3-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::SteelGuitar, I::NylonGuitar, I::CleanGuitar],
            -4.0,
            -0.35,
            0.0,
            &[
                strum(0, "....D-------D---"),
                strum(1, "....D-u-....D-u-"),
                strum(2, "..d-D-ud..d-D-ud"),
                strum(2, "....D-uD.u..D-ud"),
            ],
        ),
        voice(
            Role::Figure,
            &[I::CleanGuitar, I::Ukulele, I::SteelGuitar],
            -8.0,
            0.4,
            0.25,
            &[
                pick(0, "1.3.2.4.1.3.2.4."),
                pick(1, "1.432.431.432.43"),
                pick(1, "1.4.3.421.4.3.42"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::Piano, I::Organ],
            -11.0,
            0.2,
            0.5,
            &[comp(0, "....x-......x-..")],
        ),
        voice(Role::Pad, &[I::Strings, I::Organ], -14.0, 0.1, 0.6, HOLD),
        voice(
            Role::Fills,
            &[I::CleanGuitar, I::SteelGuitar, I::NylonGuitar],
            -6.0,
            0.35,
            0.15,
            ANSWER,
        ),
    ],
};

/// One drop, skank on the off-beat, heavy bass, organ bubble.
pub(crate) static REGGAE: Style = Style {
    id: StyleId::Reggae,
    name: "reggae",
    bpm: 76.0,
    swing: Swing::Sixteenths(0.56),
    feel: Feel::Folk,
    vocabulary: Vocabulary::Triads,
    room: (1.6, 0.2),
    delay: 0.35,
    finish: (-0.1, 0.1),
    loose_ms: 6.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::AcousticKit, I::ElectronicKit],
            -4.0,
            0.0,
            0.2,
            &[
                beat(
                    0,
                    &[
                        (Kick, "........X......."),
                        (Rim, "........x......."),
                        (Closed, "..x...x...x...x."),
                    ],
                ),
                beat(
                    1,
                    &[
                        (Kick, "........X......."),
                        (Rim, "......o.X.....o."),
                        (Closed, "x.xox.x.x.xox.x."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X...x...X...x..."),
                        (Rim, "........X..o...."),
                        (Closed, "x.xox.xox.xox.x."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Percussion,
            &[I::HandPercussion],
            -13.0,
            0.5,
            0.5,
            &[beat(
                0,
                &[
                    (HighConga, "......x.......xx"),
                    (LowConga, "...x.......x...."),
                ],
            )],
        ),
        voice(
            Role::Bass,
            &[I::FingerBass, I::SynthBass, I::UprightBass],
            0.0,
            0.0,
            0.1,
            &[
                line(0, "1-----......5-1-"),
                line(1, "1-..1-3-5-....1-"),
                line(1, "..1-1-..5-3-1-.."),
                line(2, "1-.11-3-5-5-3-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::CleanGuitar, I::SteelGuitar, I::Piano],
            -5.0,
            -0.35,
            0.0,
            &[
                comp(0, "..^...^...^...^."),
                comp(1, "..^...^^..^...^."),
                comp(1, "..^^..^...^^..^."),
            ],
        ),
        voice(
            Role::Comp,
            &[I::Organ, I::ElectricPiano],
            -9.0,
            0.35,
            0.25,
            &[comp(0, "..x...x...x...x."), comp(1, ".^x^.^x^.^x^.^x^")],
        ),
        voice(
            Role::Fills,
            &[I::Brass, I::Organ, I::Flute],
            -8.0,
            0.2,
            0.2,
            ANSWER,
        ),
    ],
};

/// Clave, montuno, tumbao, congas.
pub(crate) static LATIN: Style = Style {
    id: StyleId::Latin,
    name: "latin",
    bpm: 96.0,
    swing: Swing::Straight,
    feel: Feel::Driving,
    vocabulary: Vocabulary::Open,
    room: (1.1, 0.18),
    delay: 0.0,
    finish: (0.1, 0.05),
    loose_ms: 5.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::HandPercussion],
            -5.0,
            0.0,
            0.0,
            &[
                beat(
                    0,
                    &[(Claves, "x..x..x...x.x..."), (LowConga, "............xx..")],
                ),
                beat(
                    1,
                    &[
                        (Claves, "x..x..x...x.x..."),
                        (HighConga, "o.x...ooo.x....."),
                        (LowConga, "............x.x."),
                        (Shaker, "x.o.x.o.x.o.x.o."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Cowbell, "X...x.x.X...x.x."),
                        (HighConga, "o.xo..ooo.xo...."),
                        (LowConga, "......xx......xx"),
                        (Shaker, "x.oxx.oxx.oxx.ox"),
                    ],
                ),
            ],
        ),
        voice(
            Role::Percussion,
            &[I::AcousticKit, I::ElectronicKit],
            -9.0,
            0.0,
            0.55,
            &[
                beat(0, &[(Kick, "x..x....x..x...."), (Rim, "......x.....x...")]),
                beat(
                    2,
                    &[
                        (Kick, "x..x....x..x...."),
                        (Rim, "...x..x....x..x."),
                        (HighTom, "............x.x."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::UprightBass, I::FingerBass],
            -2.0,
            0.0,
            0.1,
            &[
                line(0, "1-----5-....8-.."),
                line(1, "1-----5-----8-a-"),
                line(1, "1--...5-....8---"),
                line(2, "1--5--8-..5-8-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::NylonGuitar, I::SteelGuitar, I::Ukulele],
            -6.0,
            -0.35,
            0.0,
            &[
                strum(0, "D-----d-....d-u-"),
                strum(1, "D-.u.xD-d-.u.xD-"),
                strum(2, "D-uxD-uD.udxD-ud"),
            ],
        ),
        voice(
            Role::Figure,
            &[I::Piano, I::ElectricPiano, I::Vibraphone],
            -6.0,
            0.3,
            0.3,
            &[
                pick(0, "1..3..5...4..3.."),
                pick(1, "1.35.3.5.35.35.3"),
                pick(1, "5.3.1.35.3.1.35."),
            ],
        ),
        voice(Role::Pad, &[I::Strings, I::Organ], -14.0, 0.1, 0.6, HOLD),
        voice(
            Role::Fills,
            &[I::Brass, I::Flute, I::NylonGuitar],
            -7.0,
            0.2,
            0.2,
            ANSWER,
        ),
    ],
};
