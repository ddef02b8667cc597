//! Songs of the model whose files the vendor deletes, and what their recoveries leave.

use super::vendor::ModelTask;
use super::*;

impl World {
    /// Deletes the files of some of the songs that are finished.
    pub(super) fn delete_files(&mut self) {
        let finished = self.vendor.tasks.iter().filter(|(_, task)| {
            Kind::of(&task.job) == Kind::Song && self.now >= task.early_end_until
        });
        let finished: Vec<String> = finished.map(|(id, _)| id.clone()).collect();
        for id in finished {
            if self.dice.chance(15) {
                self.vendor.gone.insert(id);
            }
        }
    }

    /// Whether what a task made was brought back, every file of it.
    pub(super) fn is_recovered(&self, id: &str) -> bool {
        let recoveries = self.vendor.recovers.iter().filter(|(_, task)| *task == id);
        let mut jobs = recoveries.filter_map(|(key, _)| self.jobs.get(key));
        jobs.any(|known| matches!(known.job.phase, Phase::Kept(_)))
    }

    /// A followed recovery that is over has handed over every file, and nothing is kept as its own.
    pub(super) fn check_recovery(
        seed: u64,
        (id, task): (&str, &ModelTask),
        job: &Job,
        seen: &mut Seen,
    ) {
        let Some(known) = job.task().filter(|known| known.id.as_str() == id) else {
            return;
        };
        let tracks = known.tracks.len();
        let is_handed_over =
            |track: &crate::job::Track| track.kept.is_none() && track.handed_over == [Part::Track];
        if task.fails.is_none() {
            assert_eq!(tracks, task.makes, "seed {seed}: {id}");
            assert!(
                known.tracks.iter().all(is_handed_over),
                "seed {seed}: {id}: {:?}",
                job.phase
            );
            seen.recovered += 1;
        }
    }
}
