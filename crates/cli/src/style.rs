//! The text styles on a terminal.

use anstyle::{AnsiColor, Style};

/// The style of errors.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// The style of hints and of checks that pass.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
