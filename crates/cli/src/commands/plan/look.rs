//! The layout of a plan: its width and its colours.

use anstyle::{AnsiColor, Style};
use backline_engine::status::Sign;

/// The layout of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// The width of the output in columns; none if it has no width, such as a file.
    pub(crate) columns: Option<u16>,
    /// Whether the output has colours.
    pub(crate) colour: bool,
    /// Whether every job is listed even if a grid fits.
    pub(crate) lists: bool,
}

/// The colour of a sign.
pub(super) fn colour(sign: Sign) -> Style {
    match sign {
        Sign::Buy | Sign::Changed => AnsiColor::Green.on_default(),
        Sign::InProgress | Sign::Fetch => AnsiColor::Cyan.on_default(),
        Sign::Kept => Style::new(),
        Sign::InDoubt | Sign::Vetoed | Sign::Partial | Sign::Expired => {
            AnsiColor::Yellow.on_default()
        }
        Sign::Failed => AnsiColor::Red.on_default(),
    }
    .bold()
}
