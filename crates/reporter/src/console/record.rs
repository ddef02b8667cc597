//! Formats one record as a line for people. Pure.
//!
//! ```text
//! 12:03:41 accepted     chorus × lofi take 1  task 0123abcd
//! 12:03:42 refused      verse × lofi take 1  400: the tags name an artist
//! 12:06:10 kept         chorus × lofi take 1  2 tracks in tracks/chorus
//! ```

use backline_engine::event::{
    Event, KeptFile, Moment, Outcome, Part, Record, TaskStage, TrackNote, Via,
};
use backline_engine::hooks::Verdict;
use backline_engine::job::Job;
use backline_engine::status::JobStatus;
use jiff::tz::TimeZone;

use super::line::ConsoleLine;
use crate::plan_state::PlanState;
use crate::printable::clean;
use crate::sink::ConsoleOptions;
use crate::standpoint::Standpoint;
use crate::text::{common_folder, count, excerpt, failure_text, figure, fit, span, time_of_day};

/// Widest refusal in a line, in columns; the closing repeats the refusal in full.
const REFUSAL_COLUMNS: usize = 60;

/// Applies `record` to `plan_state` and returns its line. A repeated problem, such as an unreachable provider, is printed in
/// full once.
pub(crate) fn line_of(
    record: &Record,
    plan_state: &mut PlanState,
    options: &ConsoleOptions,
) -> ConsoleLine {
    let ConsoleOptions {
        zone, standpoint, ..
    } = options;
    let line = full_line(record, plan_state, zone, standpoint);
    let (words, until) = match &record.event {
        Event::Paused {
            until_ms, message, ..
        } => (message, Some(time_of_day(*until_ms, zone))),
        // The closing lists every track that is still not on disk at the end.
        Event::TrackFailed { message, .. } => {
            let last = plan_state.last_track_problem.replace(message.clone());
            return match last.as_ref() == Some(message) {
                true => line.repeated(None),
                false => line,
            };
        }
        Event::TrackKept { .. } => {
            plan_state.last_track_problem = None;
            plan_state.last_problem = None;
            return line;
        }
        Event::UploadFailed {
            message,
            retried: true,
            ..
        }
        | Event::NotSent { message, .. } => (message, None),
        Event::Uploaded { .. } | Event::Accepted { .. } => {
            plan_state.last_problem = None;
            return line;
        }
        _ => return line,
    };
    // A pause after a failed upload has the stem's name before the upload's own message.
    let repeats =
        |before: &String| before.ends_with(words.as_str()) || words.ends_with(before.as_str());
    if plan_state.last_problem.as_ref().is_some_and(repeats) {
        return line.repeated(until);
    }
    plan_state.last_problem = Some(words.clone());
    line
}

