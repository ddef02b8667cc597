//! Pop ballad, pop rock, disco and metal.

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

/// Piano first, the band enters as the song rises.
pub(crate) static POP_BALLAD: Style = Style {
    id: StyleId::PopBallad,
    name: "pop ballad",
    bpm: 74.0,
    swing: Swing::Straight,
    feel: Feel::Gentle,
    vocabulary: Vocabulary::Open,
    room: (2.2, 0.32),
    delay: 0.0,
    finish: (0.0, 0.05),
    loose_ms: 7.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::AcousticKit, I::BrushKit, I::ElectronicKit],
            -4.0,
            0.0,
            0.42,
            &[
                beat(0, &[(Kick, "X..............."), (Rim, "........x.......")]),
                beat(
                    1,
                    &[
                        (Kick, "X.........x....."),
                        (Rim, "....x.......x..."),
                        (Closed, "x.o.x.o.x.o.x.o."),
                    ],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X......xx......."),
                        (Rim, "....x.......x..."),
                        (Closed, "x.o.x.o.x.o.x.o."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X......xx......."),
                        (Snare, "....X.......X..."),
                        (Closed, "x.x.x.x.x.x.x.x."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X.....x.x.....x."),
                        (Snare, "....X.......X..."),
                        (Ride, "x.o.x.o.x.o.x.o."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::FingerBass, I::UprightBass, I::SynthBass],
            -3.0,
            0.0,
            0.3,
            &[
                line(0, "1---------------"),
                line(1, "1-----1-1-----5-"),
                line(1, "1-------5---1---"),
                line(2, "1-----1-1-1-5-a-"),
                line(2, "1-1---1-1---1-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::Piano, I::ElectricPiano, I::SteelGuitar],
            -2.0,
            -0.1,
            0.0,
            &[
                comp(0, "x-------o-------"),
                comp(0, "x-----------o---"),
                comp(1, "x---o---x---o---"),
                comp(1, "x-----o-x---o---"),
                comp(2, "X---x---X---x-o-"),
                comp(2, "X-----x-x---x---"),
            ],
        ),
        voice(
            Role::Pad,
            &[I::Strings, I::SynthPad, I::Organ],
            -10.0,
            0.1,
            0.45,
            HOLD,
        ),
        voice(
            Role::Figure,
            &[I::SteelGuitar, I::CleanGuitar, I::Harp],
            -8.0,
            0.35,
            0.35,
            &[
                pick(0, "1.3.4.3.2.3.4.3."),
                pick(1, "1.3.4.5.3.4.5.4."),
                pick(1, "1.3.5.3.4.3.5.3."),
            ],
        ),
        voice(
            Role::Fills,
            &[I::ElectricPiano, I::Piano, I::Glockenspiel],
            -9.0,
            0.2,
            0.3,
            ANSWER,
        ),
    ],
};

/// Two guitars, bass and kit.
pub(crate) static POP_ROCK: Style = Style {
    id: StyleId::PopRock,
    name: "pop rock",
    bpm: 116.0,
    swing: Swing::Straight,
    feel: Feel::Driving,
    vocabulary: Vocabulary::Open,
    room: (1.2, 0.2),
    delay: 0.0,
    finish: (0.1, 0.1),
    loose_ms: 5.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::AcousticKit, I::ElectronicKit, I::BrushKit],
            -2.0,
            0.0,
            0.2,
            &[
                beat(
                    0,
                    &[
                        (Kick, "X.......x......."),
                        (Rim, "....x.......x..."),
                        (Closed, "x.o.x.o.x.o.x.o."),
                    ],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X.......x.x....."),
                        (Snare, "....X.......X..."),
                        (Closed, "x.o.x.o.x.o.x.o."),
                    ],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X.....x.x......."),
                        (Snare, "....X.......X..."),
                        (Closed, "x.o.x.o.x.o.x.o."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X..x....x.x....."),
                        (Snare, "....X.......X..."),
                        (Open, "..............o."),
                        (Closed, "X.x.X.x.X.x.X..."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X.....x.x.x....."),
                        (Snare, "....X.......X..."),
                        (Ride, "X.x.X.x.X.x.X.x."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Percussion,
            &[I::HandPercussion],
            -12.0,
            0.4,
            0.65,
            &[
                beat(0, &[(Tambourine, "..o...x...o...x.")]),
                beat(0, &[(Shaker, "x.o.x.o.x.o.x.o.")]),
            ],
        ),
        voice(
            Role::Bass,
            &[I::FingerBass, I::SynthBass, I::UprightBass],
            -2.5,
            0.0,
            0.15,
            &[
                line(0, "1-------1-----5-"),
                line(1, "1.1.1.1.1.1.1.1."),
                line(1, "1--1..1-1--1..a-"),
                line(2, "1.1.1.1.1.1.1.a."),
                line(2, "1.1.1.8.1.1.5.a."),
            ],
        ),
        voice(
            Role::Comp,
            &[I::CleanGuitar, I::SteelGuitar, I::Piano],
            -6.0,
            -0.45,
            0.0,
            &[
                strum(0, "D-------D---u---"),
                strum(1, "D---d-u-.-u-d-u-"),
                strum(1, "D---D-u-d---D-u-"),
                strum(2, "D-d-D-u-D-u-D-u-"),
                strum(2, "D-u-D-u-d-u-D-u-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::DistortedGuitar, I::CleanGuitar, I::Organ],
            -9.0,
            0.45,
            0.62,
            &[
                comp(0, "X---------------"),
                comp(2, "X-x-x-x-X-x-x-x-"),
                comp(2, "X-----X-X-------"),
            ],
        ),
        voice(
            Role::Pad,
            &[I::Organ, I::SynthPad, I::Strings],
            -14.0,
            0.15,
            0.5,
            HOLD,
        ),
        voice(
            Role::Figure,
            &[I::Piano, I::ElectricPiano],
            -9.0,
            0.2,
            0.3,
            &[pick(0, "3...4...5...4..."), pick(1, "3.5.4.5.3.5.4.5.")],
        ),
        voice(
            Role::Fills,
            &[I::CleanGuitar, I::SteelGuitar, I::Piano],
            -9.0,
            0.3,
            0.3,
            ANSWER,
        ),
    ],
};

/// Four on the floor, off-beat hats, octave bass, strings.
pub(crate) static DISCO: Style = Style {
    id: StyleId::Disco,
    name: "disco",
    bpm: 118.0,
    swing: Swing::Straight,
    feel: Feel::Driving,
    vocabulary: Vocabulary::Jazz,
    room: (1.3, 0.2),
    delay: 0.0,
    finish: (0.15, 0.08),
    loose_ms: 3.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::AcousticKit, I::ElectronicKit],
            -2.0,
            0.0,
            0.1,
            &[
                beat(
                    0,
                    &[(Kick, "X...x...X...x..."), (Closed, "..x...x...x...x.")],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X...X...X...X..."),
                        (Snare, "....X.......X..."),
                        (Open, "..x...x...x...x."),
                        (Closed, "x...x...x...x..."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X...X...X...X..."),
                        (Snare, "....X.......X..."),
                        (Clap, "....x.......x..."),
                        (Open, "..X...X...X...X."),
                        (Closed, "x..ox..ox..ox..o"),
                    ],
                ),
            ],
        ),
        voice(
            Role::Percussion,
            &[I::HandPercussion],
            -12.0,
            -0.4,
            0.5,
            &[
                beat(
                    0,
                    &[
                        (HighConga, "..x...xx..x...x."),
                        (LowConga, "......o.......xo"),
                    ],
                ),
                beat(0, &[(Tambourine, "x.oxx.oxx.oxx.ox")]),
            ],
        ),
        voice(
            Role::Bass,
            &[I::FingerBass, I::SynthBass],
            -2.0,
            0.0,
            0.1,
            &[
                line(0, "1...1...1...1.a."),
                line(1, "1.8.1.8.1.8.1.8."),
                line(2, "1.81..8.1.815.a."),
                line(2, "1.8.1.811.8.5.a."),
            ],
        ),
        voice(
            Role::Comp,
            &[I::CleanGuitar, I::SteelGuitar],
            -9.0,
            -0.4,
            0.2,
            &[
                strum(0, "..d...d...d...d."),
                strum(1, "x.D.x.duxxD.x.du"),
                strum(2, "xxD.xxDu.xD.xxDu"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::ElectricPiano, I::Piano, I::Organ],
            -7.0,
            0.25,
            0.0,
            &[
                comp(0, "x-------o-------"),
                comp(1, "x--x--x-..x--x--"),
                comp(1, "..x-..x-..x-..x-"),
            ],
        ),
        voice(Role::Pad, &[I::Strings, I::SynthPad], -9.0, 0.0, 0.35, HOLD),
        voice(
            Role::Fills,
            &[I::Brass, I::Strings, I::SynthLead],
            -8.0,
            0.2,
            0.3,
            ANSWER,
        ),
    ],
};

/// Power chords and double kick, kept below pain.
pub(crate) static METAL: Style = Style {
    id: StyleId::Metal,
    name: "metal",
    bpm: 140.0,
    swing: Swing::Straight,
    feel: Feel::Driving,
    vocabulary: Vocabulary::Power,
    room: (1.0, 0.14),
    delay: 0.0,
    finish: (0.1, 0.2),
    loose_ms: 2.5,
    voices: &[
        voice(
            Role::Drums,
            &[I::AcousticKit, I::ElectronicKit],
            -1.5,
            0.0,
            0.1,
            &[
                beat(
                    0,
                    &[
                        (Kick, "X.......X......."),
                        (Snare, "........X......."),
                        (Closed, "X...x...X...x..."),
                    ],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X..xX..xX..xX..x"),
                        (Snare, "....X.......X..."),
                        (Closed, "X.x.X.x.X.x.X.x."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X.xxX.xxX.xxX.xx"),
                        (Snare, "....X.......X..."),
                        (Ride, "X...X...X...X..."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "xxxxxxxxxxxxxxxx"),
                        (Snare, "....X.......X..."),
                        (Ride, "X...X...X...X..."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::FingerBass, I::SynthBass],
            -3.0,
            0.0,
            0.0,
            &[
                line(0, "1-------1-------"),
                line(1, "1.111.111.111.11"),
                line(2, "1.111.111.111.1a"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::DistortedGuitar, I::CleanGuitar, I::SteelGuitar],
            -0.5,
            0.0,
            0.2,
            &[
                comp(0, "X---------------"),
                comp(1, "X-^^X-^^X-^^X-^^"),
                comp(2, "X-^^^^X-^^X-^^^^"),
                comp(2, "X-^^X-^^X-X-X-X-"),
            ],
        ),
        voice(Role::Pad, &[I::Strings, I::SynthPad], -13.0, 0.2, 0.3, HOLD),
        voice(
            Role::Figure,
            &[I::CleanGuitar, I::SteelGuitar, I::Piano],
            -7.0,
            0.5,
            0.0,
            &[pick(0, "1.3.5.4.3.5.4.3."), pick(1, "1.5.3.5.1.5.4.5.")],
        ),
        voice(
            Role::Fills,
            &[I::DistortedGuitar, I::CleanGuitar],
            -9.0,
            0.3,
            0.4,
            ANSWER,
        ),
    ],
};
