//! `backline schema`: prints the schemas of the published formats, which are part of the program.

use backline_engine::manifest::{project_schema, schema};

use crate::args::{SchemaArgs, SchemaOf};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::CommandResult;

/// The events that hooks receive.
const HOOK_EVENT: &str = include_str!("../../../../docs/hook-event.schema.json");

pub(crate) fn run(args: &SchemaArgs, console: &Console) -> CommandResult {
    match args.what {
        SchemaOf::Manifest => console.json(&schema())?,
        SchemaOf::Project => console.json(&project_schema())?,
        SchemaOf::HookEvent => console.data(HOOK_EVENT)?,
    }
    Ok(exit_codes::DONE)
}
