//! The shared patterns for 3/4 and 6/8: twelve sixteenths a bar, by feel.
//!
//! The characters are those of `style`. In 3/4 the beat falls on 0, 4 and 8; in 6/8 on 0 and 6.

use crate::{
    analysis::Metre,
    arrange::{
        Role,
        style::{ANSWER, Feel, Figure, HOLD, Piece::*, beat, comp, line, pick, strum},
    },
};

/// What a voice plays in 3/4 or 6/8. `strummed` prefers strumming over block chords.
pub(crate) fn triple_figures(
    feel: Feel,
    role: Role,
    metre: Metre,
    strummed: bool,
) -> &'static [Figure] {
    let compound = metre == Metre::SixEight;
    match (role, feel, compound) {
        (Role::Drums, Feel::Gentle | Feel::Folk, false) => {
            const {
                &[
                    beat(0, &[(Kick, "x..........."), (Rim, "........o...")]),
                    beat(
                        1,
                        &[
                            (Kick, "X..........."),
                            (Rim, "....o...x..."),
                            (Closed, "o.o.x.o.x.o."),
                        ],
                    ),
                    beat(
                        2,
                        &[
                            (Kick, "X.........x."),
                            (Snare, "....o...X..."),
                            (Closed, "x.o.x.o.x.o."),
                        ],
                    ),
                ]
            }
        }
        (Role::Drums, Feel::Swung, false) => {
            const {
                &[
                    beat(0, &[(Sweep, "x...x...x..."), (Pedal, "....x...x...")]),
                    beat(
                        1,
                        &[
                            (Ride, "x...x.o.x..."),
                            (Pedal, "....x...x..."),
                            (Kick, "x..........."),
                        ],
                    ),
                    beat(
                        2,
                        &[
                            (Ride, "X...x.x.x.o."),
                            (Pedal, "....x...x..."),
                            (Kick, "X.....o....."),
                            (Snare, "......o...o."),
                        ],
                    ),
                ]
            }
        }
        (Role::Drums, Feel::Driving, false) => {
            const {
                &[
                    beat(
                        0,
                        &[
                            (Kick, "X..........."),
                            (Rim, "........x..."),
                            (Closed, "x.o.x.o.x.o."),
                        ],
                    ),
                    beat(
                        1,
                        &[
                            (Kick, "X.........x."),
                            (Snare, "....x...X..."),
                            (Closed, "x.o.x.o.x.o."),
                        ],
                    ),
                    beat(
                        2,
                        &[
                            (Kick, "X..x......x."),
                            (Snare, "....X...X..."),
                            (Closed, "X.x.X.x.X.x."),
                        ],
                    ),
                ]
            }
        }
        (Role::Drums, _, true) => {
            const {
                &[
                    beat(0, &[(Kick, "x..........."), (Rim, "......x.....")]),
                    beat(
                        1,
                        &[
                            (Kick, "X.........o."),
                            (Rim, "......x....."),
                            (Closed, "x.o.o.x.o.o."),
                        ],
                    ),
                    beat(
                        2,
                        &[
                            (Kick, "X...x.....x."),
                            (Snare, "......X....."),
                            (Closed, "x.o.o.x.o.o."),
                        ],
                    ),
                    beat(
                        2,
                        &[
                            (Kick, "X.........x."),
                            (Snare, "......X....o"),
                            (Ride, "x.o.o.x.o.o."),
                        ],
                    ),
                ]
            }
        }
        (Role::Percussion, _, false) => {
            const {
                &[
                    beat(0, &[(Shaker, "x.o.x.o.x.o.")]),
                    beat(0, &[(Tambourine, "....o...x...")]),
                ]
            }
        }
        (Role::Percussion, _, true) => {
            const {
                &[
                    beat(0, &[(Shaker, "x.o.o.x.o.o.")]),
                    beat(0, &[(Tambourine, "......x.....")]),
                ]
            }
        }
        (Role::Bass, Feel::Swung, false) => {
            const {
                &[
                    line(0, "1-----------"),
                    line(1, "1-------5---"),
                    line(2, "1---3---a---"),
                    line(2, "1---5---a---"),
                ]
            }
        }
        (Role::Bass, Feel::Driving, false) => {
            const {
                &[
                    line(0, "1-------5---"),
                    line(1, "1.1.1.1.1.1."),
                    line(2, "1.1.1.1.5.a."),
                ]
            }
        }
        (Role::Bass, _, false) => {
            const {
                &[
                    line(0, "1-----------"),
                    line(1, "1-------5---"),
                    line(1, "1---------a-"),
                    line(2, "1---1---5-a-"),
                ]
            }
        }
        (Role::Bass, _, true) => {
            const {
                &[
                    line(0, "1-----------"),
                    line(1, "1---1-5---a-"),
                    line(1, "1-----1---5-"),
                    line(2, "1---1-5-3-a-"),
                ]
            }
        }
        (Role::Comp, Feel::Folk, false) if strummed => {
            const {
                &[
                    strum(0, "....d---d---"),
                    strum(1, "....D---d-u-"),
                    strum(2, "..d-D-u-D-u-"),
                ]
            }
        }
        (Role::Comp, _, false) if strummed => {
            const {
                &[
                    strum(0, "D-----------"),
                    strum(1, "D---d-u-d-u-"),
                    strum(2, "D-d-D-u-D-u-"),
                ]
            }
        }
        (Role::Comp, Feel::Folk, false) => {
            const {
                &[
                    comp(0, "....x---o---"),
                    comp(1, "....x-..x-.."),
                    comp(2, "....X-..x-o-"),
                ]
            }
        }
        (Role::Comp, Feel::Swung, false) => {
            const {
                &[
                    comp(0, "x-----------"),
                    comp(1, "x-----x-...."),
                    comp(1, "....x-..x---"),
                    comp(2, "x---..x-x-.."),
                ]
            }
        }
        (Role::Comp, Feel::Driving, false) => {
            const {
                &[
                    comp(0, "x-----------"),
                    comp(1, "x---o---o---"),
                    comp(2, "X-x-x-x-x-x-"),
                ]
            }
        }
        (Role::Comp, Feel::Gentle, false) => {
            const {
                &[
                    comp(0, "x-----------"),
                    comp(1, "x---o---o---"),
                    comp(1, "x-------o---"),
                    comp(2, "X---x---x-o-"),
                ]
            }
        }
        (Role::Comp, _, true) if strummed => {
            const {
                &[
                    strum(0, "D-----d-----"),
                    strum(1, "D---d-D-d-u-"),
                    strum(2, "D-d-u-D-d-u-"),
                ]
            }
        }
        (Role::Comp, _, true) => {
            const {
                &[
                    comp(0, "x-----o-----"),
                    comp(1, "x---o-x---o-"),
                    comp(2, "X-x-x-X-x-x-"),
                ]
            }
        }
        (Role::Figure, _, false) => {
            const {
                &[
                    pick(0, "1...3...4..."),
                    pick(1, "1.3.4.5.4.3."),
                    pick(1, "1.3.5.3.4.3."),
                    pick(2, "1.3.5.4.5.3."),
                ]
            }
        }
        (Role::Figure, _, true) => {
            const {
                &[
                    pick(0, "1.3.4.3.4.3."),
                    pick(1, "1.3.4.5.4.3."),
                    pick(1, "1.3.5.4.5.3."),
                ]
            }
        }
        (Role::Pad, _, _) => HOLD,
        (Role::Fills, _, _) => ANSWER,
    }
}
