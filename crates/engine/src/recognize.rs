//! Jobs that an earlier program bought under another key are recognised as bought.
//!
//! What makes a job's key has changed once: the title that a job has when its manifest gives none was a part of it, so that renaming a
//! stem bought everything again, and so was the signature of an address. A ledger keeps the keys that it was written with. So where a
//! plan is compared with a ledger, each job that the ledger does not know is searched for under the keys that it had before, then by what
//! earlier runs recorded of their plans, which also finds a job whose stem was renamed since. The provider's name is a part of the key
//! too: where earlier runs used the same address under another name, a job is searched for under that name.
//!
//! A job that is found that way is planned under the key that it was bought under, and nothing after that knows of two keys. The link
//! is an event of its own, recorded by the next run: from then on the job is found without a search, even when earlier runs are
//! pruned. No purchase is linked to two jobs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use backline_api::Setting;

use crate::event::Event;
use crate::job::Step;
use crate::plan::{Plan, PlannedJob};
use crate::settings::{JobIdentity, JobKey, TitleIdentity, default_title, first_key, job_key};
use crate::store::{KnownJob, PlannedRow, RunHeader, Store, StoreError, bought_in_place_of};

/// A planned job that was bought under another key.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognized {
    /// The key that it has by what is sent.
    pub key: JobKey,
    /// What a run records of it.
    pub event: Event,
}

/// Finds the plan's jobs that were bought under former keys and plans them under those. Gives what the next run has to record;
/// `known` has it already.
///
/// # Errors
/// When the ledger can't be read.
pub fn recognize(
    plan: &mut Plan,
    known: &mut HashMap<JobKey, KnownJob>,
    store: &dyn Store,
) -> Result<Vec<Recognized>, StoreError> {
    follow_links(plan, known);
    let mut search = Search::new(plan, known);
    if !search.is_over() {
        search.by_former_keys();
    }
    if !search.is_over() {
        search.by_former_providers(&store.runs()?);
    }
    if !search.is_over() {
        search.by_former_plans(store)?;
    }
    let found = search.found;
    let mut recognized = Vec::with_capacity(found.len());
    for (slot, bought) in found {
        let job = &plan.jobs[slot];
        let event = Event::Recognized {
            key: bought,
            settings: Box::new(job.settings.clone()),
        };
        let account = known
            .get(&bought)
            .map(|known| known.account.clone())
            .unwrap_or_default();
        let (unknown, before) = (Arc::default(), known.get(&job.key));
        let version = before.map_or(0, |known| known.version);
        let before = before.map_or(&unknown, |known| &known.job);
        if let Step::Changed(linked) = before.step(0, &event) {
            known.insert(
                job.key,
                KnownJob {
                    job: Arc::new(linked),
                    account,
                    version,
                },
            );
            recognized.push(Recognized {
                key: job.key,
                event,
            });
            plan.set_key(slot, bought);
        }
    }
    Ok(recognized)
}

/// Plans jobs under the keys that an earlier run has recognised them by.
fn follow_links(plan: &mut Plan, known: &HashMap<JobKey, KnownJob>) {
    let mut taken: HashSet<JobKey> = plan.jobs.iter().map(|job| job.key).collect();
    for slot in 0..plan.jobs.len() {
        let Some(own) = known.get(&plan.jobs[slot].key).map(|known| &known.job) else {
            continue;
        };
        // What a hook of an earlier version changed is another request, and known by its own key.
        let link = own.linked.as_ref().filter(|link| link.is_same);
        if let Some(link) = link
            && own.attempts == 0
            && known
                .get(&link.key)
                .is_some_and(|known| known.job.attempts > 0)
            && taken.insert(link.key)
        {
            plan.set_key(slot, link.key);
        }
    }
}

struct Search<'a> {
    plan: &'a Plan,
    known: &'a HashMap<JobKey, KnownJob>,
    /// Indices of the plan's jobs that the ledger does not know.
    missing: Vec<usize>,
    /// What was bought and is no job of this plan.
    unclaimed: HashSet<JobKey>,
    /// Index in the plan → the key of what was bought.
    found: Vec<(usize, JobKey)>,
}

