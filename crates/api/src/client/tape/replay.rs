//! Replays a tape.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use futures::stream;
use reqwest::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use reqwest::{Body, Response, StatusCode};

use super::error::{SendError, TapeError};
use super::exchange::{
    BODIES, End, Exchange, Head, LINES, SUBMISSION, StoredBody, VERSION, digest,
};

/// A tape that is replayed: the remaining responses by call.
#[derive(Debug)]
pub(super) struct Player {
    exchanges: Mutex<HashMap<String, VecDeque<Exchange>>>,
    folder: PathBuf,
}

impl Player {
    /// Opens the tape in `folder` at its beginning.
    pub(super) fn open(folder: &Path) -> Result<Self, TapeError> {
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
        Ok(Self {
            exchanges: Mutex::new(exchanges),
            folder: folder.to_owned(),
        })
    }

    /// Returns the next recorded response to a call. The last response is repeated, because a replay may poll more often than
    /// the recording. The responses to a submission are not repeated, because each is a task of its own.
    pub(super) fn respond(&self, call: &str) -> Result<Response, SendError> {
        let exchange = {
            let mut exchanges = self
                .exchanges
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let recorded = exchanges.get_mut(call).ok_or(SendError::NotOnTape)?;
            let is_submission = call.starts_with(SUBMISSION);
            let next = if recorded.len() > 1 || is_submission {
                recorded.pop_front()
            } else {
                recorded.front().cloned()
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
            End::Responded {
                status,
                headers,
                body,
                broken,
            } => (status, headers, body, broken),
        };
        let is_text = matches!(body, StoredBody::Text(_));
        let bytes = match body {
            StoredBody::Text(text) => Ok(Bytes::from(text)),
            StoredBody::File(name) => read_body(&self.folder, &name).map(Bytes::from),
        };
        let bytes = bytes.map_err(|error| SendError::Replayed {
            not_sent: true,
            reason: format!("a body of the tape can't be read: {error}"),
        })?;
        let end = broken.map(|reason| Err(std::io::Error::other(reason)));
        let body = stream::iter([Ok(bytes)].into_iter().chain(end));
        let mut response = http::Response::new(Body::wrap_stream(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        for (name, value) in headers {
            if is_text && name == CONTENT_LENGTH.as_str() {
                continue; // its length changed when secrets were removed
            }
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(&value),
            ) {
                response.headers_mut().append(name, value);
            }
        }
        Ok(response.into())
    }
}

/// Reads a stored body. Its name is a number and the first digits of its hash: so a tape from elsewhere can't name another
/// file, and a damaged body is an error.
fn read_body(folder: &Path, name: &str) -> std::io::Result<Vec<u8>> {
    let failed = |what: &str| Err(std::io::Error::other(format!("{BODIES}/{name} {what}")));
    let Some((_, hash)) = name.split_once('-').filter(|(number, hash)| {
        number.bytes().all(|byte| byte.is_ascii_digit())
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    }) else {
        return failed("is not the name of a body");
    };
    match read_file(&folder.join(BODIES), name) {
        Ok(bytes) if digest(&bytes) == hash => Ok(bytes),
        Ok(_) => failed("is damaged"),
        Err(error) => failed(&format!("can't be read: {error}")),
    }
}

/// Opens a regular file of a tape. A tape from elsewhere may contain links and pipes.
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
