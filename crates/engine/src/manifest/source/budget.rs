//! How much a manifest may become. A megabyte of YAML can mean gigabytes: a long text that a thousand presets inherit, a list that a
//! thousand rows share, a sweep of long texts. Whatever multiplies is counted here before it is made.

/// Most bytes that a manifest's values take once they are multiplied: 100,000 jobs with 2.5 KB of texts each.
pub(crate) const MAX_PLAN_BYTES: usize = 256 << 20;

/// What is left of [`MAX_PLAN_BYTES`].
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: MAX_PLAN_BYTES,
        }
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
    /// Takes so many bytes, if they are there.
    pub(crate) fn take(&mut self, bytes: usize) -> Taken {
        match self.left.checked_sub(bytes) {
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
