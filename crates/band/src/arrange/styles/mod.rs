//! The tables of the styles, by family, and the shared patterns for 3/4 and 6/8.

mod acoustic;
mod beats;
mod compound;
mod jazz;
mod orchestral;
mod pop;
mod songwriter;
mod triple;

use super::style::{Style, StyleId};
pub(crate) use compound::compound_figures;
pub(crate) use triple::triple_figures;

/// Every style.
pub(crate) const ALL: [&Style; 25] = [
    &pop::POP_BALLAD,
    &pop::POP_ROCK,
    &acoustic::INDIE_FOLK,
    &acoustic::COUNTRY,
    &jazz::BLUES,
    &jazz::SOUL,
    &jazz::FUNK,
    &pop::DISCO,
    &jazz::JAZZ_SWING,
    &jazz::BOSSA_NOVA,
    &acoustic::REGGAE,
    &beats::HIP_HOP,
    &beats::LO_FI,
    &beats::TRAP,
    &beats::HOUSE,
    &beats::DRUM_AND_BASS,
    &beats::SYNTHWAVE,
    &orchestral::AMBIENT,
    &orchestral::CINEMATIC,
    &orchestral::WALTZ,
    &jazz::GOSPEL,
    &acoustic::LATIN,
    &pop::METAL,
    &orchestral::CHAMBER_STRINGS,
    &songwriter::SINGER_SONGWRITER,
];

/// The table of a style.
pub(crate) fn table(id: StyleId) -> &'static Style {
    ALL.iter()
        .copied()
        .find(|style| style.id == id)
        .expect("every style id has its table: a test goes through all")
}
