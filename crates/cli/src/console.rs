//! The program's output: standard output for data, standard error for everything else.
//!
//! Combines the options for colours, quiet and format with the properties of the two streams. No other module checks for a
//! terminal.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use backline_reporter::{
    ConsoleOptions, Level, Size, Standpoint, json_without_commands, printable, without_commands,
};
use terminal_size::{Height, Width, terminal_size_of};

use crate::args::{Colour, Format, GlobalArgs};
use crate::failure::Failure;

/// The time between two lines of progress, for planning and for reports.
pub(crate) const PROGRESS: Duration = Duration::from_secs(2);

/// How the program prints.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    /// Text for people or JSON for programs.
    pub(crate) format: Format,
    /// How much is printed.
    pub(crate) level: Level,
    /// The number of `-v` options.
    pub(crate) verbosity: u8,
    /// Whether standard output takes colours.
    pub(crate) colour_out: bool,
    /// Whether standard error takes colours.
    pub(crate) colour_err: bool,
    /// The width of standard output; none when it is no terminal.
    pub(crate) columns_out: Option<u16>,
    /// The width of standard error; none when it is no terminal.
    pub(crate) columns_err: Option<u16>,
}

impl Console {
    /// Combines the options with the streams.
    pub(crate) fn new(args: &GlobalArgs) -> Self {
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let colours = |auto: ColorChoice| match args.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => auto != ColorChoice::Never,
        };
        let columns = |size: Option<(Width, _)>| size.map(|(Width(columns), _)| columns.max(1));
        Self {
            format: args.format,
            level: match (args.quiet, args.verbose) {
                (true, _) => Level::Quiet,
                (false, 0) => Level::Normal,
                (false, _) => Level::Verbose,
            },
            verbosity: args.verbose,
            colour_out: colours(AutoStream::choice(&stdout)),
            colour_err: colours(AutoStream::choice(&stderr)),
            columns_out: columns(terminal_size_of(&stdout)),
            columns_err: columns(terminal_size_of(&stderr)),
        }
    }

    /// Whether standard error is a terminal that can redraw a table.
    pub(crate) fn draws_on_err(&self) -> bool {
        self.draws() && std::io::stderr().is_terminal()
    }

    /// Whether standard output is a terminal that can redraw a table.
    pub(crate) fn draws_on_out(&self) -> bool {
        self.draws() && std::io::stdout().is_terminal()
    }

    fn draws(&self) -> bool {
        // A terminal without a name, or a dumb one, cannot move its cursor.
        let moves = std::env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb");
        moves && self.level != Level::Quiet && self.format == Format::Text
    }

    /// The reporter's options for standard error. Files are named relative to the reader's working directory.
    pub(crate) fn reporter_options(&self, standpoint: Standpoint) -> ConsoleOptions {
        ConsoleOptions {
            level: self.level,
            colour: self.colour_err,
            columns: self.columns_err,
            standpoint,
            ..ConsoleOptions::default()
        }
    }

    /// A copy of this console that prints only what `--quiet` prints.
    pub(crate) fn quiet(&self) -> Self {
        Self {
            level: Level::Quiet,
            ..self.clone()
        }
    }

    /// The size of the terminal on standard output; none if it is not a terminal.
    pub(crate) fn size_out(&self) -> Option<Size> {
        let (Width(columns), Height(rows)) = terminal_size_of(std::io::stdout())?;
        (columns > 0 && rows > 0).then_some(Size { columns, rows })
    }

    /// Standard output with a buffer. The caller must flush it.
    fn out(&self) -> impl Write {
        let locked = std::io::stdout().lock();
        std::io::BufWriter::with_capacity(1 << 16, AutoStream::new(locked, choice(self.colour_out)))
    }

    /// Prints data to standard output.
    pub(crate) fn data(&self, text: &str) -> Result<(), Failure> {
        let mut out = self.out();
        out.write_all(without_commands(&printable(text)).as_bytes())?;
        Ok(out.flush()?)
    }

    /// Prints a JSON document to standard output.
    pub(crate) fn json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let mut out = self.out();
        let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
        out.write_all(json_without_commands(&text).as_bytes())?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }

    /// Prints to standard error unless --quiet is given. A closed standard error is ignored.
    pub(crate) fn note(&self, text: &str) {
        if self.level > Level::Quiet {
            self.note_always(text);
        }
    }

    /// Prints a line of progress, to a terminal only. Logs and programs do not need it.
    pub(crate) fn progress(&self, text: &str) {
        if self.columns_err.is_some() && self.format == Format::Text {
            self.note(text);
        }
    }

    /// Prints to standard error, even with --quiet.
    pub(crate) fn note_always(&self, text: &str) {
        let mut err = AutoStream::new(std::io::stderr().lock(), choice(self.colour_err));
        let _ = err
            .write_all(without_commands(&printable(text)).as_bytes())
            .and_then(|()| err.flush());
    }
}

/// Prints from time to time how many tracks are measured for the listening page.
pub(crate) fn measuring(console: &Console) -> impl Fn(usize, usize) + Sync {
    let shown = Mutex::new(Instant::now());
    move |done, all| {
        if let Some(line) = measured_line(&shown, PROGRESS, done, all) {
            console.note(&line);
        }
    }
}

/// The line with the number of measured files; none if the last line is younger than `every`.
fn measured_line(
    shown: &Mutex<Instant>,
    every: Duration,
    done: usize,
    all: usize,
) -> Option<String> {
    let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
    if done >= all || shown.elapsed() < every {
        return None;
    }
    *shown = Instant::now();
    Some(format!(
        "measuring audio files for the listening page (tracks, mixes, vocals): {done} of {all}\n"
    ))
}

fn choice(colour: bool) -> ColorChoice {
    if colour {
        ColorChoice::AlwaysAnsi
    } else {
        ColorChoice::Never
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_measurement_is_shown_again_and_again() {
        let shown = Mutex::new(Instant::now());
        let line = |every, done| measured_line(&shown, every, done, 3);
        assert!(line(Duration::ZERO, 1).is_some_and(|it| it.ends_with("vocals): 1 of 3\n")));
        assert!(line(Duration::ZERO, 2).is_some());
        assert_eq!(line(Duration::ZERO, 3), None);
        assert_eq!(line(Duration::MAX, 1), None);
    }
}
