//! What a run is begun with: the account, the bounds, and the jobs as earlier runs left them.

use std::collections::{HashMap, HashSet};

use backline_api::{ApiKey, Credits, Operation, Repeat, Tape};

use super::Run;
use crate::conductor::{Offer, Resend, ResumedInput, ResumedJob, RunConfig, SONG, StemId, Timing};
use crate::event::{HookPoint, Verdict};
use crate::forecast::{Forecast, JobForecast, is_expired};
use crate::plan::{Plan, PlannedJob, fingerprint};
use crate::settings::JobKey;
use crate::store::{KnownJob, RunHeader, Store, StoreError};

/// Few enough that a commit is small in memory, many enough that a large album takes few commits: each waits for the disk.
const RECORDS_AT_ONCE: usize = 10_000;

/// The account that a key is for: the provider's name and a fingerprint of its address and the key. An account that the ledger
/// knows keeps the name that it has there, so that a provider that was renamed has the same account, rate limit and tasks.
///
/// # Errors
/// When the ledger can't be read.
pub fn account(plan: &Plan, key: &ApiKey, store: &dyn Store) -> Result<String, StoreError> {
    let provider = &plan.provider;
    let identity = format!("{}\n{}", provider.address(), key.fingerprint());
    let fingerprint = fingerprint(&identity);
    let is_same = |account: &str| {
        account
            .rsplit_once(':')
            .is_some_and(|(_, theirs)| theirs == fingerprint)
    };
    let mut runs = store.runs()?.into_iter();
    let known = runs.find(|run| is_same(&run.account));
    Ok(match known {
        Some(run) => run.account,
        None => format!("{}:{fingerprint}", provider.profile.name),
    })
}

/// What the ledger's jobs have cost so far, and what is reserved for those that are not of this plan; the plan's own
/// reservations are the conductor's.
pub(super) fn spent_before(own: &HashSet<JobKey>, known: &HashMap<JobKey, KnownJob>) -> Credits {
    let cost = |(key, known): (&JobKey, &KnownJob)| {
        let reserved = if own.contains(key) {
            Credits::ZERO
        } else {
            known.job.reserved
        };
        known.job.credits + reserved
    };
    known.iter().map(cost).sum()
}

/// What the jobs of a plan buy: the song first, then every step at each of its prices. Returns the place of each job's offer as well.
pub(super) fn offers(plan: &Plan) -> (Vec<Offer>, Vec<usize>) {
    let profile = &plan.provider.profile;
    let offer = |operation: &Operation, price| Offer {
        price,
        tracks: operation.tracks as usize,
        resend: match operation.repeat {
            _ if profile.idempotency_key => Resend::Always,
            Repeat::Refused => Resend::Once,
            Repeat::ChargedAgain | Repeat::Unknown => Resend::Never,
        },
        input: operation.input,
    };
    let mut offers = vec![offer(
        &profile.operation,
        profile.song_price_credits().into(),
    )];
    let mut steps: Vec<(&str, Credits)> = vec![("", Credits::ZERO)];
    let mut of_job = |job: &PlannedJob| {
        let Some(step) = &job.step else {
            return SONG;
        };
        let wanted = (&*step.operation, plan.price_credits(job).into());
        let known = steps.iter().position(|it| it == &wanted);
        known.unwrap_or_else(|| {
            let operation = plan.operation(job);
            offers.push(offer(operation, wanted.1));
            steps.push((operation.name, wanted.1));
            offers.len() - 1
        })
    };
    let of_jobs = plan.jobs.iter().map(&mut of_job).collect();
    (offers, of_jobs)
}

/// `elsewhere` has the account of each job that was bought with another one, `versions` the version of each that the ledger has.
pub(super) fn resumed(
    plan: &Plan,
    forecast: Forecast,
    offers: Vec<usize>,
    elsewhere: &HashMap<JobKey, String>,
    versions: &HashMap<JobKey, u64>,
    now_ms: i64,
) -> Vec<ResumedJob> {
    let retention_days = plan.provider.profile.retention_days;
    let stems = plan.stems.iter().map(|stem| StemId::from(stem.id.as_str()));
    let stems: Vec<StemId> = stems.collect();
    let resumed = |((job, row), offer): ((&PlannedJob, JobForecast), usize)| ResumedJob {
        key: job.key,
        refusal: job.refusal.clone().map(Verdict::from),
        input: match &job.step {
            None => ResumedInput::Stem(stems[job.stem].clone()),
            Some(step) => ResumedInput::Step {
                parent: step.parent,
                track: step.track,
            },
        },
        offer,
        selected: job.selected,
        buys: job.selected && plan.purchases.include(job),
        elsewhere: elsewhere.get(&job.key).cloned(),
        expired: is_expired(&row.job, now_ms, retention_days),
        job: row.job,
        version: versions.get(&job.key).copied().unwrap_or(0),
        missing: row.missing,
    };
    let rows = plan.jobs.iter().zip(forecast.rows);
    rows.zip(offers).map(resumed).collect()
}

pub(super) fn config(
    run: &Run,
    header: &RunHeader,
    offers: Vec<Offer>,
    spent_before: Credits,
    now_ms: i64,
    hears_callbacks: bool,
) -> RunConfig {
    let profile = &run.plan.provider.profile;
    let poll_ms = i64::try_from(profile.polling.interval_ms).unwrap_or(30_000);
    let mut timing = if profile.loopback {
        Timing::local(poll_ms)
    } else {
        Timing::remote(poll_ms)
    };
    timing.first_poll_ms = i64::try_from(profile.polling.first_ms).unwrap_or(poll_ms);
    timing.follow_ms = i64::try_from(profile.polling.give_up_ms).unwrap_or(timing.follow_ms);
    if run.tape.as_ref().is_some_and(Tape::replays) {
        timing = Timing::replayed();
    }
    let limits = &run.plan.limits;
    RunConfig {
        run: header.id.clone(),
        account: header.account.clone(),
        rate: limits.rate,
        concurrency: limits.concurrency as usize,
        hooks_before_upload: run.plan.hooks.has(HookPoint::BeforeUpload),
        hooks_before_submit: run.plan.hooks.has(HookPoint::BeforeSubmit),
        credits: limits.credits.map(Credits::from),
        ledger_credits: limits.ledger_credits.map(Credits::from),
        spent_before,
        offers,
        deadline_ms: limits
            .deadline_ms
            .map(|limit| now_ms.saturating_add_unsigned(limit)),
        failures_in_a_row: limits.failures_in_a_row,
        retries: run.plan.retries.task_failed,
        hears_callbacks,
        upload_ttl_ms: i64::try_from(profile.upload_ttl_ms).unwrap_or(i64::MAX),
        polls_at_once: profile.polling.at_once as usize,
        downloads_at_once: profile.downloads_at_once as usize,
        records_at_once: RECORDS_AT_ONCE,
        source_gone: profile.source_gone(),
        timing,
        is_shared: run.shared.is_some(),
    }
}
