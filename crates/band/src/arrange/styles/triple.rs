//! The shared patterns for 3/4, by feel: twelve sixteenths a bar, with the beat on 0, 4 and 8. The characters are those of `style`.

use crate::arrange::{
    Role,
    style::{ANSWER, Feel, Figure, HOLD, Piece::*, beat, comp, line, pick, strum},
};

/// What a voice plays in 3/4. `strummed` prefers strumming over block chords.
pub(crate) fn triple_figures(feel: Feel, role: Role, strummed: bool) -> &'static [Figure] {
    match (role, feel) {
        (Role::Drums, Feel::Folk) => {
            const {
                &[
                    beat(0, &[(Kick, "x...........")]),
                    beat(1, &[(Kick, "X..........."), (Snare, "..o.x.o.x.o.")]),
                    beat(
                        2,
                        &[
                            (Kick, "X.......x..."),
                            (Snare, "o.oox.oox.oo"),
                            (Pedal, "....x...x..."),
                        ],
                    ),
                ]
            }
        }
        (Role::Drums, Feel::Gentle) => {
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
        (Role::Drums, Feel::Swung) => {
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
        (Role::Drums, Feel::Driving) => {
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
        (Role::Percussion, _) => {
            const {
                &[
                    beat(0, &[(Shaker, "x.o.x.o.x.o.")]),
                    beat(0, &[(Tambourine, "....o...x...")]),
                ]
            }
        }
        (Role::Bass, Feel::Swung) => {
            const {
                &[
                    line(0, "1-----------"),
                    line(1, "1-------5---"),
                    line(2, "1---3---a---"),
                    line(2, "1---5---a---"),
                ]
            }
        }
        (Role::Bass, Feel::Driving) => {
            const {
                &[
                    line(0, "1-------5---"),
                    line(1, "1.1.1.1.1.1."),
                    line(2, "1.1.1.1.5.a."),
                ]
            }
        }
        (Role::Bass, Feel::Folk) => {
            const {
                &[
                    line(0, "1-----------"),
                    line(1, "1-------...."),
                    line(1, "1-----......"),
                    line(2, "1-------5-a-"),
                ]
            }
        }
        (Role::Bass, Feel::Gentle) => {
            const {
                &[
                    line(0, "1-----------"),
                    line(1, "1-------5---"),
                    line(1, "1---------a-"),
                    line(2, "1---1---5-a-"),
                ]
            }
        }
        (Role::Comp, Feel::Folk) if strummed => {
            const {
                &[
                    strum(0, "....d---d---"),
                    strum(1, "....D---d-u-"),
                    strum(2, "..d-D-u-D-u-"),
                ]
            }
        }
        (Role::Comp, _) if strummed => {
            const {
                &[
                    strum(0, "D-----------"),
                    strum(1, "D---d-u-d-u-"),
                    strum(2, "D-d-D-u-D-u-"),
                ]
            }
        }
        (Role::Comp, Feel::Folk) => {
            const {
                &[
                    comp(0, "....x---o---"),
                    comp(1, "....x-..x-.."),
                    comp(2, "....X-..x-o-"),
                ]
            }
        }
        (Role::Comp, Feel::Swung) => {
            const {
                &[
                    comp(0, "x-----------"),
                    comp(1, "x-----x-...."),
                    comp(1, "....x-..x---"),
                    comp(2, "x---..x-x-.."),
                ]
            }
        }
        (Role::Comp, Feel::Driving) => {
            const {
                &[
                    comp(0, "x-----------"),
                    comp(1, "x---o---o---"),
                    comp(2, "X-x-x-x-x-x-"),
                ]
            }
        }
        (Role::Comp, Feel::Gentle) => {
            const {
                &[
                    comp(0, "x-----------"),
                    comp(1, "x---o---o---"),
                    comp(1, "x-------o---"),
                    comp(2, "X---x---x-o-"),
                ]
            }
        }
        (Role::Figure, _) => {
            const {
                &[
                    pick(0, "1...3...4..."),
                    pick(1, "1.3.4.5.4.3."),
                    pick(1, "1.3.5.3.4.3."),
                    pick(2, "1.3.5.4.5.3."),
                ]
            }
        }
        (Role::Pad, _) => HOLD,
        (Role::Fills, _) => ANSWER,
    }
}
