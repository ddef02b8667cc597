//! Vendors as data: addresses, limits, models, and the meaning of each response code. No other module knows a vendor's name.
//!
//! Start from [`Profile::sunoapi`], [`Profile::kie`] or [`Profile::studio`] and change the fields in which a reseller differs.

use url::Url;

use crate::{
    ApiCall, Choices, CodeTable, CodeTables, Operation, Price, Repeat, ResponseClass, Setting,
};

/// The rate limit: most requests in a sliding window. A request beyond it is refused, not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Most requests …
    pub count: u32,
    /// … in any window of this length.
    pub window_ms: u64,
}

/// How to poll a task when there are no callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polling {
    /// Wait before the first request for details.
    pub first_ms: u64,
    /// Wait between two requests.
    pub interval_ms: u64,
    /// A run stops polling after this time; the task may still finish later.
    pub give_up_ms: u64,
    /// Most requests at the same time; a run uses as many as its tasks need.
    pub at_once: u32,
}

/// How callbacks are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureScheme {
    /// They are not signed.
    None,
    /// `X-Webhook-Signature` over the task id and `X-Webhook-Timestamp`.
    HmacSha256,
}

/// The private addresses that a provider and its results may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// No private addresses.
    Refused,
    /// The addresses of these hosts: names, or literal addresses as a URL writes them.
    Hosts(Vec<String>),
    /// All private addresses.
    Allowed,
}

impl PrivateAddresses {
    /// Whether `host` may have a private address.
    pub fn allows(&self, host: &str) -> bool {
        let bare = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
        match self {
            Self::Refused => false,
            Self::Hosts(hosts) => hosts.iter().any(|named| bare(named) == bare(host)),
            Self::Allowed => true,
        }
    }
}

/// The contract of one vendor as data.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The vendor's name.
    pub name: String,
    /// Base address of the API.
    pub base_url: Url,
    /// Address of the upload host; it takes the same key.
    pub upload_url: Url,
    /// The song operation.
    pub operation: Operation,
    /// The steps: operations on the results of songs.
    pub steps: Vec<Operation>,
    /// Path of the balance request.
    pub credit_path: String,
    /// Path that turns a result's address into a short-lived link, if the vendor has one.
    pub download_link_path: Option<String>,
    /// The model that is sent if the manifest names none.
    pub default_model: String,
    /// The models known when this was written. Another name gets a warning, never a refusal.
    pub models: Vec<String>,
    /// Rate limit for new tasks of an account.
    pub rate: RateLimit,
    /// Most running tasks of an account.
    pub max_in_flight: u32,
    /// The code tables of the calls that do not depend on an operation.
    pub codes: CodeTables,
    /// How callbacks are signed.
    pub signature: SignatureScheme,
    /// Whether the vendor guarantees that two submissions with one `Idempotency-Key` are one purchase.
    pub idempotency_key: bool,
    /// Whether the provider runs on this machine; its results may then lie there too.
    pub loopback: bool,
    /// The private addresses that are allowed.
    pub allow_private: PrivateAddresses,
    /// How long results are kept, in days, according to the documents.
    pub retention_days: u32,
    /// How long an upload is trusted to exist; after this time it is uploaded again.
    pub upload_ttl_ms: u64,
    /// How to follow a task.
    pub polling: Polling,
    /// Most files that are downloaded at the same time.
    pub downloads_at_once: u32,
}

const MINUTE_MS: u64 = 60_000;

/// 50,000 tasks that are polled every 30 s make 1,667 requests a second. 512 requests at once allow the vendor 300 ms for each.
/// The number is below 1,024, the limit of open files of a process on many systems.
const DETAILS_CALLS_AT_ONCE: u32 = 512;

/// A file of 5 MB takes some seconds. A hundred tasks in flight produce 1.5 files a second.
const DOWNLOADS_AT_ONCE: u32 = 8;

impl Profile {
    /// The vendors' profiles by name.
    pub const NAMED: [&'static str; 2] = ["sunoapi", "kie"];

    /// The vendor's profile with that name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = [Self::sunoapi, Self::kie].into_iter().map(|make| make());
        all.find(|profile| profile.name == name)
    }

    /// The same vendor's profile for its route with one path for all operations; `None` if the vendor has no such route.
    pub fn by_jobs(name: &str) -> Option<Self> {
        Some(Self::kie_jobs()).filter(|profile| profile.name == name)
    }

    /// `sunoapi.org`, the reference.
    pub fn sunoapi() -> Self {
        let mut profile = Self {
            name: "sunoapi".to_owned(),
            base_url: constant("https://api.sunoapi.org/"),
            upload_url: constant("https://sunoapiorg.redpandaai.co/"),
            operation: Operation::add_instrumental(),
            steps: vec![
                Operation {
                    retention_days: Some(15),
                    ..Operation::wav()
                },
                Operation::stems(),
                Operation::midi(),
                Operation::recovery(),
            ],
            credit_path: "/api/v1/generate/credit".to_owned(),
            download_link_path: None,
            // The vendor's own default is V6 now. The model is part of a job's key, so another default here would buy every job
            // again whose manifest names no model.
            default_model: "V4_5PLUS".to_owned(),
            models: names(&[
                "V4_5PLUS", "V5", "V5_5", "V6", "V6_WILD", "V6_MINI", "V4_5ALL", "V4_5", "V4",
            ]),
            rate: RateLimit {
                count: 20,
                window_ms: 10_000,
            },
            max_in_flight: 100,
            codes: CodeTables::shared(),
            signature: SignatureScheme::None,
            idempotency_key: false,
            loopback: false,
            allow_private: PrivateAddresses::Refused,
            retention_days: 14,
            upload_ttl_ms: 20 * 60 * MINUTE_MS,
            polling: Polling {
                first_ms: 30_000,
                interval_ms: 30_000,
                give_up_ms: 15 * MINUTE_MS,
                at_once: DETAILS_CALLS_AT_ONCE,
            },
            downloads_at_once: DOWNLOADS_AT_ONCE,
        };
        // In a body, 405 is the rate limit, and 429 to a submission means "insufficient credits" (both documented).
        for call in ApiCall::ALL {
            profile.set_code(call, 405, ResponseClass::Wait);
        }
        profile.set_code(ApiCall::Submit, 429, ResponseClass::StopForCredits);
        profile
    }

