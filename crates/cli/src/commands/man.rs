//! `backline man`: prints manual pages for `man`, generated from the help texts.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use backline_engine::folder::Folder;
use backline_engine::scratch::create;
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::{Args, ManArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};

/// The prefix of temporary files for pages.
const TEMPORARY: &str = ".backline-";

pub(crate) fn run(args: &ManArgs, console: &Console) -> CommandResult {
    let mut program = Args::command();
    // Adds global options and usage lines to the commands' help.
    program.build();
    match &args.dir {
        None => console.data(&page(&program)?)?,
        Some(dir) => {
            let folder = Folder::create(dir).map_err(|error| not_written(dir, error))?;
            let mut written = Vec::new();
            write(&program, &folder, &mut written)?;
            console.note(&format!(
                "wrote {} pages to {}\n",
                written.len(),
                dir.display()
            ));
        }
    }
    Ok(exit_codes::DONE)
}

/// Writes the page of a command and those of its subcommands.
///
/// A page replaces an existing file of its name. A link is replaced itself, not its target.
fn write(command: &Command, dir: &Folder, written: &mut Vec<String>) -> Result<(), Failure> {
    let man = Man::new(command.clone());
    let name = man.get_filename();
    let page = page(command)?;
    let put = || {
        let mut scratch = create(dir, TEMPORARY)?;
        scratch.file().write_all(page.as_bytes())?;
        scratch.replace(&name)
    };
    put().map_err(|error| not_written(&dir.path().join(&name), error))?;
    written.push(name);
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        write(below, dir, written)?;
    }
    Ok(())
}

fn page(command: &Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(ascii(&String::from_utf8_lossy(&page)))
}

/// Every reader of roff accepts ASCII. Other characters are written as their code points.
fn ascii(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    for letter in page.chars() {
        if letter.is_ascii() {
            text.push(letter);
        } else {
            let _ = write!(text, "\\[u{:04X}]", u32::from(letter));
        }
    }
    text
}

fn not_written(path: &Path, error: std::io::Error) -> Failure {
    let context = format!("cannot write {}", path.display());
    Failure::new(Kind::Output, anyhow::Error::new(error).context(context))
}
