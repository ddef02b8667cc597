//! Keeps a provider's exchanges on disk, and answers from kept ones without a network.
//!
//! ```text
//!  client ──request──► Tape ──► provider          record: the answer is kept as it passes
//!         ◄──answer───      ◄──
//!  client ──request──► Tape                       replay: the kept answer, in the order in which it was given
//! ```
//!
//! A tape is a folder: `tape.jsonl`, one exchange a line after a head line with the format's version, and `bodies/` with what
//! is not text. An exchange is found again by its call: a submission by what it asks for (without the addresses of the source and
//! of the callback, which differ each time), task details by the task, a file by its address without the query.
//!
//! No secret gets onto a tape: requests are kept as hashes, of answers' headers only harmless ones, and in bodies the key, the
//! attempts' tokens and every query of an address are cut out.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderName, HeaderValue,
    LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::{Body, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::answer;
use crate::redact::hide_secret;
use crate::redact_addresses;

/// The format's version, in the head line.
const VERSION: u32 = 1;

/// The exchanges' file.
const LINES: &str = "tape.jsonl";

/// How a submission's call begins.
pub(super) const SUBMISSION: &str = "submit ";

/// Where bodies lie that are not text.
const BODIES: &str = "bodies";

/// Longest body that stands in a line. What is longer, or no UTF-8, gets a file.
const LINE_LIMIT_BYTES: usize = 1024 * 1024;

/// Headers that mean something to a reader of answers and hold no secret.
const HEADERS: [HeaderName; 7] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    RETRY_AFTER,
    DATE,
    // What a download that broke off is gone on with by.
    ETAG,
    LAST_MODIFIED,
];

/// A recording of a provider's answers, being made or being played.
#[derive(Debug, Clone)]
pub struct Tape(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Record(Recorder),
    Replay(Mutex<HashMap<String, VecDeque<Exchange>>>, PathBuf),
}

/// Why a tape can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TapeError {
    /// Something is there already; a tape is never written over.
    #[error("the folder {folder} is not empty: a tape is never written over")]
    NotEmpty {
        /// The folder.
        folder: String,
    },
    /// The folder or a file in it can't be read or written.
    #[error("could not {operation} the tape {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no tape, or one of another version.
    #[error("{path}:{line} is no line of a tape of version {VERSION}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

/// One call and what came of it, as it stands in a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Exchange {
    call: String,
    #[serde(flatten)]
    end: End,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