fn full_line(
    record: &Record,
    plan_state: &mut PlanState,
    zone: &TimeZone,
    from: &Standpoint,
) -> ConsoleLine {
    let change = plan_state.apply(record);
    let becomes = |state| change.as_ref().is_some_and(|change| change.becomes(state));
    let failed = becomes(JobStatus::Failed);
    let kept = if becomes(JobStatus::Kept) {
        change.as_ref().map(|change| kept_files(change.job, from))
    } else {
        None
    };
    let remarks = match &record.event {
        Event::Stage { tracks, .. } => plan_state.new_remarks(record.job.as_ref(), tracks),
        _ => Vec::new(),
    };
    let line = match &record.event {
        Event::Stage { .. } if !remarks.is_empty() => {
            ConsoleLine::warning("remark", excerpt(&remarks.join("; ")))
        }
        Event::RunStarted {
            name,
            provider,
            jobs,
            to_submit,
            upload_host,
        } => {
            let uploads = upload_host
                .as_ref()
                .map(|host| format!("; recordings are uploaded to {}", clean(host)));
            ConsoleLine::plain(
                "run",
                format!(
                    "{}: {} with {}, {to_submit} to submit{}",
                    clean(name),
                    count(*jobs, "job"),
                    clean(provider),
                    uploads.unwrap_or_default()
                ),
            )
        }
        Event::Credits { balance, moment } => {
            let when = match moment {
                Moment::Before => "before the first submission",
                Moment::After => "at the end of the run",
            };
            ConsoleLine::plain("credits", format!("{} {when}", figure(*balance)))
        }
        Event::Paused {
            until_ms,
            code,
            message,
        } => ConsoleLine::warning(
            "waiting",
            format!(
                "until {}  {}",
                time_of_day(*until_ms, zone),
                failure_text(*code, message)
            ),
        ),
        Event::AccountAdopted { from, task_id } => ConsoleLine::plain(
            "adopted",
            format!(
                "account {}: the provider shows its task {}",
                clean(from),
                clean(&task_id.to_string())
            ),
        ),
        Event::UploadStarted { stem } => ConsoleLine::detail("uploading", "").about(clean(stem)),
        Event::Uploaded { stem, .. } => ConsoleLine::plain("uploaded", "").about(clean(stem)),
        Event::UploadFailed {
            stem,
            message,
            retried,
        } => retry_line(*retried, "not uploaded", message).about(clean(stem)),
        Event::Intent { attempt, .. } => {
            ConsoleLine::detail("sending", format!("attempt {attempt}"))
        }
        Event::Decided { point, verdict } => match verdict {
            Verdict::Pass => ConsoleLine::detail("passed", point.as_str()),
            Verdict::Change { key, .. } => {
                ConsoleLine::plain("changed", format!("bought as job {}", key.short()))
            }
            Verdict::Veto { why } => ConsoleLine::warning("vetoed", excerpt(why)),
            Verdict::Fail { message } => ConsoleLine::error("hook failed", excerpt(message)),
        },
        Event::InputMissing { message } => ConsoleLine::warning("skipped", excerpt(message)),
        Event::Recognized { key, .. } => ConsoleLine::detail(
            "recognized",
            format!("bought before as job {}", key.short()),
        ),
        Event::HookFailed {
            hook,
            about,
            message,
            ..
        } => {
            let line =
                ConsoleLine::warning("hook", format!("{}: {}", clean(hook), excerpt(message)));
            match about {
                Some(key) => line.about(plan_state.label(key)),
                None => line,
            }
        }
        Event::TrackNoted {
            note: TrackNote::Renamed { from: old, to },
            ..
        } => ConsoleLine::plain(
            "renamed",
            format!("{} to {}", clean(&from.name(old)), clean(&from.name(to))),
        ),
        Event::TrackNoted { index, part, note } => {
            let said = match note {
                TrackNote::Loudness {
                    integrated_lufs: Some(lufs),
                    true_peak_dbtp,
                } => format!("{lufs:.1} LUFS, true peak {true_peak_dbtp:.1} dBTP"),
                TrackNote::Loudness { .. } => "silent".to_owned(),
                TrackNote::Copied { to } | TrackNote::Renamed { to, .. } => {
                    format!("copied to {}", clean(to))
                }
            };
            ConsoleLine::detail("noted", format!("{}  {said}", track(*index, *part)))
        }
        Event::Repeated { attempt } => {
            ConsoleLine::warning("repeating", format!("the request of attempt {attempt}"))
        }
        Event::Accepted { task_id, via, .. } => {
            let how = match via {
                Via::Response => "",
                Via::Callback => ", by a callback",
                Via::User => ", named by you",
                Via::Refusal => ", which already existed",
            };
            ConsoleLine::success(
                "accepted",
                format!("task {}{how}", clean(&task_id.to_string())),
            )
        }
        Event::Claimed { task_id, .. } => ConsoleLine::detail(
            "callback",
            format!(
                "names task {}; checking it with the provider",
                clean(&task_id.to_string())
            ),
        ),
        Event::ClaimRejected {
            task_id, message, ..
        } => ConsoleLine::warning(
            "callback",
            format!(
                "task {} is not this job's: {}",
                clean(&task_id.to_string()),
                excerpt(message)
            ),
        ),
        Event::Refused { code, message, .. } if failed => {
            ConsoleLine::error("refused", failure_text(*code, message))
        }
        // This refusal ends the run, and the closing prints the whole message.
        Event::Refused { code, message, .. } if record.event.is_refusal_of_run() => {
            let text = failure_text(*code, message);
            ConsoleLine::warning("refused", fit(&text, REFUSAL_COLUMNS))
        }
        Event::Refused { code, message, .. } => {
            ConsoleLine::warning("refused", failure_text(*code, message))
        }
        Event::NotSent { message, .. } => ConsoleLine::warning("not sent", excerpt(message)),
        Event::Lost {
            message, response, ..
        } => {
            let ids = response.iter().flat_map(|response| &response.task_ids);
            let ids: Vec<String> = ids.map(|id| clean(id.as_str())).collect();
            let named = match ids.is_empty() {
                true => String::new(),
                false => format!("; possible task id: {}", ids.join(", ")),
            };
            ConsoleLine::error("in doubt", format!("{}{named}", excerpt(message)))
        }
        Event::NeverBought { .. } => {
            ConsoleLine::plain("free again", "resolved by you as never bought")
        }
        Event::BuyAgain { .. } => {
            ConsoleLine::warning("free again", "resolved by you: to be bought again")
        }
        Event::Reopened { .. } => ConsoleLine::warning("in doubt", "reopened by you"),
        Event::Stage { stage, .. } => ConsoleLine::detail(
            match stage {
                TaskStage::Pending => "pending",
                TaskStage::Text => "text ready",
                TaskStage::First => "first ready",
                TaskStage::Complete => "complete",
            },
            "",
        ),
        Event::TaskFailed {
            code,
            message,
            refunded,
        } => ended_line("failed", *code, message, *refunded),
        Event::TaskPartial {
            code,
            message,
            refunded,
        } => ended_line("partial", *code, message, *refunded),
        Event::DetailsUnavailable { message } => ConsoleLine::warning(
            "waiting",
            format!(
                "details unavailable: {}; polling goes on, at most until `limits.deadline`",
                excerpt(message)
            ),
        ),
        Event::TrackKept {
            index,
            part,
            file:
                KeptFile {
                    unverified: Some(why),
                    path,
                    ..
                },
        } => ConsoleLine::warning(
            "unverified",
            format!(
                "{}  {}: {}",
                track(*index, *part),
                clean(&from.name(path)),
                excerpt(why)
            ),
        ),
        Event::TrackKept { index, part, file } => match kept {
            Some(kept) => ConsoleLine::success("kept", kept),
            None => ConsoleLine::detail(
                "fetched",
                format!(
                    "{}  {}",
                    track(*index, *part),
                    clean(&from.name(&file.path))
                ),
            ),
        },
        Event::TrackHandedOver { index, part } => {
            ConsoleLine::success("recovered", track(*index, *part))
        }
        Event::TrackFailed {
            index,
            part,
            message,
            retried,
        } => retry_line(
            *retried,
            "not fetched",
            &format!("{}: {message}", track(*index, *part)),
        ),
        Event::TrackMissing {
            index,
            part,
            changed: false,
        } => ConsoleLine::error(
            "missing",
            format!("the file of {} was deleted or moved", track(*index, *part)),
        ),
        Event::TrackMissing {
            index,
            part,
            changed: true,
        } => ConsoleLine::error(
            "changed",
            format!(
                "the file of {} was changed on disk or in the object store; it is not overwritten",
                track(*index, *part)
            ),
        ),
        Event::CallbacksRefused(refused) => ConsoleLine::warning(
            "callbacks",
            format!(
                "{} refused: {} with an unknown secret, {} unsigned, {} signed with another key, {} signed too long ago, {} unreadable, {} refused because too many were waiting",
                refused.total(),
                refused.unknown,
                refused.unsigned,
                refused.wrong_signature,
                refused.outside_window,
                refused.unreadable,
                refused.turned_away
            ),
        ),
        Event::RunEnded { outcome, .. } => ConsoleLine::detail("end", ended(outcome)),
    };
    match &record.job {
        Some(key) => line.about(plan_state.label(key)),
        None => line,
    }
}

