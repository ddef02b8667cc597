//! What the seeds of the simulation showed.

/// How often hooks did what the promises are about: a check that never sees it proves nothing.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) vetoed: u64,
    /// Jobs that hooks delayed.
    pub(super) delayed: u64,
    /// Jobs that an earlier run submitted, in another place of its plan.
    pub(super) found: u64,
    /// Tasks that ended with fewer tracks than they showed.
    pub(super) partial: u64,
    /// Tasks that were reported as over before their tracks came, and are complete.
    pub(super) early: u64,
    /// Tasks without usable ids whose tracks are kept.
    pub(super) nameless: u64,
    /// Tasks whose first addresses serve nothing, and whose tracks are kept.
    pub(super) sources: u64,
    /// Claims that the provider's details confirmed, and such that were not believed.
    pub(super) confirmed: u64,
    pub(super) rejected: u64,
    /// Kept files that were gone when a run began.
    pub(super) deleted: u64,
    /// Tasks that a refusal named, and steps without what they process.
    pub(super) adopted: u64,
    pub(super) inputs: u64,
    /// Steps whose results are kept.
    pub(super) stepped: u64,
    /// Recoveries that have handed over what they brought.
    pub(super) recovered: u64,
    /// What the store refused because of rivals, and the tasks of jobs that they had changed.
    pub(super) refused: [u64; 3],
    pub(super) strays: u64,
}

impl Seen {
    /// All of them.
    pub(super) fn counts(&self) -> [u64; 18] {
        let [conflicts, too_early, not_covered] = self.refused;
        [
            self.vetoed,
            self.delayed,
            self.found,
            self.partial,
            self.early,
            self.nameless,
            self.sources,
            self.confirmed,
            self.rejected,
            self.deleted,
            self.adopted,
            self.inputs,
            self.stepped,
            self.recovered,
            conflicts,
            too_early,
            not_covered,
            self.strays,
        ]
    }
}