impl<'a> Search<'a> {
    fn new(plan: &'a Plan, known: &'a HashMap<JobKey, KnownJob>) -> Self {
        let mut unclaimed: HashSet<JobKey> = known
            .iter()
            .filter(|(_, known)| known.job.attempts > 0)
            .map(|(key, _)| *key)
            .collect();
        let mut missing = Vec::new();
        if !unclaimed.is_empty() {
            for (slot, job) in plan.jobs.iter().enumerate() {
                unclaimed.remove(&job.key);
                let own = known.get(&job.key).map(|known| &known.job);
                if job.step.is_none() && own.is_none_or(|job| job.attempts == 0) {
                    missing.push(slot);
                }
            }
        }
        Self {
            plan,
            known,
            missing,
            unclaimed,
            found: Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.missing.is_empty() || self.unclaimed.is_empty()
    }

    /// Links a job to what was bought as `former`, unless that is another's.
    fn claim(&mut self, slot: usize, former: &JobKey) -> bool {
        let is_free = self.unclaimed.remove(former);
        if is_free {
            self.found.push((slot, *former));
        }
        is_free
    }

    fn by_former_keys(&mut self) {
        for slot in std::mem::take(&mut self.missing) {
            let former = self.plan.former_keys(&self.plan.jobs[slot]);
            if !former.iter().any(|key| self.claim(slot, key)) {
                self.missing.push(slot);
            }
        }
    }

    /// Searches under the names that the provider had in earlier runs.
    fn by_former_providers(&mut self, runs: &[RunHeader]) {
        let provider = &self.plan.provider;
        let address = Some(provider.address_fingerprint());
        let mut names: Vec<&str> = Vec::new();
        for run in runs.iter().filter(|run| run.address == address) {
            if run.provider != provider.profile.name && !names.contains(&run.provider.as_str()) {
                names.push(&run.provider);
            }
        }
        for name in names {
            for slot in std::mem::take(&mut self.missing) {
                let keys = self.plan.keys_as(&self.plan.jobs[slot], name);
                if !keys.iter().any(|key| self.claim(slot, key)) {
                    self.missing.push(slot);
                }
            }
        }
    }

    /// Searches the plans that earlier programs recorded, newest first, until every job is found.
    fn by_former_plans(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let (plan, profile) = (self.plan, self.plan.provider.identity());
        let unnamed = |job: &PlannedJob| matches!(job.title, TitleIdentity::Default { .. });
        let without_name = |job: &PlannedJob| {
            job_key(&JobIdentity {
                title: TitleIdentity::Default { nth: 1 },
                ..plan.request(job, &profile)
            })
        };
        // Jobs that are equal but for their names, in plan order.
        let mut wanted: HashMap<JobKey, Vec<usize>> = HashMap::new();
        for slot in &self.missing {
            let job = &plan.jobs[*slot];
            if unnamed(job) {
                wanted.entry(without_name(job)).or_default().push(*slot);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        wanted.values_mut().for_each(|slots| slots.reverse());
        let mut stems: HashMap<String, usize> = HashMap::new();
        for (at, stem) in plan.stems.iter().enumerate().rev() {
            stems.insert(stem.source.former_fingerprint(), at);
        }
        let mut seen: HashSet<JobKey> = HashSet::new();
        for run in store.runs()? {
            if run.knows_titles || run.provider != plan.provider.profile.name {
                continue;
            }
            for mut row in store.plan_of(&run.id)? {
                if let Some((link, _)) = bought_in_place_of(self.known, row.key) {
                    (row.key, row.settings) = (link.key, link.settings.clone());
                }
                if row.settings.text(Setting::TITLE) != default_title(&row.stem, &row.preset)
                    || !seen.insert(row.key)
                {
                    continue;
                }
                let Some(key) = unnamed_key(plan, &profile, &stems, &row) else {
                    continue;
                };
                if let Some(slots) = wanted.get_mut(&key)
                    && let Some(slot) = slots.last()
                    && self.claim(*slot, &row.key)
                {
                    slots.pop();
                }
            }
            wanted.retain(|_, slots| !slots.is_empty());
            if self.unclaimed.is_empty() || wanted.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

/// The key that a row of an earlier program would have today, if its recording is one of the plan's; proved by the row's own key.
fn unnamed_key(
    plan: &Plan,
    profile: &str,
    stems: &HashMap<String, usize>,
    row: &PlannedRow,
) -> Option<JobKey> {
    let fingerprint = &row.recording.as_ref()?.fingerprint;
    let stem = &plan.stems[*stems.get(fingerprint)?];
    let request = JobIdentity {
        operation: plan.provider.profile.operation.name,
        profile,
        recording: stem.source.recording(),
        settings: &row.settings,
        title: TitleIdentity::Default { nth: 1 },
        take: row.take,
    };
    if first_key(&request) != row.key {
        return None;
    }
    let mut settings = row.settings.clone();
    for setting in [Setting::TAGS, Setting::NEGATIVE_TAGS, Setting::MODEL] {
        let text = setting.trim(row.settings.text(setting));
        settings.set(setting, Some(text.into()));
    }
    Some(job_key(&JobIdentity {
        settings: &settings,
        ..request
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::event::RunId;
    use crate::forecast::forecast;
    use crate::job::Job;
    use crate::kept_files::OnDisk;
    use crate::ledger::Ledger;
    use crate::manifest::{LoadOptions, load};
    use crate::status::Sign;
    use crate::store::{Batch, NewRecord};

    /// When the fixture's run was.
    const NOW_MS: i64 = 1_795_893_897_739;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/fixtures")
            .join(name)
    }

    /// The project of the fixture, in a folder of its own, with the ledger that an earlier program wrote.
    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("vocals")).unwrap();
        let copies = [
            ("ledgers/first_keys/songs.yaml", "songs.yaml"),
            ("manifests/good/vocals/verse.wav", "vocals/verse.wav"),
        ];
        for (from, to) in copies {
            std::fs::copy(fixture(from), folder.path().join(to)).unwrap();
        }
        let sql = std::fs::read_to_string(fixture("ledgers/first_keys/ledger.sql")).unwrap();
        let connection = rusqlite::Connection::open(folder.path().join("ledger")).unwrap();
        connection.execute_batch(&sql).unwrap();
        folder
    }

    fn edit(folder: &Path, old: &str, new: &str) {
        let path = folder.join("songs.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{old} in {text}");
        std::fs::write(&path, text.replace(old, new)).unwrap();
    }

    /// How many jobs are recognised, and how many a run would buy.
    fn held(folder: &Path) -> (Vec<Recognized>, u64) {
        let mut plan = load(&folder.join("songs.yaml"), &LoadOptions::default())
            .unwrap()
            .plan;
        let ledger = Ledger::read(&folder.join("ledger")).unwrap();
        let mut known = ledger.jobs().unwrap();
        let recognized = recognize(&mut plan, &mut known, &ledger).unwrap();
        let forecast = forecast(&plan, &known, NOW_MS, &|_| OnDisk::AsKept);
        assert_eq!(
            forecast.count(Sign::Kept) as u64 + forecast.to_submit,
            plan.jobs.len() as u64
        );
        (recognized, forecast.to_submit)
    }

    /// Records what was recognised, as a run does.
    fn record(folder: &Path, recognized: Vec<Recognized>) {
        let mut ledger = Ledger::own(&folder.join("ledger")).unwrap();
        let mut batch = Batch::default();
        for Recognized { key, event } in recognized {
            let Step::Changed(job) = Job::default().step(0, &event) else {
                panic!("a job that nothing has happened to can be recognised");
            };
            let account = "studio:b39f8a588d02".to_owned();
            let known = KnownJob {
                job: job.into(),
                account: account.clone(),
                version: 0,
            };
            batch.jobs.insert(key, known);
            batch.events.push(NewRecord {
                at_ms: NOW_MS,
                run: RunId::from_text("later"),
                account,
                job: Some(key),
                event,
            });
        }
        ledger.append(&batch).unwrap();
        assert_eq!(ledger.check().unwrap().findings, []);
    }

    fn rename(folder: &Path) {
        std::fs::rename(
            folder.join("vocals/verse.wav"),
            folder.join("vocals/strophe.wav"),
        )
        .unwrap();
        edit(folder, "verse.wav", "strophe.wav");
        edit(folder, "calm:", "quiet:");
        edit(folder, "lofi:", "dusty:");
    }

    #[test]
    fn what_an_earlier_program_bought_is_not_bought_again() {
        let folder = project();
        let (recognized, to_submit) = held(folder.path());
        // The third job has a title of its own, and so the key that it always had.
        assert_eq!((recognized.len(), to_submit), (2, 0));
        record(folder.path(), recognized);
        assert_eq!(held(folder.path()), (Vec::new(), 0));
        rename(folder.path());
        assert_eq!(held(folder.path()), (Vec::new(), 0));
    }

    #[test]
    fn nor_when_everything_was_renamed_before_the_next_run() {
        let folder = project();
        rename(folder.path());
        let (recognized, to_submit) = held(folder.path());
        assert_eq!((recognized.len(), to_submit), (2, 0));
    }

    #[test]
    fn what_is_sent_is_still_what_a_job_is() {
        let folder = project();
        edit(folder.path(), "calm piano\n", "calm piano, strings\n");
        edit(folder.path(), "A title of its own", "Another one");
        let (recognized, to_submit) = held(folder.path());
        assert_eq!((recognized.len(), to_submit), (1, 2));
    }

    #[test]
    fn one_purchase_is_one_job() {
        let folder = project();
        edit(
            folder.path(),
            "[vocals/verse.wav]",
            "[vocals/verse.wav, {id: again, file: vocals/verse.wav}]",
        );
        // The title of the third preset is given, so its two jobs would be one.
        edit(folder.path(), "A title of its own", "{{stem.id}}, own");
        let (recognized, to_submit) = held(folder.path());
        assert_eq!((recognized.len(), to_submit), (2, 4));
    }

    #[test]
    fn a_title_that_is_written_out_is_the_one_that_nobody_gave() {
        let folder = project();
        edit(folder.path(), "calm:\n", "calm:\n    title: verse (calm)\n");
        let (recognized, to_submit) = held(folder.path());
        assert_eq!((recognized.len(), to_submit), (2, 0));
    }
}