enum End {
    Answered {
        status: u16,
        headers: Vec<(String, String)>,
        body: Kept,
        /// Why the body has no end, where it broke off.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        broken: Option<String>,
    },
    NotSent {
        reason: String,
    },
    Broken {
        reason: String,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Text(String),
    File(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    tape: u32,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum SendError {
    /// The HTTP library's reason.
    Http(reqwest::Error),
    /// It was so when the tape was made.
    Replayed { not_sent: bool, reason: String },
    /// The tape has no answer to it.
    NotOnTape,
}

/// Makes a folder for its owner alone: task ids and addresses of paid files are on a tape.
fn make(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

impl Tape {
    /// A new tape in `folder`, which must be empty or not there yet.
    pub fn record(folder: &Path) -> Result<Self, TapeError> {
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
        // By their folders' handles from here on: whatever is put into their places later leads nowhere.
        let dir = Dir::open_ambient_dir(folder, ambient_authority());
        let dir = dir.map_err(|error| io("open", error))?;
        let body_dir = dir.open_dir(BODIES).map_err(|error| io("open", error))?;
        let mut lines = new_file(&dir, LINES).map_err(|error| io("write", error))?;
        let head = serde_json::to_string(&Head { tape: VERSION }).unwrap_or_default();
        writeln!(lines, "{head}").map_err(|error| io("write", error))?;
        Ok(Self(Arc::new(Kind::Record(Recorder {
            folder: folder.to_owned(),
            body_dir,
            state: Mutex::new(State {
                lines,
                bodies: 0,
                secrets: Vec::new(),
                failed: None,
            }),
        }))))
    }

    /// The tape in `folder`, from its beginning.
    pub fn replay(folder: &Path) -> Result<Self, TapeError> {
        let path = folder.join(LINES);
        let io = |source| TapeError::Io {
            operation: "read",
            path: path.display().to_string(),
            source,
        };
        let unreadable = |line, reason: String| TapeError::Unreadable {
            path: path.display().to_string(),
            line,
            reason,
        };
        let mut exchanges: HashMap<String, VecDeque<Exchange>> = HashMap::new();
        let mut lines = BufReader::new(open_file(folder, LINES).map_err(io)?).lines();
        let head = lines.next().transpose().map_err(io)?.unwrap_or_default();
        match serde_json::from_str::<Head>(&head) {
            Ok(head) if head.tape == VERSION => {}
            Ok(head) => return Err(unreadable(1, format!("it has version {}", head.tape))),
            Err(error) => return Err(unreadable(1, error.to_string())),
        }
        for (number, line) in (2..).zip(lines) {
            let line = line.map_err(io)?;
            let exchange: Exchange = serde_json::from_str(&line)
                .map_err(|error| unreadable(number, error.to_string()))?;
            exchanges
                .entry(exchange.call.clone())
                .or_default()
                .push_back(exchange);
        }
        Ok(Self(Arc::new(Kind::Replay(
            Mutex::new(exchanges),
            folder.to_owned(),
        ))))
    }

    /// Whether it answers, and nothing leaves this machine.
    pub fn replays(&self) -> bool {
        matches!(&*self.0, Kind::Replay(..))
    }

    /// Why the tape that is being made is not whole, if something could not be written.
    pub fn failure(&self) -> Option<String> {
        match &*self.0 {
            Kind::Record(recorder) => recorder.state().failed.clone(),
            Kind::Replay(..) => None,
        }
    }

    /// Cuts `secret` out of everything that is kept from now on.
    pub(super) fn hide(&self, secret: &str) {
        if let Kind::Record(recorder) = &*self.0
            && !secret.is_empty()
        {
            recorder.state().secrets.push(secret.to_owned());
        }
    }

    /// Sends a request and keeps what comes of it, or answers from what was kept.
    pub(super) async fn send(
        &self,
        call: String,
        request: RequestBuilder,
    ) -> Result<Response, SendError> {
        match &*self.0 {
            Kind::Replay(exchanges, folder) => replayed(&call, exchanges, folder),
            Kind::Record(recorder) => match answer::send(request).await {
                Ok(response) => Ok(self.keep(call, response)),
                Err(error) => {
                    let not_sent = answer::was_not_sent(&error);
                    let reason = format!("{}{}", answer::host(&error), answer::reason_of(&error));
                    let reason = recorder.clean(&reason);
                    let end = if not_sent {
                        End::NotSent { reason }
                    } else {
                        End::Broken { reason }
                    };
                    recorder.write(Exchange { call, end });
                    Err(SendError::Http(error))
                }
            },
        }
    }

    /// The same answer, whose body is kept as it is read; what is not read was not needed, and is not kept.
    fn keep(&self, call: String, response: Response) -> Response {
        let (status, headers) = (response.status(), response.headers().clone());
        let kept = HEADERS.iter().filter_map(|name| {
            let value = headers.get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let copy = Copy {
            tape: self.clone(),
            call,
            status: status.as_u16(),
            headers: kept.collect(),
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
        let mut answer = http::Response::new(Body::wrap_stream(body));
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        answer.into()
    }
}

/// An answer's copy; written when the answer is done with, however far it was read.
struct Copy {
    tape: Tape,
    call: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    broken: Option<String>,
}

impl Drop for Copy {
    fn drop(&mut self) {
        let Kind::Record(recorder) = &*self.tape.0 else {
            return;
        };
        let body = recorder.body(std::mem::take(&mut self.body));
        recorder.write(Exchange {
            call: std::mem::take(&mut self.call),
            end: End::Answered {
                status: self.status,
                headers: std::mem::take(&mut self.headers),
                body,
                broken: self.broken.take().map(|reason| recorder.clean(&reason)),
            },
        });
    }
}

#[derive(Debug)]
struct Recorder {
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
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `text` without secrets.
    fn clean(&self, text: &str) -> String {
        let state = self.state();
        let hidden = |text: String, secret: &String| hide_secret(&text, secret, "[secret]");
        redact_addresses(&state.secrets.iter().fold(text.to_owned(), hidden))
    }

    /// A body as it is kept. JSON is cleaned string by string, so that it stays JSON.
    fn body(&self, body: Vec<u8>) -> Kept {
        match String::from_utf8(body) {
            Ok(text) if text.len() <= LINE_LIMIT_BYTES => {
                let value = serde_json::from_str::<Value>(&text);
                Kept::Text(match value {
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

    fn file(&self, bytes: &[u8]) -> Kept {
        let mut state = self.state();
        state.bodies += 1;
        let name = format!("{:05}-{}", state.bodies, digest(bytes));
        let written = new_file(&self.body_dir, &name).and_then(|mut file| file.write_all(bytes));
        if let Err(error) = written {
            state.fail(&self.folder.join(BODIES).join(&name), &error);
        }
        Kept::File(name)
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

/// The next kept answer to a call. The last one answers for ever, as a poll that comes once more expects; but a submission's
/// answers are used up, for each is a task of its own.
fn replayed(
    call: &str,
    exchanges: &Mutex<HashMap<String, VecDeque<Exchange>>>,
    folder: &Path,
) -> Result<Response, SendError> {
    let exchange = {
        let mut exchanges = exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = exchanges.get_mut(call).ok_or(SendError::NotOnTape)?;
        let bought = call.starts_with(SUBMISSION);
        let next = if kept.len() > 1 || bought {
            kept.pop_front()
        } else {
            kept.front().cloned()
        };
        next.ok_or(SendError::NotOnTape)?
    };
    let (status, headers, body, broken) = match exchange.end {
        End::NotSent { reason } => {
            let not_sent = true;
            return Err(SendError::Replayed { not_sent, reason });
        }
        End::Broken { reason } => {
            let not_sent = false;
            return Err(SendError::Replayed { not_sent, reason });
        }
        End::Answered {
            status,
            headers,
            body,
            broken,
        } => (status, headers, body, broken),
    };
    let is_text = matches!(body, Kept::Text(_));
    let bytes = match body {
        Kept::Text(text) => Ok(Bytes::from(text)),
        Kept::File(name) => read_body(folder, &name).map(Bytes::from),
    };
    let bytes = bytes.map_err(|error| SendError::Replayed {
        not_sent: true,
        reason: format!("a body of the tape can't be read: {error}"),
    })?;
    let end = broken.map(|reason| Err(std::io::Error::other(reason)));
    let body = stream::iter([Ok(bytes)].into_iter().chain(end));
    let mut answer = http::Response::new(Body::wrap_stream(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in headers {
        if is_text && name == CONTENT_LENGTH.as_str() {
            continue; // what was cut out of it is missing
        }
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            answer.headers_mut().append(name, value);
        }
    }
    Ok(answer.into())
}

/// A kept body. Its name is a number and the beginning of its hash: a tape from elsewhere names no other file, and a damaged body
/// is no answer.
fn read_body(folder: &Path, name: &str) -> std::io::Result<Vec<u8>> {
    let failed = |what: &str| Err(std::io::Error::other(format!("{BODIES}/{name} {what}")));
    let Some((_, hash)) = name.split_once('-').filter(|(number, hash)| {
        number.bytes().all(|byte| byte.is_ascii_digit())
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    }) else {
        return failed("is no body's name");
    };
    match read_file(&folder.join(BODIES), name) {
        Ok(bytes) if digest(&bytes) == hash => Ok(bytes),
        Ok(_) => failed("is damaged"),
        Err(error) => failed(&format!("is not there: {error}")),
    }
}

/// Makes a file that is not there yet; a link in its place is there.
fn new_file(dir: &Dir, name: &str) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // Task ids and addresses of paid files are for its owner alone.
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(dir.open_with(name, &options)?.into_std())
}

/// Opens a regular file of a tape. A tape from elsewhere may hold links and pipes.
fn open_file(folder: &Path, name: &str) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
    let file = dir.open_with(name, options)?.into_std();
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(std::io::Error::other("it is not a regular file")),
    }
}

fn read_file(folder: &Path, name: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_file(folder, name)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The beginning of a body's SHA-256.
fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
