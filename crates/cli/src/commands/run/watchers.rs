//! The consumers of a run's records: the console, the page, the traces and the output folder.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use backline_engine::event::Record;
use backline_reporter::{ConsoleOptions, JsonEvents, Lines, Sink};
use tokio::runtime::Runtime;

use crate::args::{Format, WatchArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::log::Notices;
use crate::output_owner::OutputOwner;
use crate::project::{Project, standpoint};
use crate::serve::Server;
use crate::trace::Traces;
use crate::watch::{self, RunBasis};

/// Everything that receives each durable record.
pub(super) struct Watchers<'a> {
    pub(super) output: Option<OutputOwner>,
    pub(super) sink: Box<dyn Sink>,
    pub(super) server: Option<Server>,
    pub(super) traces: Option<Traces>,
    pub(super) notices: &'a Notices,
    pub(super) console: &'a Console,
}

impl Watchers<'_> {
    /// Shows the plan. Starts the page and the traces if the command line requests them.
    pub(super) fn start(
        &mut self,
        runtime: &Runtime,
        planned: &RunBasis,
        project: &Project,
        args: &WatchArgs,
    ) -> Result<(), Failure> {
        self.sink.plan(&planned.facts());
        self.server = runtime.block_on(Server::start(args, planned, project))?;
        if let Some(server) = &self.server {
            server.tell(self.console, self.notices);
        }
        let traces = args.otlp.as_deref();
        self.traces = traces
            .map(|url| Traces::start(url, planned, self.notices))
            .transpose()?;
        Ok(())
    }

    /// Passes a durable record on.
    pub(super) fn record(&mut self, record: &Record) {
        // The folder's owner is first, because nothing is bought before the run's first record is durable.
        if let Some(owner) = &mut self.output
            && let Err(failure) = owner.note(record)
        {
            self.notices.print(&failure.text(self.console.colour_err));
        }
        // The page gets the record before the console, so a line in the console is already on the page.
        if let Some(server) = &self.server {
            server.record(record);
        }
        if let Some(traces) = &mut self.traces {
            traces.record(record);
        }
        self.sink.record(record);
    }

    /// Ends the traces and the page. With `lasts`, the page stays until Ctrl-C.
    pub(super) fn end(self, runtime: &Runtime, lasts: bool) {
        drop(self.output);
        if let Some(traces) = self.traces {
            traces.end();
        }
        if let Some(server) = self.server {
            runtime.block_on(server.close(lasts, self.console));
        }
    }
}

/// The console for the format and the terminal.
pub(super) fn sink(
    project: &Project,
    console: &Console,
    notices: &Notices,
    stopping: Arc<AtomicBool>,
) -> Box<dyn Sink> {
    let options = ConsoleOptions {
        stopping,
        ..console.reporter_options(standpoint(&project.plan.project_dir))
    };
    match console.format {
        Format::Json => Box::new(JsonEvents::new(Box::new(std::io::stdout()))),
        Format::Text if console.draws_on_err() => {
            let table = watch::table_on_err(options);
            notices.redirect(table.log_writer());
            Box::new(table)
        }
        Format::Text => Box::new(Lines::new(Box::new(std::io::stderr()), options)),
    }
}
