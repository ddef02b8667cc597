//! The shared patterns for 6/8, by feel: twelve sixteenths a bar, with the beat on 0 and 6. The characters are those of `style`.

use crate::arrange::{
    Role,
    style::{ANSWER, Feel, Figure, HOLD, Piece::*, beat, comp, line, pick, strum},
};

/// What a voice plays in 6/8. `strummed` prefers strumming over block chords.
pub(crate) fn compound_figures(feel: Feel, role: Role, strummed: bool) -> &'static [Figure] {
    match (role, feel) {
        (Role::Drums, Feel::Gentle) => {
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
                            (Kick, "X.........x."),
                            (Snare, "......X....o"),
                            (Ride, "x.o.o.x.o.o."),
                        ],
                    ),
                ]
            }
        }
        (Role::Drums, Feel::Folk) => {
            const {
                &[
                    beat(0, &[(Kick, "x.....o.....")]),
                    beat(1, &[(Kick, "X.....x....."), (Snare, "o...o.x...o.")]),
                    beat(
                        2,
                        &[
                            (Kick, "X...x.x....."),
                            (Snare, "o.o.x.o.o.x."),
                            (Pedal, "......x....."),
                        ],
                    ),
                ]
            }
        }
        (Role::Drums, Feel::Swung) => {
            const {
                &[
                    beat(0, &[(Ride, "x...o.x...o."), (Pedal, "......x.....")]),
                    beat(
                        1,
                        &[
                            (Kick, "X.........o."),
                            (Snare, "......x....."),
                            (Closed, "x.o.o.x.o.o."),
                        ],
                    ),
                    beat(
                        2,
                        &[
                            (Kick, "X...o.....x."),
                            (Snare, "....o.X...o."),
                            (Ride, "X...x.X.o.x."),
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
                            (Rim, "......x....."),
                            (Closed, "x...o.x...o."),
                        ],
                    ),
                    beat(
                        1,
                        &[
                            (Kick, "X.......x..."),
                            (Snare, "......X....."),
                            (Closed, "x.x.x.x.x.x."),
                        ],
                    ),
                    beat(
                        2,
                        &[
                            (Kick, "X...x...x.x."),
                            (Snare, "......X....."),
                            (Closed, "X.x.x.X.x.x."),
                        ],
                    ),
                    beat(
                        2,
                        &[
                            (Kick, "X.x.....x..."),
                            (Snare, "......X...o."),
                            (Ride, "X.x.x.X.x.x."),
                        ],
                    ),
                ]
            }
        }
        (Role::Percussion, _) => {
            const {
                &[
                    beat(0, &[(Shaker, "x.o.o.x.o.o.")]),
                    beat(0, &[(Tambourine, "......x.....")]),
                ]
            }
        }
        (Role::Bass, Feel::Gentle) => {
            const {
                &[
                    line(0, "1-----------"),
                    line(1, "1---------5-"),
                    line(1, "1-----1---5-"),
                    line(2, "1-----5---a-"),
                ]
            }
        }
        (Role::Bass, Feel::Folk) => {
            const {
                &[
                    line(0, "1-----------"),
                    line(1, "1-----5-----"),
                    line(1, "1---..5---a-"),
                    line(2, "1---1-5---a-"),
                ]
            }
        }
        (Role::Bass, Feel::Swung) => {
            const {
                &[
                    line(0, "1-----5-----"),
                    line(1, "1---3-5---a-"),
                    line(1, "1---5-8---a-"),
                    line(2, "1-1-3-5-7-a-"),
                ]
            }
        }
        (Role::Bass, Feel::Driving) => {
            const {
                &[
                    line(0, "1-----1-----"),
                    line(1, "1---1-1---1-"),
                    line(2, "1.1.1.1.1.1."),
                    line(2, "1.1.1.5.5.a."),
                ]
            }
        }
        (Role::Comp, Feel::Folk) if strummed => {
            const {
                &[
                    strum(0, "D-----d-----"),
                    strum(1, "D---u-D---u-"),
                    strum(2, "D-d-u-D-d-u-"),
                ]
            }
        }
        (Role::Comp, Feel::Driving) if strummed => {
            const {
                &[
                    strum(0, "D-----------"),
                    strum(1, "D-d-d-D-d-d-"),
                    strum(2, "D-D-D-D-D-D-"),
                ]
            }
        }
        (Role::Comp, _) if strummed => {
            const {
                &[
                    strum(0, "D-----d-----"),
                    strum(1, "D---d-D-d-u-"),
                    strum(2, "D-d-u-D-d-u-"),
                ]
            }
        }
        (Role::Comp, Feel::Gentle) => {
            const {
                &[
                    comp(0, "x-----o-----"),
                    comp(1, "x---o-x---o-"),
                    comp(2, "X-o-o-x-o-o-"),
                ]
            }
        }
        (Role::Comp, Feel::Folk) => {
            const {
                &[
                    comp(0, "x-----o-----"),
                    comp(1, "....x-....x-"),
                    comp(2, "..x-x-..x-x-"),
                ]
            }
        }
        (Role::Comp, Feel::Swung) => {
            const {
                &[
                    comp(0, "x-----------"),
                    comp(1, "x-....x-..x-"),
                    comp(1, "....x-....x-"),
                    comp(2, "x-x-x-x-x-x-"),
                ]
            }
        }
        (Role::Comp, Feel::Driving) => {
            const {
                &[
                    comp(0, "x-----x-----"),
                    comp(1, "X---x-X---x-"),
                    comp(2, "X-x-x-X-x-x-"),
                ]
            }
        }
        (Role::Figure, _) => {
            const {
                &[
                    pick(0, "1.3.4.3.4.3."),
                    pick(1, "1.3.4.5.4.3."),
                    pick(1, "1.3.5.4.5.3."),
                ]
            }
        }
        (Role::Pad, _) => HOLD,
        (Role::Fills, _) => ANSWER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrange::{style::Pattern, styles::triple_figures};

    /// What is struck: pieces and patterns.
    fn text(figures: &[Figure]) -> Vec<String> {
        let text = |figure: &Figure| match figure.pattern {
            Pattern::Strokes(lanes) => format!("{lanes:?}"),
            Pattern::Bass(marks)
            | Pattern::Chords(marks)
            | Pattern::Strum(marks)
            | Pattern::Pick(marks) => {
                assert_eq!(marks.len(), 12, "{marks}");
                marks.to_owned()
            }
            Pattern::Hold | Pattern::Answer => String::new(),
        };
        figures.iter().map(text).collect()
    }

    #[test]
    fn each_feel_has_drums_bass_and_chords_of_its_own_in_three_and_six() {
        let feels = [Feel::Gentle, Feel::Folk, Feel::Swung, Feel::Driving];
        for role in [Role::Drums, Role::Bass, Role::Comp] {
            for figures in [triple_figures, compound_figures] {
                let sets = feels.map(|feel| text(figures(feel, role, false)));
                for (at, set) in sets.iter().enumerate() {
                    assert!(!sets[..at].contains(set), "{role:?} {:?}", feels[at]);
                }
            }
            for feel in feels {
                let (three, six) = (
                    triple_figures(feel, role, false),
                    compound_figures(feel, role, false),
                );
                assert_ne!(text(three), text(six), "{role:?} {feel:?}");
            }
        }
    }
}
