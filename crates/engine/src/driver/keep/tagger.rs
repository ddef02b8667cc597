//! Tags in a copy of a fetched file, where the manifest wants them and the build has them.

use std::fs::File;

use super::check::Checked;
#[cfg(feature = "tags")]
use super::check::{Kind, check};
use super::part::PartialFile;
#[cfg(feature = "tags")]
use super::tags;
#[cfg(feature = "tags")]
use crate::conductor::EffectError;
use crate::conductor::FetchRequest;
use crate::driver::plan_index::PlanIndex;
use crate::hooks::HookError;

/// A tagged copy of a fetched file.
pub(super) struct Tagged {
    pub(super) name: String,
    pub(super) file: File,
    pub(super) checked: Checked,
}

/// Writes tags into a copy of a fetched file, where the manifest wants them.
pub(super) struct Tagger {
    #[cfg(feature = "tags")]
    words: Option<tags::Words>,
}

impl Tagger {
    #[cfg(feature = "tags")]
    pub(super) fn of(index: &PlanIndex, request: &FetchRequest) -> Self {
        let (plan, job) = (index.plan(), index.job(&request.job));
        let words = || {
            tags::Words {
                title: job.settings.text(backline_api::Setting::TITLE).to_owned(),
                style: job.settings.text(backline_api::Setting::TAGS).to_owned(),
                task: request.task.to_string(),
                ..Default::default()
            }
            .with_vars(&plan.output.stem_vars(&plan.stems[job.stem].id))
        };
        Self {
            // What a step makes has no words of its own.
            words: (plan.output.tags() && job.step.is_none()).then(words),
        }
    }

    #[cfg(not(feature = "tags"))]
    pub(super) fn of(_: &PlanIndex, _: &FetchRequest) -> Self {
        Self {}
    }

    /// The tagged copy beside a part; none where no tags are wanted.
    #[cfg(feature = "tags")]
    pub(super) fn tag(
        &self,
        part: &PartialFile,
        file: &File,
        promised_s: Option<f64>,
    ) -> Result<Option<Tagged>, HookError> {
        let Some(words) = &self.words else {
            return Ok(None);
        };
        let name = format!("{}.tagged", part.name.trim_end_matches(".part"));
        let made = || {
            part.folder.remove(&name)?;
            let mut tagged = part.folder.new_file(&name)?;
            let mut from = file;
            std::io::Seek::rewind(&mut from)?;
            std::io::copy(&mut from, &mut tagged)?;
            Ok(tagged)
        };
        let made = made().map_err(|error: std::io::Error| HookError::File(error.to_string()));
        let tagged = made.and_then(|mut tagged| {
            tags::write(&mut tagged, words)?;
            let failed = |error: EffectError| HookError::File(error.message);
            let checked = check(&tagged, Kind::Sound, promised_s).map_err(failed)?;
            match &checked.file.unverified {
                Some(why) => Err(HookError::File(why.clone())),
                None => Ok((tagged, checked)),
            }
        });
        match tagged {
            Ok((file, checked)) => Ok(Some(Tagged {
                name,
                file,
                checked,
            })),
            Err(error) => {
                // A copy that is not used; one that is left behind is written over.
                let _ = part.folder.remove(&name);
                Err(error)
            }
        }
    }

    #[cfg(not(feature = "tags"))]
    pub(super) fn tag(
        &self,
        _: &PartialFile,
        _: &File,
        _: Option<f64>,
    ) -> Result<Option<Tagged>, HookError> {
        Ok(None)
    }
}
