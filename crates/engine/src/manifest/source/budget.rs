//! How much a manifest may become. A megabyte of YAML can mean gigabytes: a long text that a thousand presets inherit, a list that a
//! thousand rows share, a sweep of long texts. Whatever multiplies is counted here before it is made.

/// Most jobs of one plan unless the user allows more.
pub const DEFAULT_MAX_JOBS: u64 = 100_000;

/// Most bytes that a manifest's values take once they are multiplied, with as many jobs as are allowed unless the user says otherwise:
/// 2.6 KB of texts for each.
const DEFAULT_MAX_PLAN_BYTES: u64 = 256 << 20;

/// Most jobs whose texts are allowed, however many jobs are: a plan of so many takes all the memory of a large machine.
const MOST_JOBS: u64 = 10_000_000;

/// How many bytes a manifest may still become.
#[derive(Debug)]
pub(crate) struct Budget {
    most: u64,
    left: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self::for_jobs(DEFAULT_MAX_JOBS)
    }
}

/// What taking from a [`Budget`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// There was enough.
    Enough,
    /// This was the first time that there was not.
    Exceeded,
    /// There was not enough before.
    Empty,
}

impl Budget {
    /// The texts of a plan that may have so many jobs: those of 100,000 at least, of 10 million at most.
    pub(crate) fn for_jobs(max_jobs: u64) -> Self {
        let jobs = max_jobs.clamp(DEFAULT_MAX_JOBS, MOST_JOBS);
        let most = DEFAULT_MAX_PLAN_BYTES * jobs / DEFAULT_MAX_JOBS;
        Self { most, left: most }
    }

    /// The whole of it.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// Takes so many bytes, if they are there.
    pub(crate) fn take(&mut self, bytes: usize) -> Taken {
        match self.left.checked_sub(bytes as u64) {
            Some(left) if self.left > 0 => {
                self.left = left;
                Taken::Enough
            }
            _ if self.left == 0 => Taken::Empty,
            _ => {
                self.left = 0;
                Taken::Exceeded
            }
        }
    }
}
