//! What the page shows at one moment, and what changed since another. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use backline_engine::summary::Summary;
use backline_reporter::LiveFile;

/// The run at one moment. Editions are numbered from 1; a page remembers the last that it has seen.
pub(super) struct Edition {
    /// Its number.
    pub(super) revision: u64,
    /// The run.
    pub(super) summary: Summary,
    /// Every job in the page's JSON, in plan order.
    jobs: Vec<Fragment>,
    /// The head in JSON.
    head: Fragment,
    /// The page's files, by the addresses that it names.
    files: HashMap<String, LiveFile>,
}

/// A part of the page, and the edition since which it has been so.
#[derive(Clone)]
struct Fragment {
    since: u64,
    text: Arc<str>,
}

/// What a page gets of one change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PageUpdate {
    /// A job, by its place in the plan.
    Job { at: usize, text: Arc<str> },
    /// The head.
    Head { text: Arc<str> },
}

impl Edition {
    /// The edition after `before`; none where nothing has changed.
    pub(super) fn after(
        before: Option<&Self>,
        summary: Summary,
        jobs: Vec<String>,
        head: String,
        files: Vec<LiveFile>,
    ) -> Option<Self> {
        let revision = before.map_or(0, |it| it.revision) + 1;
        let jobs: Vec<Fragment> = jobs
            .into_iter()
            .enumerate()
            .map(|(at, text)| {
                Fragment::after(before.and_then(|it| it.jobs.get(at)), text, revision)
            })
            .collect();
        let head = Fragment::after(before.map(|it| &it.head), head, revision);
        let has_news = head.since == revision || jobs.iter().any(|job| job.since == revision);
        let by_address = |file: LiveFile| (file.address.clone(), file);
        has_news.then(|| Self {
            revision,
            summary,
            jobs,
            head,
            files: files.into_iter().map(by_address).collect(),
        })
    }

    /// What has changed since an edition. The head comes last: when it says that the run has ended, there is nothing after it.
    pub(super) fn since(&self, seen: u64) -> Vec<PageUpdate> {
        let changed = |part: &Fragment| (part.since > seen).then(|| part.text.clone());
        let jobs = self.jobs.iter().enumerate();
        jobs.filter_map(|(at, job)| {
            Some(PageUpdate::Job {
                at,
                text: changed(job)?,
            })
        })
        .chain(changed(&self.head).map(|text| PageUpdate::Head { text }))
        .collect()
    }

    /// The file of an address; none for an address that the page does not name.
    pub(super) fn file(&self, address: &str) -> Option<&LiveFile> {
        self.files.get(address)
    }

    /// Whether there will be no other.
    pub(super) fn is_last(&self) -> bool {
        self.summary.run.ended_ms.is_some()
    }
}

impl Fragment {
    fn after(before: Option<&Self>, text: String, revision: u64) -> Self {
        match before.filter(|before| *before.text == *text) {
            Some(same) => same.clone(),
            None => Self {
                since: revision,
                text: text.into(),
            },
        }
    }
}
