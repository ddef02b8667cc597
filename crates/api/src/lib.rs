//! The Add Instrumental contract: requests, responses, and the meaning of each response.
//!
//! Without features this crate is plain data and pure functions, used by the client and by the server: requests
//! ([`SubmitRequest`]), responses ([`Envelope`], [`Profile::read_submit_response`]), task details ([`RecordInfo`]), callbacks
//! ([`read_callback`], [`CallbackBody`]) and vendors as data ([`Profile`]). Reading is lenient, because vendors differ from
//! their documents; writing is strict.
//!
//! * `client` adds `Client`, which makes the calls over HTTP. It never repeats a submission, and it distinguishes "nothing
//!   was sent" from "it may have been bought".
//! * `webhook` adds `verify_signature` for signed callbacks.
//!
//! ```text
//!   engine ── SubmitRequest ──► Client ──► vendor or studio
//!          ◄─ SubmitOutcome ──         ◄── Envelope<Submitted>
//!          ◄──── TaskView  ◄── RecordInfo::view, read_callback ◄── bytes
//!          ── StepRequest ──► Client;  StepView ◄── Operation::read_step_details, read_step_callback ◄── bytes
//! ```
//!
//! The crate decides nothing about retries, pacing or money; it only reports what a response means.

#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test that unwraps says where it failed"
    )
)]

mod addresses;
mod callback;
mod class;
#[cfg(feature = "client")]
mod client;
mod codes;
mod credits;
mod envelope;
mod excerpt;
#[cfg(test)]
mod golden;
mod hex;
mod json;
mod key;
mod lenient;
mod music;
mod notes;
mod operation;
mod profile;
mod record_info;
mod redact;
mod settings;
mod steps;
mod submit;
mod task;
mod track;
#[cfg(feature = "client")]
mod unpack;
mod upload;
#[cfg(feature = "webhook")]
mod webhook;
mod weight;

pub use addresses::{is_loopback_address, is_private_address, is_public};
pub use callback::{
    CALLBACK_LIMIT_BYTES, Callback, CallbackBody, CallbackError, CallbackKind, read_callback,
    read_callback_task,
};
pub use class::ResponseClass;
#[cfg(feature = "client")]
pub use client::{
    AccountState, CallError, CallErrorKind, Client, ClientError, ClientOptions, Download,
    LeastRate, Partial, PostError, Posted, Proxies, Sent, SubmitOutcome, Tape, TapeError,
    UploadName, UploadSource, WebhookClient, lacks_descriptor,
};
pub use codes::{ApiCall, CodeTable, CodeTables};
pub use credits::{Credits, read_credits};
pub use envelope::{Envelope, Refusal};
pub use excerpt::Excerpt;
pub use hex::hex;
pub use key::{ApiKey, InvalidKey};
pub use music::{Chord, Confidence, Music};
pub use notes::{NoteTrack, Notes, TranscribedNote};
pub use operation::{Input, Operation, Price, Repeat, Results, StatusForm, SubmitRequest};
pub use profile::{Polling, PrivateAddresses, Profile, RateLimit, SignatureScheme};
pub use record_info::{RecordInfo, TaskStatus};
#[cfg(feature = "client")]
pub(crate) use redact::redact_addresses;
pub use redact::{mask_addresses, redact_text, redact_url};
pub use settings::{
    ChoiceError, Choices, SETTING_LIMIT_BYTES, SETTINGS, Setting, SettingDefault, SettingError,
    SettingKind, SettingProblem, SettingRow, SettingValue, Settings,
};
pub use steps::{
    Artefact, Content, RECOVERY, Source, StepCallback, StepRequest, StepView, WrongSource,
};
pub use submit::{SubmitResponse, Submitted};
pub use task::{MissingTrack, Stage, TaskId, TaskView};
pub use track::Track;
pub use upload::{UploadResponse, Uploaded};
#[cfg(feature = "webhook")]
pub use webhook::{SignatureError, verify_signature};
pub use weight::{Weight, WeightError};
