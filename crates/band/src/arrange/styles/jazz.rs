//! Blues, soul, funk, jazz swing, bossa nova and gospel.

use crate::{
    analysis::Vocabulary,
    arrange::{
        Instrument as I, Role,
        style::{
            ANSWER, Feel, HOLD, Piece::*, Style, StyleId, Swing, beat, comp, line, strum, voice,
        },
    },
};

/// Shuffle, dominant sevenths, answers on the guitar.
pub(crate) static BLUES: Style = Style {
    id: StyleId::Blues,
    name: "blues",
    bpm: 92.0,
    swing: Swing::Eighths(0.655),
    feel: Feel::Swung,
    vocabulary: Vocabulary::Blues,
    room: (0.9, 0.16),
    delay: 0.0,
    finish: (-0.05, 0.15),
    loose_ms: 9.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::AcousticKit, I::BrushKit],
            -5.0,
            0.0,
            0.2,
            &[
                beat(
                    0,
                    &[
                        (Kick, "X.......x......."),
                        (Rim, "....x.......x..."),
                        (Closed, "x...x.o.x...x.o."),
                    ],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X.....x.X......."),
                        (Snare, "....X.......X..."),
                        (Closed, "x.o.x.o.x.o.x.o."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X...x.x.X...x..."),
                        (Snare, "....X.....o.X..."),
                        (Ride, "X.o.X.x.X.o.X.x."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::FingerBass, I::UprightBass],
            -3.0,
            0.0,
            0.1,
            &[
                line(0, "1-------5-----a-"),
                line(1, "1---3---5---a---"),
                line(1, "1---1---5---5---"),
                line(2, "1-1-3-3-5-5-7-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::CleanGuitar, I::SteelGuitar, I::DistortedGuitar],
            -6.0,
            -0.35,
            0.0,
            &[
                comp(0, "x-------o-------"),
                comp(1, "....x-......x-.."),
                comp(1, "x-o-x-o-x-o-x-o-"),
                comp(2, "x-o-x-o-x-x-x-o-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::Piano, I::Organ, I::ElectricPiano],
            -7.0,
            0.3,
            0.3,
            &[
                comp(0, "x-------....o-.."),
                comp(1, "..x---..x-....x-"),
                comp(2, "..x-x-..x-x-..x-"),
            ],
        ),
        voice(Role::Pad, &[I::Organ, I::Brass], -13.0, 0.15, 0.55, HOLD),
        voice(
            Role::Fills,
            &[I::CleanGuitar, I::SteelGuitar, I::Piano],
            -5.0,
            0.2,
            0.1,
            ANSWER,
        ),
    ],
};

/// Laid-back pocket, electric piano, horns that answer.
pub(crate) static SOUL: Style = Style {
    id: StyleId::Soul,
    name: "soul",
    bpm: 84.0,
    swing: Swing::Sixteenths(0.57),
    feel: Feel::Swung,
    vocabulary: Vocabulary::Gospel,
    room: (1.2, 0.2),
    delay: 0.0,
    finish: (-0.1, 0.12),
    loose_ms: 9.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::AcousticKit, I::ElectronicKit, I::BrushKit],
            -4.0,
            0.0,
            0.25,
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
                        (Kick, "X..x....x.x....."),
                        (Rim, "....x.......x..."),
                        (Closed, "x.o.x.o.x.o.x.oo"),
                    ],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X.....x...x....."),
                        (Snare, "....X..o.o..X..."),
                        (Closed, "x.o.x.o.x.o.x.o."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X..x..x...x..x.."),
                        (Snare, "....X..o.o..X..o"),
                        (Closed, "x.oxx.o.x.oxx.o."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::FingerBass, I::UprightBass, I::SynthBass],
            -2.0,
            0.0,
            0.15,
            &[
                line(0, "1-------....5-a-"),
                line(1, "1--.1-..5-..3-a-"),
                line(1, "1-..1--1..5-..a-"),
                line(2, "1-.1.-1-5-.58-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::ElectricPiano, I::Piano, I::Organ],
            -3.0,
            0.15,
            0.0,
            &[
                comp(0, "x-------..o-----"),
                comp(1, "x-----..x-----o-"),
                comp(1, "x--x----..x-----"),
                comp(2, "x--x--..x--x--o-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::CleanGuitar, I::SteelGuitar],
            -10.0,
            -0.4,
            0.4,
            &[comp(0, "....^.......^..."), comp(2, "....^..o....^.o.")],
        ),
        voice(
            Role::Pad,
            &[I::Strings, I::Organ, I::SynthPad],
            -13.0,
            0.0,
            0.5,
            HOLD,
        ),
        voice(
            Role::Fills,
            &[I::Brass, I::ElectricPiano, I::Flute],
            -8.0,
            0.25,
            0.25,
            ANSWER,
        ),
    ],
};

/// The one, ghost notes, sixteenth guitar.
pub(crate) static FUNK: Style = Style {
    id: StyleId::Funk,
    name: "funk",
    bpm: 102.0,
    swing: Swing::Sixteenths(0.54),
    feel: Feel::Driving,
    vocabulary: Vocabulary::Jazz,
    room: (0.7, 0.12),
    delay: 0.0,
    finish: (0.1, 0.12),
    loose_ms: 4.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::AcousticKit, I::ElectronicKit],
            -2.5,
            0.0,
            0.1,
            &[
                beat(
                    0,
                    &[
                        (Kick, "X.....x...x....."),
                        (Rim, "....x.......x..."),
                        (Closed, "x.x.x.x.x.x.x.x."),
                    ],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X.x...x...x..x.."),
                        (Snare, "....X..o.o..X..."),
                        (Closed, "xoxoxoxoxoxoxoxo"),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X.x...x..xx..x.."),
                        (Snare, "....X..o.o.oX..o"),
                        (Closed, "xoxoxox.xoxoxoxo"),
                        (Open, ".......o........"),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X..x..x...x..x.."),
                        (Snare, "....X..o.o.oX.o."),
                        (Closed, "x.xox.xox.xox.xo"),
                    ],
                ),
            ],
        ),
        voice(
            Role::Percussion,
            &[I::HandPercussion],
            -13.0,
            0.5,
            0.6,
            &[beat(
                0,
                &[
                    (HighConga, "..x..x.x..x..xx."),
                    (Cowbell, "x...x...x...x..."),
                ],
            )],
        ),
        voice(
            Role::Bass,
            &[I::FingerBass, I::SynthBass],
            -1.0,
            0.0,
            0.0,
            &[
                line(0, "1---..1-....5-a-"),
                line(1, "1-.1..8.1..5.7a."),
                line(1, "1..1.8...1.7.5a."),
                line(2, "1.11.8.1.75.1.aa"),
                line(2, "11.8..71.1.58.a."),
            ],
        ),
        voice(
            Role::Comp,
            &[I::CleanGuitar, I::SteelGuitar],
            -6.0,
            -0.4,
            0.0,
            &[
                strum(0, "..d.....d..u...."),
                strum(1, "xxD.xxdux.Dxxxdu"),
                strum(2, "xxDuxxDxxuDxxuDu"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::ElectricPiano, I::Organ, I::Piano],
            -7.0,
            0.35,
            0.2,
            &[
                comp(0, "x-----..o-......"),
                comp(1, "..^..x-...^..x-."),
                comp(2, ".^.^..x-.^..^.x-"),
            ],
        ),
        voice(Role::Pad, &[I::Organ, I::Strings], -15.0, 0.1, 0.65, HOLD),
        voice(
            Role::Fills,
            &[I::Brass, I::CleanGuitar, I::SynthLead],
            -6.0,
            0.2,
            0.2,
            ANSWER,
        ),
    ],
};

/// Walking bass, ride, sparse comping.
pub(crate) static JAZZ_SWING: Style = Style {
    id: StyleId::JazzSwing,
    name: "jazz swing",
    bpm: 124.0,
    swing: Swing::Eighths(0.64),
    feel: Feel::Swung,
    vocabulary: Vocabulary::Jazz,
    room: (1.0, 0.16),
    delay: 0.0,
    finish: (-0.1, 0.03),
    loose_ms: 8.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::BrushKit, I::AcousticKit],
            -6.0,
            0.0,
            0.1,
            &[
                beat(
                    0,
                    &[(Sweep, "x...x...x...x..."), (Pedal, "....x.......x...")],
                ),
                beat(
                    1,
                    &[
                        (Ride, "x...x.o.x...x.o."),
                        (Pedal, "....x.......x..."),
                        (Kick, "o.......o......."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Ride, "X...x.x.X...x.x."),
                        (Pedal, "....x.......x..."),
                        (Kick, "o...o...o...o..."),
                        (Snare, "......o.......o."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Ride, "X...x.x.X...x.x."),
                        (Pedal, "....x.......x..."),
                        (Kick, "o.....x.o......."),
                        (Snare, "..o.......o....."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::UprightBass, I::FingerBass],
            -2.0,
            0.0,
            0.0,
            &[
                line(0, "1-------5-----a-"),
                line(1, "1---3---5---a---"),
                line(1, "1---5---3---a---"),
                line(2, "1---3---5-5-a---"),
                line(2, "1---8---5---a---"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::Piano, I::ElectricPiano, I::Vibraphone],
            -4.0,
            0.2,
            0.0,
            &[
                comp(0, "x-----------...."),
                comp(1, "x---..x-......x-"),
                comp(1, "......x---....x-"),
                comp(1, "..x---....x-...."),
                comp(2, "x---..x-..x-..x-"),
                comp(2, "..x-..x---..x-.."),
            ],
        ),
        voice(
            Role::Comp,
            &[I::NylonGuitar, I::SteelGuitar, I::CleanGuitar],
            -12.0,
            -0.35,
            0.35,
            &[strum(0, "d--.d--.d--.d--."), strum(1, "d--.D--.d--.D--.")],
        ),
        voice(
            Role::Fills,
            &[I::Vibraphone, I::Piano, I::Brass, I::Flute],
            -6.0,
            -0.25,
            0.1,
            ANSWER,
        ),
    ],
};

/// Nylon guitar, cross-stick, two-feel bass.
pub(crate) static BOSSA_NOVA: Style = Style {
    id: StyleId::BossaNova,
    name: "bossa nova",
    bpm: 72.0,
    swing: Swing::Straight,
    feel: Feel::Gentle,
    vocabulary: Vocabulary::Bossa,
    room: (1.1, 0.18),
    delay: 0.0,
    finish: (-0.1, 0.02),
    loose_ms: 6.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::BrushKit, I::AcousticKit],
            -8.0,
            0.0,
            0.2,
            &[
                beat(0, &[(Rim, "x..x..x...x..x..")]),
                beat(
                    1,
                    &[
                        (Rim, "x..x..x...x..x.."),
                        (Closed, "o.o.o.o.o.o.o.o."),
                        (Kick, "x..xx..xx..xx..x"),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Rim, "x..x..x...x..x.."),
                        (Closed, "xoxoxoxoxoxoxoxo"),
                        (Kick, "x..xx..xx..xx..x"),
                    ],
                ),
            ],
        ),
        voice(
            Role::Percussion,
            &[I::HandPercussion],
            -16.0,
            0.4,
            0.35,
            &[beat(0, &[(Shaker, "xoxoxoxoxoxoxoxo")])],
        ),
        voice(
            Role::Bass,
            &[I::UprightBass, I::FingerBass],
            -3.0,
            0.0,
            0.1,
            &[
                line(0, "1-------5-------"),
                line(1, "1--55--51--55--a"),
                line(1, "1--5----1--5--a-"),
                line(2, "1--55--41--55-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::NylonGuitar, I::SteelGuitar],
            -2.0,
            -0.2,
            0.0,
            &[
                comp(0, "x--x--x---x--x--"),
                comp(1, "x-.x-.x-..x-.x-."),
                comp(1, "..x..x..x-.x..x."),
                comp(2, "x.xx..x.x.x..xx."),
            ],
        ),
        voice(
            Role::Comp,
            &[I::ElectricPiano, I::Piano, I::Vibraphone],
            -10.0,
            0.3,
            0.4,
            &[comp(0, "x---------------"), comp(1, "..x-----..x-----")],
        ),
        voice(Role::Pad, &[I::Strings], -14.0, 0.1, 0.6, HOLD),
        voice(
            Role::Fills,
            &[I::Flute, I::Vibraphone, I::Piano, I::NylonGuitar],
            -7.0,
            0.25,
            0.15,
            ANSWER,
        ),
    ],
};

/// Organ, piano in triplet motion, hand claps as it rises.
pub(crate) static GOSPEL: Style = Style {
    id: StyleId::Gospel,
    name: "gospel",
    bpm: 76.0,
    swing: Swing::Eighths(0.62),
    feel: Feel::Swung,
    vocabulary: Vocabulary::Gospel,
    room: (1.8, 0.28),
    delay: 0.0,
    finish: (0.0, 0.1),
    loose_ms: 9.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::AcousticKit, I::BrushKit, I::ElectronicKit],
            -5.0,
            0.0,
            0.4,
            &[
                beat(0, &[(Kick, "X.......x......."), (Rim, "....x.......x...")]),
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
                        (Kick, "X.....x.x.x....."),
                        (Snare, "....X.......X.o."),
                        (Clap, "....x.......x..."),
                        (Ride, "x.o.x.x.x.o.x.x."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Percussion,
            &[I::HandPercussion],
            -12.0,
            0.4,
            0.55,
            &[beat(0, &[(Tambourine, "..o.x.o...o.x.o.")])],
        ),
        voice(
            Role::Bass,
            &[I::FingerBass, I::UprightBass, I::SynthBass],
            -3.0,
            0.0,
            0.25,
            &[
                line(0, "1-----------5---"),
                line(1, "1-----1-5-----a-"),
                line(2, "1---3-1-5---7-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::Piano, I::ElectricPiano],
            -3.0,
            -0.15,
            0.0,
            &[
                comp(0, "x-------x---o---"),
                comp(1, "x---o-x-x---o-x-"),
                comp(2, "X-x-x-x-X-x-x-x-"),
            ],
        ),
        voice(Role::Pad, &[I::Organ, I::Strings], -7.0, 0.25, 0.15, HOLD),
        voice(
            Role::Comp,
            &[I::CleanGuitar],
            -13.0,
            0.45,
            0.55,
            &[comp(0, "....^.......^...")],
        ),
        voice(
            Role::Fills,
            &[I::Organ, I::Piano, I::Brass],
            -7.0,
            0.2,
            0.2,
            ANSWER,
        ),
    ],
};
