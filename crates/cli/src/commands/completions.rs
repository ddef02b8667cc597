//! `backline completions`.

use clap::CommandFactory;

use crate::args::{Args, CompletionsArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::CommandResult;

pub(crate) fn run(args: &CompletionsArgs, console: &Console) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "backline", &mut script);
    console.data(&String::from_utf8_lossy(&script))?;
    Ok(exit_codes::DONE)
}
