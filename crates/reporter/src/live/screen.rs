//! Draws lines at the bottom of a terminal repeatedly, in place.
//!
//! It changes no state of the terminal that it would have to restore: no alternate screen, no hidden cursor, no mode. So any
//! end of the program, SIGKILL included, leaves a working shell, with the cursor on its own line below the last drawing. The
//! disadvantage is that text typed meanwhile is visible.

use std::io::{self, Write};

use anstream::adapter::strip_str;

use crate::text::columns;

/// A terminal's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// Clears from the cursor to the end of the screen.
const CLEAR_BELOW: &str = "\x1b[J";
/// Clears from the cursor to the end of the line.
const CLEAR_LINE: &str = "\x1b[K";

/// The bottom of a terminal.
pub(super) struct Screen {
    to: Box<dyn Write + Send>,
    colour: bool,
    /// Widths of the drawn lines.
    drawn: Vec<usize>,
    /// Number of lines of an older drawing that scrolled out of sight when the terminal became lower. They reappear when it
    /// becomes higher.
    hidden: usize,
    /// The terminal's size at that time.
    size: Size,
    failed: Option<io::Error>,
}

impl Screen {
    pub(super) fn new(to: Box<dyn Write + Send>, colour: bool) -> Self {
        Self {
            to,
            colour,
            drawn: Vec::new(),
            hidden: 0,
            size: Size {
                columns: u16::MAX,
                rows: u16::MAX,
            },
            failed: None,
        }
    }

    /// Replaces the previous drawing with `lines`, on a terminal of the current size `size`.
    pub(super) fn draw(&mut self, lines: &[String], size: Size) {
        let mut text = self.back(size);
        if size != self.size {
            text.push_str(CLEAR_BELOW);
        }
        self.put(&mut text, lines);
        text.push_str(CLEAR_BELOW);
        self.size = size;
        self.write(&text);
    }

    /// Writes whole lines above the drawing, where they stay, and draws `lines` below.
    pub(super) fn above(&mut self, written: &str, lines: &[String], size: Size) {
        let mut text = self.back(size);
        text.push_str(CLEAR_BELOW);
        // The written text now separates the hidden lines from the drawing.
        self.hidden = 0;
        for line in written.lines() {
            self.push(&mut text, line);
            text.push_str("\r\n");
        }
        self.put(&mut text, lines);
        self.size = size;
        self.write(&text);
    }

    /// Removes the drawing and writes `last` in its place.
    pub(super) fn close(&mut self, last: &str, size: Size) {
        let mut text = self.back(size);
        text.push_str(CLEAR_BELOW);
        self.drawn.clear();
        for line in last.lines() {
            self.push(&mut text, line);
            text.push_str("\r\n");
        }
        self.write(&text);
    }

    /// Returns the first write error, once.
    pub(super) fn outcome(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Moves the cursor to the first line of the drawing. A terminal that became narrower has wrapped or cut the lines, and it
    /// is not known which. Wrapped lines are assumed: on a terminal that cuts, a few lines above are lost; the other assumption
    /// would leave remains of old drawings.
    fn back(&mut self, size: Size) -> String {
        let high = |wide: &usize| {
            if size.columns >= self.size.columns {
                1
            } else {
                wide.div_ceil(usize::from(size.columns).max(1)).max(1)
            }
        };
        let all = self.drawn.iter().map(high).sum::<usize>() + self.hidden;
        let up = all.min(usize::from(size.rows).saturating_sub(1));
        self.hidden = all - up;
        match up {
            0 => "\r".to_owned(),
            up => format!("\r\x1b[{up}A"),
        }
    }

    fn put(&mut self, text: &mut String, lines: &[String]) {
        self.drawn.clear();
        for line in lines {
            self.push(text, line);
            text.push_str(CLEAR_LINE);
            text.push_str("\r\n");
            self.drawn.push(columns(&strip_str(line).to_string()));
        }
    }

    fn push(&self, text: &mut String, line: &str) {
        if self.colour {
            text.push_str(line);
        } else {
            text.push_str(&strip_str(line).to_string());
        }
    }

    /// Writes everything at once, so that no partial drawing is visible.
    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            let written = self.to.write_all(text.as_bytes());
            self.failed = written.and_then(|()| self.to.flush()).err();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::*;
    use crate::example::SharedOutput;

    fn cells(number: u16) -> NonZero<u16> {
        NonZero::new(number).unwrap()
    }

    /// A terminal, what a screen draws on it, and how much of that it has seen.
    struct Terminal {
        parser: vt100::Parser,
        shared: SharedOutput,
        seen: usize,
        screen: Screen,
    }

    impl Terminal {
        fn new(columns: u16, rows: u16) -> Self {
            let shared = SharedOutput::default();
            let mut parser = vt100::Parser::new(cells(rows), cells(columns), 100);
            parser.process(b"$ backline run\r\n");
            Self {
                parser,
                screen: Screen::new(Box::new(shared.clone()), false),
                shared,
                seen: 0,
            }
        }

        fn size(&self) -> Size {
            let (rows, columns) = self.parser.screen().size();
            Size {
                columns: columns.get(),
                rows: rows.get(),
            }
        }

        fn draw(&mut self, lines: &[&str]) -> String {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            self.screen.draw(&lines, self.size());
            self.contents()
        }

        fn contents(&mut self) -> String {
            let text = self.shared.text();
            self.parser.process(&text.as_bytes()[self.seen..]);
            self.seen = text.len();
            self.parser.screen().contents()
        }
    }

    #[test]
    fn a_drawing_takes_the_place_of_the_last() {
        let mut terminal = Terminal::new(20, 8);
        assert_eq!(
            terminal.draw(&["one", "two", "three"]),
            "$ backline run\none\ntwo\nthree"
        );
        assert_eq!(terminal.draw(&["1", "2"]), "$ backline run\n1\n2");
        let size = terminal.size();
        terminal
            .screen
            .above("a problem\n", &["1".to_owned()], size);
        assert_eq!(terminal.contents(), "$ backline run\na problem\n1");
        terminal.screen.close("the end\n", size);
        assert_eq!(terminal.contents(), "$ backline run\na problem\nthe end");
        assert_eq!(terminal.parser.screen().cursor_position(), (3, 0));
    }

    #[test]
    fn one_drawing_is_left_when_the_terminal_changes_its_size() {
        let mut terminal = Terminal::new(40, 10);
        let line = "x".repeat(39);
        terminal.draw(&[&line, &line, &line]);
        for (columns, rows) in [(20, 10), (60, 10), (60, 3), (60, 30), (10, 5)] {
            terminal
                .parser
                .screen_mut()
                .set_size(cells(rows), cells(columns));
            let line = "y".repeat(usize::from(columns) - 1);
            let lines = vec![line.as_str(); usize::from(rows - 1).min(4)];
            let shown = terminal.draw(&lines);
            let drawn = shown.lines().filter(|shown| *shown == line).count();
            assert_eq!(drawn, lines.len(), "{shown}");
            assert!(!shown.contains('x'), "{shown}");
            assert_eq!(
                shown.matches('y').count(),
                lines.len() * line.len(),
                "{shown}"
            );
        }
    }

    #[test]
    fn the_terminal_keeps_its_modes() {
        let mut terminal = Terminal::new(20, 8);
        terminal.draw(&["one"]);
        let screen = terminal.parser.screen();
        assert!(!screen.hide_cursor() && !screen.alternate_screen());
        // Below the drawing, at the beginning of a line: that is where a shell's prompt, or a panic's message, will stand.
        assert_eq!(screen.cursor_position(), (2, 0));
    }
}
