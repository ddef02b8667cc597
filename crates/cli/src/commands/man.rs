//! `backline man`: the manual as pages for `man`, generated from the help texts.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::{Args, ManArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};

pub(crate) fn run(args: &ManArgs, console: &Console) -> CommandResult {
    let mut program = Args::command();
    // Global options and usage lines are put where they belong.
    program.build();
    match &args.dir {
        None => console.data(&page(&program)?)?,
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|error| not_written(dir, error))?;
            let mut written = Vec::new();
            write(&program, dir, &mut written)?;
            console.say(&format!(
                "wrote {} pages to {}\n",
                written.len(),
                dir.display()
            ));
        }
    }
    Ok(exit_codes::DONE)
}

/// A page for a command and each below it.
fn write(command: &Command, dir: &Path, written: &mut Vec<String>) -> Result<(), Failure> {
    let man = Man::new(command.clone());
    let name = man.get_filename();
    let path = dir.join(&name);
    std::fs::write(&path, page(command)?).map_err(|error| not_written(&path, error))?;
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

/// Every reader of roff takes ASCII; what is more is written by its number.
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
