//! Vendors as data: addresses, limits, models, and what each answer code means. Nothing else knows a vendor's name.
//!
//! Pick one of [`Profile::sunoapi`], [`Profile::kie`] and [`Profile::studio`] and change the fields that a reseller differs in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::Refusal;
use crate::envelope::Answer;

/// What follows from an answer. Which code means which is the profile's, and stands nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerClass {
    /// This job will never be taken as it is; others may.
    RefusedJob,
    /// Nothing will be taken until someone changes the key, the address or the account.
    RefusedRun,
    /// Too fast: the same again after some seconds.
    Wait,
    /// Maintenance: the same again after some minutes.
    WaitLong,
    /// The account has no credits left.
    StopForCredits,
    /// The request never left this machine: safe to send.
    NotSent,
    /// Nobody knows whether the request was carried out.
    InDoubt,
    /// It was taken and failed.
    TaskFailed,
    /// It was taken, failed, and its credits were given back: safe to send.
    Refunded,
}

impl AnswerClass {
    /// Whether an answer of this class to a submission proves that nothing was paid for.
    pub(crate) fn refuses(self) -> bool {
        match self {
            Self::RefusedJob
            | Self::RefusedRun
            | Self::Wait
            | Self::WaitLong
            | Self::StopForCredits
            | Self::Refunded => true,
            Self::NotSent | Self::InDoubt | Self::TaskFailed => false,
        }
    }

    /// Whether a call that buys nothing may be made again after such an answer.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Wait | Self::WaitLong | Self::NotSent | Self::InDoubt => true,
            Self::RefusedJob
            | Self::RefusedRun
            | Self::StopForCredits
            | Self::TaskFailed
            | Self::Refunded => false,
        }
    }
}

/// Most requests in a sliding window; what goes over is refused, not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Most requests …
    pub count: u32,
    /// … in any window of this length.
    pub window_ms: u64,
}

/// How a task is best followed without callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polling {
    /// Wait before the first look.
    pub first_ms: u64,
    /// Wait between looks.
    pub interval_ms: u64,
    /// After this it is no use to look on in the same run; the task may still finish later.
    pub give_up_ms: u64,
}

/// How callbacks are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureScheme {
    /// They are not.
    None,
    /// `X-Webhook-Signature` over the task id and `X-Webhook-Timestamp`.
    HmacSha256,
}

/// One vendor's contract as data.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The vendor's name.
    pub name: String,
    /// Where tasks are made.
    pub base_url: Url,
    /// Where files are uploaded, with the same key.
    pub upload_url: Url,
    /// Path of the submission.
    pub submit_path: String,
    /// Path of the task details.
    pub record_info_path: String,
    /// Path of the balance.
    pub credit_path: String,
    /// Path that turns a result's address into a short-lived link, where there is one.
    pub download_link_path: Option<String>,
    /// The model to send when none is chosen.
    pub default_model: String,
    /// The models known when this was written; another name is worth a warning, never a refusal.
    pub models: Vec<String>,
    /// Most characters of a title.
    pub title_limit: usize,
    /// Characters of a title above which older pages of the documents refuse it: worth a warning.
    pub title_advice: usize,
    /// Characters of the tags above which sibling operations refuse them: worth a warning.
    pub tags_advice: usize,
    /// New tasks per account.
    pub rate: RateLimit,
    /// Most tasks at work at once per account.
    pub max_in_flight: u32,
    /// What one accepted submission costs.
    pub price_credits: f64,
    /// What each code in a body means. An unlisted code is in doubt.
    pub codes: BTreeMap<i64, AnswerClass>,
    /// What each HTTP status means where the body has no listed code. An unlisted status is in doubt.
    pub http_statuses: BTreeMap<u16, AnswerClass>,
    /// How callbacks are signed.
    pub signature: SignatureScheme,
    /// Whether the vendor promises that two submissions with one `Idempotency-Key` are one purchase.
    pub idempotency_key: bool,
    /// Whether results may lie on this machine or in its network.
    pub loopback: bool,
    /// How long results are kept, by the documents.
    pub retention_days: u32,
    /// After this an upload is made again rather than trusted to be there.
    pub upload_ttl_ms: u64,
    /// How to follow a task.
    pub polling: Polling,
}

const MINUTE_MS: u64 = 60_000;

impl Profile {
    /// `sunoapi.org`, the reference.
    pub fn sunoapi() -> Self {
        let mut codes = shared_codes();
        codes.insert(405, AnswerClass::Wait);
        codes.insert(429, AnswerClass::StopForCredits);
        // Its own word for "too fast", in the body or as the status.
        let mut http_statuses = shared_http_statuses();
        http_statuses.insert(405, AnswerClass::Wait);
        Self {
            name: "sunoapi".to_owned(),
            base_url: constant("https://api.sunoapi.org/"),
            upload_url: constant("https://sunoapiorg.redpandaai.co/"),
            submit_path: "/api/v1/generate/add-instrumental".to_owned(),
            record_info_path: "/api/v1/generate/record-info".to_owned(),
            credit_path: "/api/v1/generate/credit".to_owned(),
            download_link_path: None,
            default_model: "V4_5PLUS".to_owned(),
            models: names(&["V4_5PLUS", "V5", "V5_5", "V6", "V6_WILD", "V6_MINI"]),
            title_limit: 100,
            title_advice: 80,
            tags_advice: 1000,
            rate: RateLimit {
                count: 20,
                window_ms: 10_000,
            },
            max_in_flight: 100,
            price_credits: 12.0,
            codes,
            http_statuses,
            signature: SignatureScheme::None,
            idempotency_key: false,
            loopback: false,
            retention_days: 14,
            upload_ttl_ms: 20 * 60 * MINUTE_MS,
            polling: Polling {
                first_ms: 30_000,
                interval_ms: 30_000,
                give_up_ms: 15 * MINUTE_MS,
            },
        }
    }

