//! The effects of one task's faults on its polls, files and times. Pure.

use super::details::{self, Whose};
use super::fault::{Fault, FileFault};
use super::malformed::{MalformedKind, MalformedTarget};

/// Whether the `number`th poll of a task with `faults` shows the details of another task.
pub(crate) fn shows_another(faults: &[Fault], number: u32) -> bool {
    let script = faults.iter().find_map(|fault| match fault {
        Fault::Details(script) => Some(script),
        _ => None,
    });
    script
        .and_then(|script| details::step(script, number))
        .is_some_and(|step| step.of == Whose::Other)
}

/// What is wrong with the JSON at `place`, at the `number`th time there.
pub(crate) fn malformed(
    faults: &[Fault],
    place: MalformedTarget,
    number: u32,
) -> Option<MalformedKind> {
    faults.iter().find_map(|fault| match fault {
        Fault::MalformedJson(malformed)
            if malformed.places.contains(&place)
                && (place != MalformedTarget::Details || malformed.polls.covers(number)) =>
        {
            Some(malformed.kind)
        }
        _ => None,
    })
}

/// By how much the vendor's clock is wrong, in milliseconds.
pub(crate) fn clock_offset_ms(faults: &[Fault]) -> i64 {
    let offset_s = faults.iter().find_map(|fault| match fault {
        Fault::ClockOffsetS(offset_s) => Some(*offset_s),
        _ => None,
    });
    offset_s.unwrap_or(0).saturating_mul(1000)
}

/// The duration that is claimed of every track, if a plan says one.
pub(crate) fn duration_s(faults: &[Fault]) -> Option<f64> {
    faults.iter().find_map(|fault| match fault {
        Fault::DurationS(duration_s) => Some(*duration_s),
        _ => None,
    })
}

/// Whether the file of a task's track is ever not what it should be.
pub(crate) fn spoils_file(faults: &[Fault], number: u8) -> bool {
    file_faults(faults, number).next().is_some()
}

/// Whether `sourceAudioUrl` of a spoilt track leads to its true file.
pub(crate) fn has_good_source(faults: &[Fault], number: u8) -> bool {
    file_faults(faults, number).any(|file| file.source_is_good)
}

/// What is wrong with the file of a task's track at its `fetch`th fetch, counted from 1: the first fault that lasts till then.
pub(crate) fn file_fault(faults: &[Fault], number: u8, fetch: u32) -> Option<&FileFault> {
    file_faults(faults, number).find(|file| file.fetches.covers(fetch))
}

fn file_faults(faults: &[Fault], number: u8) -> impl Iterator<Item = &FileFault> {
    faults.iter().filter_map(move |fault| match fault {
        Fault::File(file) if file.track.is_none_or(|track| track == number) => Some(file),
        _ => None,
    })
}