    /// The contract of the reference vendor at another address.
    pub fn custom(base_url: Url) -> Self {
        let mut profile = Self {
            name: "custom".to_owned(),
            upload_url: base_url.clone(),
            base_url,
            ..Self::sunoapi()
        };
        // It is not known how a reseller treats a repeat.
        for step in &mut profile.steps {
            step.repeat = Repeat::Unknown;
        }
        profile
    }

    /// `kie.ai`.
    pub fn kie() -> Self {
        Self {
            name: "kie".to_owned(),
            base_url: constant("https://api.kie.ai/"),
            upload_url: constant("https://kieai.redpandaai.co/"),
            credit_path: "/api/v1/chat/credit".to_owned(),
            download_link_path: Some("/api/v1/common/download-url".to_owned()),
            // This route refuses V6 and its variants with 422 (observed).
            models: names(&["V4_5PLUS", "V5", "V5_5"]),
            // 429 is the rate limit for every call (documented).
            codes: CodeTables::shared(),
            operation: Operation {
                advised_chars: vec![
                    (Setting::TITLE, 80),
                    (Setting::TAGS, 1000),
                    // Documented limit.
                    (Setting::NEGATIVE_TAGS, 200),
                ],
                // The vendor's pages do not list these settings.
                undocumented: vec![
                    const { Setting::of("lyrics") },
                    const { Setting::of("variety") },
                ],
                ..Operation::add_instrumental()
            },
            steps: vec![
                Operation::wav(),
                Operation::stems(),
                Operation::midi(),
                Operation::recovery_in_snake_case(),
            ],
            signature: SignatureScheme::HmacSha256,
            ..Self::sunoapi()
        }
    }

    /// `kie.ai` on its newer route: one path for all operations, and the newest models. It contains only what was measured
    /// there.
    pub fn kie_jobs() -> Self {
        let listed = ["title", "tags", "negative_tags", "model"];
        let undocumented = Setting::all().filter(|it| !listed.contains(&it.name));
        Self {
            operation: Operation {
                undocumented: undocumented.collect(),
                advised_chars: Self::kie().operation.advised_chars,
                ..Operation::add_instrumental_job()
            },
            steps: vec![Operation::wav_job()],
            default_model: "V6".to_owned(),
            models: names(&["V6", "V6_WILD", "V6_MINI", "V5_5", "V5", "V4_5PLUS"]),
            ..Self::kie()
        }
    }

    /// A studio at `base_url`: the contract of the reference vendor on this machine, with a guarantee about `Idempotency-Key`.
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
                at_once: DETAILS_CALLS_AT_ONCE,
            },
            ..Self::sunoapi()
        }
    }

    /// All operations: the song operation, then the steps.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        std::iter::once(&self.operation).chain(&self.steps)
    }

    /// The step with that name.
    pub fn step(&self, name: &str) -> Option<&Operation> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The price of a song in credits; 0 if it is not known.
    pub fn song_price_credits(&self) -> f64 {
        let choices = Choices::default();
        self.operation.price.of(&choices).unwrap_or_default()
    }

    /// Makes every operation free, as in a studio of one's own.
    pub fn without_prices(mut self) -> Self {
        for operation in std::iter::once(&mut self.operation).chain(&mut self.steps) {
            operation.price = Price::Each(0.0);
        }
        self
    }

    /// The code table of `call`. For a call whose table depends on the operation, the table of songs.
    pub fn codes(&self, call: ApiCall) -> &CodeTable {
        match call {
            ApiCall::Submit => &self.operation.submit_codes,
            ApiCall::Details => &self.operation.details_codes,
            ApiCall::Credits => &self.codes.credits,
            ApiCall::Upload => &self.codes.upload,
            ApiCall::Download => &self.codes.download,
        }
    }

    /// Maps `code` to `class` for `call`, for every operation.
    pub fn set_code(&mut self, call: ApiCall, code: i64, class: ResponseClass) {
        let operations = std::iter::once(&mut self.operation).chain(&mut self.steps);
        let tables: Vec<&mut CodeTable> = match call {
            ApiCall::Submit => operations.map(|it| &mut it.submit_codes).collect(),
            ApiCall::Details => operations.map(|it| &mut it.details_codes).collect(),
            ApiCall::Credits => vec![&mut self.codes.credits],
            ApiCall::Upload => vec![&mut self.codes.upload],
            ApiCall::Download => vec![&mut self.codes.download],
        };
        for table in tables {
            table.codes.insert(code, class);
        }
    }

    /// The codes by which the provider reports that it can't fetch a recording.
    pub fn source_gone(&self) -> Vec<i64> {
        let codes = self.operation.submit_codes.codes.iter();
        codes
            .filter(|(_, class)| **class == ResponseClass::SourceGone)
            .map(|(code, _)| *code)
            .collect()
    }

    /// Whether `model` was known when this was written.
    pub fn knows_model(&self, model: &str) -> bool {
        self.models.iter().any(|known| known == model)
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn constant(url: &str) -> Url {
    Url::parse(url).expect("the addresses written in this file are valid")
}
