//! Records a provider's responses, and replays recorded ones without a network.
//!
//! ```text
//!  client ──request──► Tape ──► provider          record: the response is copied as it is read
//!         ◄─response──      ◄──
//!  client ──request──► Tape                       replay: the recorded response, in the recorded order
//! ```
//!
//! A tape is a folder with `tape.jsonl` (a head line with the format's version, then one exchange a line) and `bodies/` (bodies
//! that are not text). An exchange is found by its call: a submission by its settings (without the addresses of the source and
//! of the callback, which differ each time), task details by the task, a file by its address without the query.
//!
//! A tape contains no secret. It stores hashes of requests and only harmless headers of responses. It removes the key, the
//! attempts' tokens and the queries of addresses from bodies.

mod error;
mod exchange;
mod record;
mod replay;

use std::path::Path;
use std::sync::Arc;

use reqwest::{RequestBuilder, Response};

pub(super) use self::error::SendError;
pub use self::error::TapeError;
pub(super) use self::exchange::SUBMISSION;
use self::record::Recorder;
use self::replay::Player;
use super::response;
use super::watched::WatchedBody;

/// A tape of a provider's responses that is recorded or replayed.
#[derive(Debug, Clone)]
pub struct Tape(Mode);

#[derive(Debug, Clone)]
enum Mode {
    Record(Arc<Recorder>),
    Replay(Arc<Player>),
}

impl Tape {
    /// Starts a tape in `folder`, which must be empty or missing.
    ///
    /// # Errors
    /// If it is not empty, or can't be written.
    pub fn record(folder: &Path) -> Result<Self, TapeError> {
        Ok(Self(Mode::Record(Arc::new(Recorder::create(folder)?))))
    }

    /// Opens the tape in `folder` at its beginning.
    ///
    /// # Errors
    /// If it can't be read, or is not a tape of this version.
    pub fn replay(folder: &Path) -> Result<Self, TapeError> {
        Ok(Self(Mode::Replay(Arc::new(Player::open(folder)?))))
    }

    /// Whether the tape is replayed; then nothing leaves this machine.
    pub fn replays(&self) -> bool {
        matches!(self.0, Mode::Replay(_))
    }

    /// Why the recording is incomplete, if a write failed.
    pub fn failure(&self) -> Option<String> {
        match &self.0 {
            Mode::Record(recorder) => recorder.failure(),
            Mode::Replay(_) => None,
        }
    }

    /// Removes `secret` from everything that is recorded from now on.
    pub(super) fn hide(&self, secret: &str) {
        if let Mode::Record(recorder) = &self.0
            && !secret.is_empty()
        {
            recorder.hide(secret);
        }
    }

    /// Sends a request and records its response, or replays the recorded one.
    pub(super) async fn send(
        &self,
        call: String,
        request: RequestBuilder,
        body: Option<&WatchedBody>,
    ) -> Result<Response, SendError> {
        let recorder = match &self.0 {
            Mode::Replay(player) => return player.respond(&call),
            Mode::Record(recorder) => recorder,
        };
        match response::send(request, body).await {
            Ok(response) => Ok(recorder.record_response(call, response)),
            Err(error) => {
                recorder.record_failure(call, &error);
                Err(SendError::Http(error))
            }
        }
    }
}
