//! What the balances show about jobs in doubt, in words.

use backline_engine::evidence::Evidence;

use crate::text::{count, figure, rfc3339};

/// One line for each run that was charged more than it knows of, or that nothing was charged; empty where the balances show nothing.
pub fn evidence_text(evidence: &Evidence) -> String {
    let line = |run: &backline_engine::evidence::Charged| {
        let since = rfc3339(run.started_ms).unwrap_or_default();
        let which = match run.jobs {
            1 => "the job in doubt since then was probably bought".to_owned(),
            jobs => format!(
                "some of the {} in doubt since then were bought",
                count(jobs, "job")
            ),
        };
        format!(
            "During the run of {since} the balance fell by {} credits more than its known purchases cost: {which}, unless the account \
             is used elsewhere.\n",
            figure(run.credits)
        )
    };
    if evidence.uncharged {
        return "The balance fell by no more than the known purchases cost: there is no sign that these jobs were bought.\n".to_owned();
    }
    evidence.charged.iter().map(line).collect()
}
