//! Hip-hop, lo-fi, trap, house, drum and bass and synthwave.

use crate::{
    analysis::Vocabulary,
    arrange::{
        Instrument as I, Role,
        style::{
            ANSWER, Feel, HOLD, Piece::*, Style, StyleId, Swing, beat, comp, line, pick, voice,
        },
    },
};

/// Swung kick and snare, electric piano loop.
pub(crate) static HIP_HOP: Style = Style {
    id: StyleId::HipHop,
    name: "hip-hop",
    bpm: 90.0,
    swing: Swing::Sixteenths(0.58),
    feel: Feel::Driving,
    vocabulary: Vocabulary::Mellow,
    room: (0.8, 0.12),
    delay: 0.1,
    finish: (-0.1, 0.2),
    loose_ms: 3.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::ElectronicKit, I::AcousticKit],
            -1.0,
            0.0,
            0.15,
            &[
                beat(
                    0,
                    &[(Kick, "X.........x....."), (Snare, "....X.......X...")],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X..x......x....."),
                        (Snare, "....X.......X..."),
                        (Closed, "x.x.x.x.x.x.x.x."),
                    ],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X......x..x....."),
                        (Snare, "....X.......X..."),
                        (Closed, "x.x.x.x.x.xxx.x."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X..x...x..x..x.."),
                        (Snare, "....X.......X..o"),
                        (Closed, "x.xox.x.x.xox.x."),
                        (Open, "......o........."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::SubBass, I::SynthBass, I::FingerBass],
            -2.0,
            0.0,
            0.1,
            &[
                line(0, "1-----------...."),
                line(1, "1--1--....1-..a-"),
                line(1, "1-----.1..1---.."),
                line(2, "1--1--..1-1-.5a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::ElectricPiano, I::Piano, I::Vibraphone],
            -4.0,
            0.1,
            0.0,
            &[
                comp(0, "x-----------...."),
                comp(1, "x--x----..x-----"),
                comp(1, "x-----..x--x----"),
                comp(2, "x--x--..x--x--.."),
            ],
        ),
        voice(
            Role::Figure,
            &[I::Vibraphone, I::Harp, I::SynthPluck, I::NylonGuitar],
            -11.0,
            0.35,
            0.45,
            &[pick(0, "4.......5...3..."), pick(1, "5..4..3...5.4...")],
        ),
        voice(
            Role::Pad,
            &[I::SynthPad, I::Strings],
            -14.0,
            -0.1,
            0.5,
            HOLD,
        ),
        voice(
            Role::Fills,
            &[I::Flute, I::ElectricPiano, I::Vibraphone],
            -9.0,
            -0.25,
            0.3,
            ANSWER,
        ),
    ],
};

/// Soft and dusty.
pub(crate) static LO_FI: Style = Style {
    id: StyleId::LoFi,
    name: "lo-fi",
    bpm: 78.0,
    swing: Swing::Sixteenths(0.6),
    feel: Feel::Swung,
    vocabulary: Vocabulary::Mellow,
    room: (1.0, 0.18),
    delay: 0.1,
    finish: (-0.5, 0.45),
    loose_ms: 10.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::ElectronicKit, I::AcousticKit, I::BrushKit],
            -4.0,
            0.0,
            0.2,
            &[
                beat(0, &[(Kick, "x.........x....."), (Rim, "....x.......x...")]),
                beat(
                    1,
                    &[
                        (Kick, "X.........xo...."),
                        (Snare, "....x.......x..."),
                        (Closed, "o.o.o.o.o.o.o.o."),
                    ],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X......x..x....."),
                        (Rim, "....x.......x..."),
                        (Closed, "o.x.o.x.o.x.o.xo"),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X..x......x....."),
                        (Snare, "....x..o....x..."),
                        (Closed, "x.oox.o.x.oox.o."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::UprightBass, I::FingerBass, I::SubBass],
            -2.0,
            0.0,
            0.15,
            &[
                line(0, "1-----------...."),
                line(1, "1-----..5---..a-"),
                line(1, "1--.....1-5---a-"),
                line(2, "1--1--..5-..3-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::ElectricPiano, I::Piano, I::NylonGuitar],
            -2.0,
            0.0,
            0.0,
            &[
                comp(0, "x---------------"),
                comp(1, "x-----x-----..o-"),
                comp(1, "..x-----..x-----"),
                comp(2, "x--x----..x---o-"),
            ],
        ),
        voice(
            Role::Figure,
            &[I::NylonGuitar, I::Vibraphone, I::Harp],
            -9.0,
            0.35,
            0.35,
            &[pick(0, "3...4.....5....."), pick(1, "5..4.3..4..3.2..")],
        ),
        voice(
            Role::Pad,
            &[I::SynthPad, I::Strings],
            -15.0,
            -0.1,
            0.5,
            HOLD,
        ),
        voice(
            Role::Fills,
            &[I::Vibraphone, I::NylonGuitar, I::Piano, I::Flute],
            -8.0,
            0.25,
            0.2,
            ANSWER,
        ),
    ],
};

/// Half-time snare, rolling hats, long sub.
pub(crate) static TRAP: Style = Style {
    id: StyleId::Trap,
    name: "trap",
    bpm: 140.0,
    swing: Swing::Straight,
    feel: Feel::Driving,
    vocabulary: Vocabulary::Modal,
    room: (1.6, 0.2),
    delay: 0.2,
    finish: (0.0, 0.15),
    loose_ms: 0.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::ElectronicKit, I::AcousticKit],
            -2.0,
            0.0,
            0.2,
            &[
                beat(
                    0,
                    &[
                        (Kick, "X..............."),
                        (Clap, "........x......."),
                        (Closed, "x...x...x...x..."),
                    ],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X.....x......x.."),
                        (Clap, "........X......."),
                        (Closed, "x.x.x.x.x.x.x.x."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X.....x...x..x.."),
                        (Clap, "........X......."),
                        (Closed, "x.x.x.xxx.x.xoxo"),
                        (Open, "..............x."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X..x......x....."),
                        (Clap, "........X......."),
                        (Closed, "x.xxx.x.xxx.x.xx"),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::SubBass, I::SynthBass, I::FingerBass],
            -1.0,
            0.0,
            0.15,
            &[
                line(0, "1---------------"),
                line(1, "1-----1------1--"),
                line(2, "1-----1---1--8--"),
            ],
        ),
        voice(
            Role::Figure,
            &[I::Glockenspiel, I::Piano, I::SynthPluck, I::Harp],
            -7.0,
            0.2,
            0.0,
            &[
                pick(0, "1...3...4...3..."),
                pick(1, "3..4..1.3..5..4."),
                pick(1, "5...4.3.1...3..."),
            ],
        ),
        voice(Role::Pad, &[I::SynthPad, I::Strings], -8.0, 0.0, 0.0, HOLD),
        voice(
            Role::Comp,
            &[I::Piano, I::ElectricPiano],
            -9.0,
            -0.2,
            0.45,
            &[comp(0, "x---------------")],
        ),
        voice(
            Role::Fills,
            &[I::Flute, I::SynthLead, I::Glockenspiel],
            -10.0,
            -0.2,
            0.4,
            ANSWER,
        ),
    ],
};

/// Four on the floor, off-beat bass, stabs.
pub(crate) static HOUSE: Style = Style {
    id: StyleId::House,
    name: "house",
    bpm: 122.0,
    swing: Swing::Sixteenths(0.53),
    feel: Feel::Driving,
    vocabulary: Vocabulary::Open,
    room: (1.3, 0.2),
    delay: 0.2,
    finish: (0.05, 0.1),
    loose_ms: 0.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::ElectronicKit, I::AcousticKit],
            -1.5,
            0.0,
            0.2,
            &[
                beat(
                    0,
                    &[(Kick, "X...X...X...X..."), (Closed, "..x...x...x...x.")],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X...X...X...X..."),
                        (Clap, "....x.......x..."),
                        (Open, "..x...x...x...x."),
                        (Closed, "x..ox..ox..ox..o"),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X...X...X...X..."),
                        (Clap, "....X.......X..."),
                        (Open, "..X...X...X...X."),
                        (Closed, "xoxoxoxoxoxoxoxo"),
                        (Rim, "...o..o....o..o."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Percussion,
            &[I::HandPercussion],
            -14.0,
            0.4,
            0.55,
            &[
                beat(0, &[(Shaker, "xoxxxoxxxoxxxoxx")]),
                beat(0, &[(HighConga, "...x..x....x..x.")]),
            ],
        ),
        voice(
            Role::Bass,
            &[I::SynthBass, I::FingerBass, I::SubBass],
            -2.0,
            0.0,
            0.15,
            &[
                line(0, "..1...1...1...1."),
                line(1, "..1-..1-..1-..8."),
                line(1, "..1..1..1...1.a."),
                line(2, "..11..1.1.11..8."),
            ],
        ),
        voice(
            Role::Comp,
            &[I::Piano, I::ElectricPiano, I::Organ],
            -5.0,
            0.1,
            0.0,
            &[
                comp(0, "x---------------"),
                comp(1, "x--x--x---x--x--"),
                comp(2, "X-.X..X-..X..X-."),
            ],
        ),
        voice(
            Role::Figure,
            &[I::SynthPluck, I::ElectricPiano],
            -10.0,
            -0.3,
            0.4,
            &[pick(0, "1..3..4.1..3..4."), pick(1, "1.34.5.31.34.5.3")],
        ),
        voice(Role::Pad, &[I::SynthPad, I::Strings], -10.0, 0.0, 0.2, HOLD),
        voice(
            Role::Fills,
            &[I::SynthLead, I::ElectricPiano, I::Piano],
            -10.0,
            0.25,
            0.4,
            ANSWER,
        ),
    ],
};

/// Fast broken beat under slow chords.
pub(crate) static DRUM_AND_BASS: Style = Style {
    id: StyleId::DrumAndBass,
    name: "drum and bass",
    bpm: 172.0,
    swing: Swing::Straight,
    feel: Feel::Driving,
    vocabulary: Vocabulary::Open,
    room: (1.8, 0.22),
    delay: 0.2,
    finish: (0.05, 0.1),
    loose_ms: 0.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::ElectronicKit, I::AcousticKit],
            -2.5,
            0.0,
            0.2,
            &[
                beat(
                    0,
                    &[(Kick, "X.........x....."), (Snare, "....x.......x...")],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X.........X....."),
                        (Snare, "....X.......X..."),
                        (Closed, "x.x.x.x.x.x.x.x."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X.........X....."),
                        (Snare, "....X..o.o..X..."),
                        (Closed, "x.x.x.x.x.x.x.x."),
                        (Shaker, "oxoxoxoxoxoxoxox"),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X.x.......X....."),
                        (Snare, "....X..o.o..X.o."),
                        (Ride, "x...x...x...x..."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::SynthBass, I::SubBass, I::FingerBass],
            -1.0,
            0.0,
            0.15,
            &[
                line(0, "1---------------"),
                line(1, "1---------1-----"),
                line(2, "1-----1---8-1-a-"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::ElectricPiano, I::Piano],
            -6.0,
            0.1,
            0.0,
            &[
                comp(0, "x---------------"),
                comp(1, "x-----x---------"),
                comp(2, "x-----x-----x---"),
            ],
        ),
        voice(Role::Pad, &[I::SynthPad, I::Strings], -8.0, 0.0, 0.0, HOLD),
        voice(
            Role::Figure,
            &[I::SynthPluck, I::Harp, I::Piano],
            -11.0,
            0.3,
            0.45,
            &[pick(0, "1...3...5...4..."), pick(1, "1..3..5..4..3...")],
        ),
        voice(
            Role::Fills,
            &[I::SynthLead, I::Flute, I::Piano],
            -10.0,
            -0.2,
            0.4,
            ANSWER,
        ),
    ],
};

/// Gated drums, arpeggios, wide pads.
pub(crate) static SYNTHWAVE: Style = Style {
    id: StyleId::Synthwave,
    name: "synthwave",
    bpm: 104.0,
    swing: Swing::Straight,
    feel: Feel::Driving,
    vocabulary: Vocabulary::Open,
    room: (2.0, 0.28),
    delay: 0.25,
    finish: (0.05, 0.12),
    loose_ms: 0.0,
    voices: &[
        voice(
            Role::Drums,
            &[I::ElectronicKit, I::AcousticKit],
            -2.0,
            0.0,
            0.2,
            &[
                beat(
                    0,
                    &[(Kick, "X.......X......."), (Closed, "x.x.x.x.x.x.x.x.")],
                ),
                beat(
                    1,
                    &[
                        (Kick, "X.......X.x....."),
                        (Snare, "....X.......X..."),
                        (Closed, "x.x.x.x.x.x.x.x."),
                    ],
                ),
                beat(
                    2,
                    &[
                        (Kick, "X...X...X...X..."),
                        (Snare, "....X.......X..."),
                        (Closed, "xoxoxoxoxoxoxoxo"),
                        (Open, "..............x."),
                    ],
                ),
            ],
        ),
        voice(
            Role::Bass,
            &[I::SynthBass, I::FingerBass, I::SubBass],
            -2.0,
            0.0,
            0.0,
            &[
                line(0, "1.1.1.1.1.1.1.1."),
                line(1, "1.111.111.111.11"),
                line(2, "1.181.181.181.18"),
            ],
        ),
        voice(
            Role::Pad,
            &[I::SynthPad, I::Strings, I::Organ],
            -5.0,
            0.0,
            0.0,
            HOLD,
        ),
        voice(
            Role::Figure,
            &[I::SynthPluck, I::Piano, I::CleanGuitar],
            -9.0,
            0.3,
            0.3,
            &[
                pick(0, "1.3.4.3.5.4.3.4."),
                pick(1, "1345431345431354"),
                pick(1, "5431543154315431"),
            ],
        ),
        voice(
            Role::Comp,
            &[I::ElectricPiano, I::CleanGuitar],
            -11.0,
            -0.3,
            0.5,
            &[comp(0, "..x---..x-----..")],
        ),
        voice(
            Role::Fills,
            &[I::SynthLead, I::CleanGuitar, I::ElectricPiano],
            -8.0,
            -0.1,
            0.2,
            ANSWER,
        ),
    ],
};