/// The line about the minimum time that the account's rate limit requires.
pub(crate) fn paced(least_ms: u64) -> ConsoleLine {
    let least = span(i64::try_from(least_ms).unwrap_or(i64::MAX));
    ConsoleLine::plain(
        "paced",
        format!("submitting takes at least {least} at the account's rate limit"),
    )
}

/// The outcome of a run as text.
fn ended(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Partial => "some jobs are partial",
        Outcome::Vetoed => "only vetoed jobs are missing",
        Outcome::Failed => "some jobs failed, or their tracks could not be downloaded",
        Outcome::InDoubt => "some jobs are in doubt",
        Outcome::Stopped { .. } => "stopped",
        Outcome::Refused { .. } => "refused by the provider",
    }
}

fn retry_line(retried: bool, word: &'static str, message: &str) -> ConsoleLine {
    if retried {
        ConsoleLine::warning(word, format!("{}; tried again", excerpt(message)))
    } else {
        ConsoleLine::error(word, excerpt(message))
    }
}

fn track(index: u32, part: Part) -> String {
    match part {
        Part::Track => format!("track {index}"),
        Part::Mix => format!("mix {index}"),
    }
}

/// `2 tracks in tracks/chorus`; `5 files in …` if a step made them.
fn kept_files(job: &Job, from: &Standpoint) -> String {
    let tracks = job
        .task()
        .map(|task| task.tracks.as_slice())
        .unwrap_or_default();
    let paths: Vec<String> = tracks
        .iter()
        .filter_map(|track| track.kept.as_ref())
        .map(|file| from.name(&file.path))
        .collect();
    let place = common_folder(paths.iter().map(String::as_str))
        .map(|folder| format!(" in {}", clean(folder)))
        .unwrap_or_default();
    let noun = match tracks.iter().any(|it| !it.facts.artefact.is_empty()) {
        true => "file",
        false => "track",
    };
    format!("{}{place}", count(tracks.len() as u64, noun))
}

