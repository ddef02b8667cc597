//! Describes what the balances show about jobs in doubt and refused requests.

use backline_engine::evidence::{Charged, Evidence};

use crate::text::{count, figure, rfc3339};

/// One line for each period in which more was charged than the known purchases cost. If there is none, a line that says so;
/// empty if the balances show nothing.
pub fn evidence_text(evidence: &Evidence) -> String {
    if evidence.uncharged {
        return "The balance fell by no more than the known purchases cost: there is no sign that these jobs were bought.\n".to_owned();
    }
    evidence.charged.iter().map(line).collect()
}

fn line(charged: &Charged) -> String {
    let since = rfc3339(charged.started_ms).unwrap_or_default();
    // More was charged than the jobs in doubt cost, so the rest was charged for something else.
    let more = charged.credits > charged.doubtful + 0.5;
    let what = match (charged.jobs, more) {
        (0, _) => {
            "the provider charged for requests that it refused or whose tasks failed".to_owned()
        }
        (1, false) => "the job in doubt since then was probably bought".to_owned(),
        (jobs, false) => format!(
            "some of the {} in doubt since then were bought",
            count(jobs, "job")
        ),
        (jobs, true) => format!(
            "the provider charged for more than the {} in doubt since then: also for requests that it refused or whose tasks failed",
            count(jobs, "job")
        ),
    };
    format!(
        "Since the run of {since} began the balance fell by {} credits more than the known purchases cost: {what}, unless the account \
         is used elsewhere.\n",
        figure(charged.credits)
    )
}
