//! The steps after a run: the reports, the closing text and the exit code.

use backline_api::{Profile, RECOVERY};
use backline_engine::driver::Ended;
use backline_engine::event::{Outcome, StopReason};
use backline_engine::store::Store;
use backline_engine::summary::summarise;
use backline_reporter::{ReportInput, RunResult, Sink, shell_word, write_reports};

use super::super::report::join_kept;
use super::prepare::try_output;
use crate::args::Format;
use crate::console::{Console, measuring};
use crate::elsewhere::note_on_files;
use crate::exit_codes::{self, Code};
use crate::failure::{CommandResult, Failure};
use crate::ledger::Ledger;
use crate::project::{Project, seen_from_here, show_from_here, sound_cache, standpoint};
use crate::step_summary;

/// Writes the reports and the closing text.
pub(super) fn close(
    ended: Ended,
    project: &Project,
    ledger: &Ledger,
    sink: &mut dyn Sink,
    replayed: bool,
    console: &Console,
) -> CommandResult {
    let mut summary = summarise(&**ledger, &ended.run)?;
    join_kept(&project.report_dir(), &mut summary, console);
    let records = ledger.records_of(&ended.run.id)?;
    let sound_cache = sound_cache(&project.ledger);
    let material = ReportInput {
        summary: &summary,
        records: &records,
        project_dir: &project.plan.project_dir,
        sound_cache: sound_cache.as_deref(),
    };
    step_summary::append(&material, console);
    let reports = write_reports(
        &material,
        &project.plan.reports,
        &project.report_dir(),
        &measuring(console),
    );
    let elsewhere = note_on_files(&summary, project);
    if console.format == Format::Text {
        // Commands and paths are relative to the working directory, not to the project's folder.
        let standpoint = standpoint(&project.plan.project_dir);
        show_from_here(&mut summary, &standpoint, project.shown.clone(), ledger);
    }
    let written = sink.finish(&RunResult {
        summary: &summary,
        reports: &reports,
        replayed,
    });
    if let Some(note) = elsewhere {
        console.note(&note);
    }
    let refused = matches!(ended.outcome, Outcome::Refused { .. });
    if refused && !replayed && project.plan.provider.embedded.is_none() {
        console.note(&advice(&ended.outcome, project));
    }
    let is_failed = ended.outcome == Outcome::Failed;
    let mut code = Code::of(&ended.outcome);
    if let Some(failure) = is_failed.then(|| try_output(project).err()).flatten() {
        // The jobs failed because of the output folder or the object store, which only the user can correct.
        console.note_always(&failure.text(console.colour_err));
        code = failure.code();
    } else if sells_recovery(&ended.outcome, project) && summary.this_run.totals.to_fetch > 0 {
        console.note(&format!(
            "`backline fetch --recover {}` buys a recovery of each song that the provider does not serve any more.\n",
            shell_word(&project.shown)
        ));
    }
    if reports.iter().any(Result::is_err) {
        code = code.or(exit_codes::NOT_WRITTEN);
    }
    match written {
        // The reader of standard output has closed it. The tracks are kept anyway.
        Ok(()) => Ok(code),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(code),
        Err(error) if code == exit_codes::DONE => Err(error.into()),
        Err(_) => Ok(code),
    }
}

/// Whether downloads failed whose songs could be recovered, in a run without recoveries.
fn sells_recovery(outcome: &Outcome, project: &Project) -> bool {
    let plan = &project.plan;
    let sells = plan.provider.profile.step(RECOVERY).is_some();
    *outcome == Outcome::Failed && sells && !plan.recovers
}

/// The advice after the provider refuses the whole run: to check the addresses after status 404, else the key.
fn advice(outcome: &Outcome, project: &Project) -> String {
    let provider = &project.plan.provider;
    if let Outcome::Refused {
        code: Some(404), ..
    } = outcome
    {
        let profile = &provider.profile;
        let [base, uploads] = [&profile.base_url, &profile.upload_url]
            .map(|url| backline_api::redact_url(url.as_str()));
        return format!(
            "Songs are bought at {}{}, recordings are uploaded to {uploads}: check `base_url` and `upload_url` of `provider:`{}.\n",
            base.trim_end_matches('/'),
            profile.operation.submit_path,
            route_advice(profile)
        );
    }
    format!(
        "The key is that of ${}; `backline doctor {}` checks key, credits and provider.\n",
        provider.api_key_env,
        shell_word(&project.shown)
    )
}

/// The advice about the vendor's other route; empty if there is none.
fn route_advice(profile: &Profile) -> &'static str {
    let has_other = Profile::by_jobs(&profile.name).is_some();
    match (has_other, profile.operation.job) {
        (_, Some(_)) => ", or leave out `route: jobs`",
        (true, None) => ", or set `route: jobs` for the vendor's newer route",
        (false, None) => "",
    }
}

/// Whether the user stopped the run. Its page then closes too.
pub(super) fn was_interrupted(ended: &Ended) -> bool {
    let reason = StopReason::Signal;
    ended.outcome == Outcome::Stopped { reason }
}

/// Saves a copy of a ledger that was deleted or replaced during the run, because nothing else records the purchases.
pub(super) fn save_displaced(closed: CommandResult, ledger: &Ledger) -> CommandResult {
    #[cfg_attr(
        not(feature = "postgres"),
        expect(irrefutable_let_patterns, reason = "a ledger may be on a server")
    )]
    let Ledger::File(ledger) = ledger else {
        return closed;
    };
    let Err(displaced) = ledger.check_place() else {
        return closed;
    };
    let failure = closed.err().unwrap_or_else(|| displaced.into());
    let place = shell_word(&seen_from_here(ledger.path()).display().to_string());
    match ledger.save_beside() {
        Ok(saved) => {
            let saved = shell_word(&seen_from_here(&saved).display().to_string());
            Err(failure.hint(format!(
                "everything up to the end of the run is saved in {saved}; put it back with `mv {saved} {place}`, then run the same \
                 command again; where the directory was only renamed, the ledger in it has the same records"
            )))
        }
        Err(error) => {
            let jobs = ledger.jobs()?;
            let tasks = jobs.iter().flat_map(|(key, known)| {
                let ids = known.job.task_ids();
                ids.map(|id| format!("\n  job {}: task {id}", key.short()))
            });
            let tasks: String = tasks.collect();
            let why = Failure::from(error).message();
            Err(failure.hint(format!(
                "it could not be saved: {why}; write down what was bought:{tasks}"
            )))
        }
    }
}