/// The line about a task that ended without all of its tracks.
fn ended_line(
    heading: &'static str,
    code: Option<i64>,
    message: &str,
    refunded: bool,
) -> ConsoleLine {
    let credits = match refunded {
        true => " (credits given back)",
        false => "",
    };
    let details = failure_text(code, message);
    ConsoleLine::error(heading, format!("{details}{credits}"))
}

#[cfg(test)]
mod tests {
    use backline_engine::job::Step;
    use serde_json::{Value, json};

    use super::*;

    fn job(tracks: &[Value]) -> Job {
        let intent = json!({"event": "intent", "attempt": 1, "token": "t", "credits": 0.0});
        let accepted = json!({"event": "accepted", "attempt": 1, "task_id": "t1", "via": "answer"});
        let stage = json!({"event": "stage", "stage": "complete", "tracks": tracks});
        let events = [intent, accepted, stage];
        events.into_iter().fold(Job::default(), |job, event| {
            match job.step(1, &serde_json::from_value(event).unwrap()) {
                Step::Changed(next) => next,
                _ => panic!("an event that changes nothing"),
            }
        })
    }

    #[test]
    fn a_song_has_tracks_and_a_step_makes_files() {
        let from = Standpoint::default();
        let track = |id: &str, artefact: &str| json!({"id": id, "title": "", "artefact": artefact});
        let song = [track("1", ""), track("2", "")];
        assert_eq!(kept_files(&job(&song), &from), "2 tracks");
        let stems = [track("1", "vocal"), track("2", "drums")];
        assert_eq!(kept_files(&job(&stems), &from), "2 files");
    }
}
