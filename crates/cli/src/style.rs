//! The styles of words on a terminal.

use anstyle::{AnsiColor, Style};

/// Errors.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Hints, and checks that pass.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
