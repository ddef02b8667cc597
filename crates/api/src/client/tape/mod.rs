//! Records a provider's responses, and replays recorded ones without a network.
//!
//! ```text
//!  client ──request──► Tape ──► provider          record: the response is copied as it is read
//!         ◄─response──      ◄──
//!  client ──request──► Tape                       replay: the recorded response, in the recorded order
//! ```
//!
//! A recording is a folder: `tape.jsonl`, one exchange a line after a head line with the format's version, and `bodies/` with what
//! is not text. An exchange is found by its call: a submission by its settings (without the addresses of the source and of the
//! callback, which differ each time), task details by the task, a file by its address without the query.
//!
//! A recording contains no secret: of requests only hashes are recorded, of responses only harmless headers, and in bodies the key,
//! the attempts' tokens and every query of an address are removed.

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

/// A recording of a provider's responses, being made or being replayed.
#[derive(Debug, Clone)]
pub struct Tape(Mode);

#[derive(Debug, Clone)]
enum Mode {
    Record(Arc<Recorder>),
    Replay(Arc<Player>),
}

impl Tape {
    /// Starts a recording in `folder`, which must be empty or missing.
    ///
    /// # Errors
    /// If it is not empty, or can't be written.
    pub fn record(folder: &Path) -> Result<Self, TapeError> {
        Ok(Self(Mode::Record(Arc::new(Recorder::create(folder)?))))
    }

    /// Opens the recording in `folder` at its beginning.
    ///
    /// # Errors
    /// If it can't be read, or is no recording of this version.
    pub fn replay(folder: &Path) -> Result<Self, TapeError> {
        Ok(Self(Mode::Replay(Arc::new(Player::open(folder)?))))
    }

    /// Whether it replays responses, and nothing leaves this machine.
    pub fn replays(&self) -> bool {
        matches!(self.0, Mode::Replay(_))
    }

    /// Why the recording is not complete, if something could not be written.
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
    ) -> Result<Response, SendError> {
        let recorder = match &self.0 {
            Mode::Replay(player) => return player.respond(&call),
            Mode::Record(recorder) => recorder,
        };
        match response::send(request).await {
            Ok(response) => Ok(recorder.record_response(call, response)),
            Err(error) => {
                recorder.record_failure(call, &error);
                Err(SendError::Http(error))
            }
        }
    }
}
