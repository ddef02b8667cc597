//! A version of the page, and the changes since an earlier version. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use backline_engine::summary::Summary;
use backline_reporter::LiveFile;

/// The run at one moment. Editions are numbered from 1, and each page sends the number of the last one that it received.
pub(super) struct Edition {
    /// The edition's number.
    pub(super) revision: u64,
    /// The summary of the run.
    pub(super) summary: Summary,
    /// Every job in the page's JSON, in plan order.
    jobs: Vec<Fragment>,
    /// The head in JSON.
    head: Fragment,
    /// The page's files by their addresses.
    files: HashMap<String, LiveFile>,
}

/// A part of the page, and the edition in which it last changed.
#[derive(Clone)]
struct Fragment {
    since: u64,
    text: Arc<str>,
}

/// A change that is sent to a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PageUpdate {
    /// A job, with its position in the plan.
    Job { at: usize, text: Arc<str> },
    /// The head.
    Head { text: Arc<str> },
}

impl Edition {
    /// The edition after `before`; none if nothing has changed.
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

    /// The changes since an edition. The head is last, because nothing may follow a head that reports the end of the run.
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

    /// The file at an address; none if the page does not contain the address.
    pub(super) fn file(&self, address: &str) -> Option<&LiveFile> {
        self.files.get(address)
    }

    /// Whether this is the last edition of the run.
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
