//! Records a tape.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderName, LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::{Body, Response};
use serde_json::Value;

use super::error::TapeError;
use super::exchange::{BODIES, End, Exchange, Head, LINES, StoredBody, VERSION, digest};
use crate::client::response;
use crate::redact::hide_secret;
use crate::redact_addresses;

/// Longest body that is stored in a line. A longer body, or one that is not UTF-8, gets a file.
const LINE_LIMIT_BYTES: usize = 1024 * 1024;

/// Response headers that matter to a reader and contain no secret.
const HEADERS: [HeaderName; 7] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    RETRY_AFTER,
    DATE,
    // Resuming a download needs these.
    ETAG,
    LAST_MODIFIED,
];

/// A tape that is being recorded.
#[derive(Debug)]
pub(super) struct Recorder {
    folder: PathBuf,
    body_dir: Dir,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lines: File,
    bodies: u32,
    secrets: Vec<String>,
    failed: Option<String>,
}

impl Recorder {
    /// Starts a tape in `folder`, which must be empty or missing.
    pub(super) fn create(folder: &Path) -> Result<Self, TapeError> {
        let io = |operation, source| TapeError::Io {
            operation,
            path: folder.display().to_string(),
            source,
        };
        make(&folder.join(BODIES)).map_err(|error| io("make", error))?;
        let mut entries = fs::read_dir(folder).map_err(|error| io("read", error))?;
        let foreign = |entry: std::io::Result<fs::DirEntry>| {
            entry.is_ok_and(|entry| entry.file_name() != BODIES)
        };
        let bodies = fs::read_dir(folder.join(BODIES)).map_err(|error| io("read", error))?;
        if entries.any(foreign) || bodies.count() > 0 {
            return Err(TapeError::NotEmpty {
                folder: folder.display().to_string(),
            });
        }
        // Files are opened relative to this handle from here on, so that a link planted later has no effect.
        let dir = Dir::open_ambient_dir(folder, ambient_authority());
        let dir = dir.map_err(|error| io("open", error))?;
        let body_dir = dir.open_dir(BODIES).map_err(|error| io("open", error))?;
        let mut lines = new_file(&dir, LINES).map_err(|error| io("write", error))?;
        let head = serde_json::to_string(&Head { tape: VERSION }).unwrap_or_default();
        writeln!(lines, "{head}").map_err(|error| io("write", error))?;
        Ok(Self {
            folder: folder.to_owned(),
            body_dir,
            state: Mutex::new(State {
                lines,
                bodies: 0,
                secrets: Vec::new(),
                failed: None,
            }),
        })
    }

    /// Removes `secret` from everything that is recorded from now on.
    pub(super) fn hide(&self, secret: &str) {
        self.state().secrets.push(secret.to_owned());
    }

    /// Why the recording is incomplete, if a write failed.
    pub(super) fn failure(&self) -> Option<String> {
        self.state().failed.clone()
    }

    /// Records that a request got no response.
    pub(super) fn record_failure(&self, call: String, error: &reqwest::Error) {
        let reason = format!("{}{}", response::host(error), response::reason_of(error));
        let reason = self.clean(&reason);
        let end = match response::was_not_sent(error) {
            true => End::NotSent { reason },
            false => End::Broken { reason },
        };
        self.write(Exchange { call, end });
    }

    /// Returns the same response and records its body as it is read. An unread part was not needed and is not recorded.
    pub(super) fn record_response(self: &Arc<Self>, call: String, response: Response) -> Response {
        let (status, headers) = (response.status(), response.headers().clone());
        let recorded = HEADERS.iter().filter_map(|name| {
            let value = headers.get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), self.clean(value)))
        });
        let copy = Copy {
            recorder: Arc::clone(self),
            call,
            status: status.as_u16(),
            headers: recorded.collect(),
            body: Vec::new(),
            broken: None,
        };
        let source: BoxStream<'static, _> = response.bytes_stream().boxed();
        let body = stream::unfold((source, copy), |(mut source, mut copy)| async move {
            let chunk = source.next().await?;
            match &chunk {
                Ok(bytes) => copy.body.extend_from_slice(bytes),
                Err(error) => copy.broken = Some(error.to_string()),
            }
            Some((chunk, (source, copy)))
        });
        let mut copied = http::Response::new(Body::wrap_stream(body));
        *copied.status_mut() = status;
        *copied.headers_mut() = headers;
        copied.into()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `text` without secrets.
    fn clean(&self, text: &str) -> String {
        let state = self.state();
        let hidden = |text: String, secret: &String| hide_secret(&text, secret, "[secret]");
        redact_addresses(&state.secrets.iter().fold(text.to_owned(), hidden))
    }

    /// A body as it is stored. JSON is cleaned string by string, so that it stays valid JSON.
    fn body(&self, body: Vec<u8>) -> StoredBody {
        match String::from_utf8(body) {
            Ok(text) if text.len() <= LINE_LIMIT_BYTES => {
                let value = serde_json::from_str::<Value>(&text);
                StoredBody::Text(match value {
                    Ok(value) => self.clean_json(value).to_string(),
                    Err(_) => self.clean(&text),
                })
            }
            Ok(text) => self.file(text.as_bytes()),
            Err(bytes) => self.file(bytes.as_bytes()),
        }
    }

    fn clean_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.clean(&text)),
            Value::Array(items) => Value::Array(
                items
                    .into_iter()
                    .map(|item| self.clean_json(item))
                    .collect(),
            ),
            Value::Object(fields) => {
                let clean = |(name, value)| (name, self.clean_json(value));
                Value::Object(fields.into_iter().map(clean).collect())
            }
            other => other,
        }
    }

    fn file(&self, bytes: &[u8]) -> StoredBody {
        let mut state = self.state();
        state.bodies += 1;
        let name = format!("{:05}-{}", state.bodies, digest(bytes));
        let written = new_file(&self.body_dir, &name).and_then(|mut file| file.write_all(bytes));
        if let Err(error) = written {
            state.fail(&self.folder.join(BODIES).join(&name), &error);
        }
        StoredBody::File(name)
    }

    fn write(&self, exchange: Exchange) {
        let line = serde_json::to_string(&exchange).unwrap_or_default();
        let mut state = self.state();
        if let Err(error) = writeln!(state.lines, "{line}") {
            state.fail(&self.folder.join(LINES), &error);
        }
    }
}

impl State {
    fn fail(&mut self, path: &Path, error: &std::io::Error) {
        let failed = format!("could not write {}: {error}", path.display());
        self.failed.get_or_insert(failed);
    }
}

/// A copy of a response. It is written when the response is dropped, even if the body was read in part.
struct Copy {
    recorder: Arc<Recorder>,
    call: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    broken: Option<String>,
}

impl Drop for Copy {
    fn drop(&mut self) {
        let recorder = Arc::clone(&self.recorder);
        let body = recorder.body(std::mem::take(&mut self.body));
        recorder.write(Exchange {
            call: std::mem::take(&mut self.call),
            end: End::Responded {
                status: self.status,
                headers: std::mem::take(&mut self.headers),
                body,
                broken: self.broken.take().map(|reason| recorder.clean(&reason)),
            },
        });
    }
}

/// Creates a folder that only its owner can read: a tape contains task ids and addresses of paid files.
fn make(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Creates a file that does not exist yet. An existing link counts as an existing file.
fn new_file(dir: &Dir, name: &str) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // Task ids and addresses of paid files are for the owner alone.
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(dir.open_with(name, &options)?.into_std())
}