    /// `kie.ai`.
    pub fn kie() -> Self {
        let mut codes = shared_codes();
        codes.insert(429, AnswerClass::Wait);
        Self {
            name: "kie".to_owned(),
            base_url: constant("https://api.kie.ai/"),
            upload_url: constant("https://kieai.redpandaai.co/"),
            credit_path: "/api/v1/chat/credit".to_owned(),
            download_link_path: Some("/api/v1/common/download-url".to_owned()),
            models: names(&["V4_5PLUS", "V5", "V5_5"]),
            codes,
            http_statuses: shared_http_statuses(),
            signature: SignatureScheme::HmacSha256,
            ..Self::sunoapi()
        }
    }

    /// A studio at `base_url`: the reference's contract on this machine, with a promise about `Idempotency-Key`.
    pub fn studio(base_url: Url) -> Self {
        Self {
            name: "studio".to_owned(),
            upload_url: base_url.clone(),
            base_url,
            idempotency_key: true,
            loopback: true,
            polling: Polling {
                first_ms: 500,
                interval_ms: 1000,
                give_up_ms: 15 * MINUTE_MS,
            },
            ..Self::sunoapi()
        }
    }

    /// Whether `model` was known when this was written.
    pub fn knows_model(&self, model: &str) -> bool {
        self.models.iter().any(|known| known == model)
    }

    /// What an answer with another code than success means: by the body's code, else by the HTTP status.
    pub(crate) fn refusal(&self, http_status: u16, answer: &Answer) -> Refusal {
        let by_code = answer.code.and_then(|code| self.codes.get(&code).copied());
        let by_status = || self.http_statuses.get(&http_status).copied();
        Refusal {
            class: by_code.or_else(by_status).unwrap_or(AnswerClass::InDoubt),
            code: answer.code.or(Some(i64::from(http_status))),
            message: answer
                .message
                .clone()
                .unwrap_or_else(|| "no reason given".to_owned()),
        }
    }

    /// What an answer without a JSON body means.
    pub(crate) fn bare_refusal(&self, http_status: u16) -> Refusal {
        Refusal {
            class: self
                .http_statuses
                .get(&http_status)
                .copied()
                .unwrap_or(AnswerClass::InDoubt),
            code: Some(i64::from(http_status)),
            message: format!("HTTP {http_status} without a JSON body"),
        }
    }
}

/// The codes that mean the same wherever they are used.
fn shared_codes() -> BTreeMap<i64, AnswerClass> {
    use AnswerClass::{
        InDoubt, Refunded, RefusedJob, RefusedRun, StopForCredits, TaskFailed, Wait, WaitLong,
    };
    BTreeMap::from([
        (400, RefusedJob),     // invalid parameters
        (401, RefusedRun),     // unauthorized
        (402, StopForCredits), // insufficient credits
        (404, RefusedRun),     // no such method or path
        (408, InDoubt),        // the upstream gave nothing for ten minutes
        (409, InDoubt),        // conflict, perhaps with this very request
        (413, RefusedJob),     // tags or prompt too long
        (422, RefusedJob),     // validation
        (430, Wait),           // called too often
        (451, RefusedJob),     // the source could not be fetched
        (455, WaitLong),       // maintenance
        (500, InDoubt),        // server error
        (501, TaskFailed),     // generation failed
        (505, RefusedRun),     // the feature is turned off
        (531, Refunded),       // failed, credits given back
    ])
}

/// Statuses whose sender did not carry the request out, whoever of the servers on the way it was. A bare 429 comes from the
/// vendor's front, which counts requests and knows nothing of credits. A moved address (301, 307, 308) was not obeyed: a
/// submission follows no redirect. A conflict (409) does not say that this request was not carried out, and everything from 500 on
/// stays in doubt.
fn shared_http_statuses() -> BTreeMap<u16, AnswerClass> {
    use AnswerClass::{RefusedJob, RefusedRun, StopForCredits, Wait, WaitLong};
    BTreeMap::from([
        (301, RefusedRun),
        (307, RefusedRun),
        (308, RefusedRun),
        (400, RefusedJob),
        (401, RefusedRun),
        (402, StopForCredits),
        (403, RefusedRun),
        (404, RefusedRun),
        (405, RefusedRun),
        (407, RefusedRun),
        (410, RefusedRun),
        (411, RefusedRun),
        (413, RefusedJob),
        (414, RefusedJob),
        (415, RefusedRun),
        (422, RefusedJob),
        (429, Wait),
        (430, Wait),
        (431, RefusedRun),
        (451, RefusedJob),
        (455, WaitLong),
    ])
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn constant(url: &str) -> Url {
    Url::parse(url).expect("the addresses written in this file are valid")
}
