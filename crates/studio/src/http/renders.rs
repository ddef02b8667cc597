//! `/studio/render…`: the calls of workers on other machines. They are not part of the contract.
//!
//! Every call carries the secret of one render as its bearer key. An unknown secret, and the number of an attempt that is over, get 410. Files
//! are received in the scratch folder, in pieces, with limits on their number, size and hash.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;
use tower_http::services::ServeFile;

use super::connection::ConnectionHandle;
use crate::computing::Delivery;
use crate::config::{FARM_FILE_BYTES, FARM_HEAD_BYTES};
use crate::farm::{Begin, Farm, FileHead, Gone, MOST_FILES, PartHead, PartOnWire, Refused};
use crate::gate;
use crate::intake::{Intake, IntakeError};
use crate::names;
use crate::render::{Content, Part, RenderedFile, RenderedTrack};
use crate::shared::StudioState;

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Why a part is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    #[error("the render is over, or another worker has it")]
    Gone,
    #[error("the part is malformed: {0}")]
    Malformed(String),
    #[error("the part can't be received: {0}")]
    Unread(#[from] io::Error),
    #[error("the part can't be stored: {0}")]
    Unstored(#[from] IntakeError),
}

impl From<Gone> for PartError {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl IntoResponse for PartError {
    fn into_response(self) -> Response {
        let status = match &self {
            PartError::Gone => StatusCode::GONE,
            PartError::Malformed(_) | PartError::Unread(_) => StatusCode::BAD_REQUEST,
            PartError::Unstored(IntakeError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            PartError::Unstored(IntakeError::Disk(_)) => StatusCode::INSUFFICIENT_STORAGE,
        };
        tracing::debug!(error = %self, "refused a part of a render");
        (status, self.to_string()).into_response()
    }
}

/// The farm and the secret of a request.
fn called(shared: &StudioState, headers: &HeaderMap) -> Result<(Arc<Farm>, String), PartError> {
    let farm = shared.renderer.farm().ok_or(PartError::Gone)?;
    let secret = gate::bearer(headers).ok_or(PartError::Gone)?;
    Ok((Arc::clone(farm), secret.to_owned()))
}

/// `POST /studio/render/begin`: a worker takes a render. One that plays differently gets 409 and what the studio plays with.
pub(super) async fn begin(
    State(shared): State<Arc<StudioState>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    headers: HeaderMap,
    Json(begin): Json<Begin>,
) -> Result<Response, PartError> {
    let (farm, secret) = called(&shared, &headers)?;
    let worker = connection.peer().ip().to_canonical();
    match farm.begin(&secret, worker, &begin) {
        Ok(begun) => Ok(Json(begun).into_response()),
        Err(Refused::Gone) => Err(PartError::Gone),
        Err(Refused::PlaysDifferently) => {
            Ok((StatusCode::CONFLICT, Json(farm.playing())).into_response())
        }
    }
}

/// `GET /studio/render/source`: the source of a render.
pub(super) async fn source(
    State(shared): State<Arc<StudioState>>,
    request: Request,
) -> Result<Response, PartError> {
    let (farm, secret) = called(&shared, request.headers())?;
    let path = farm.source(&secret)?;
    let served = ServeFile::new(path).try_call(Request::new(Body::empty()));
    Ok(served.await?.map(Body::new))
}

/// `POST /studio/render/{attempt}/{index}`: a finished part.
pub(super) async fn part(
    State(shared): State<Arc<StudioState>>,
    Path((attempt, index)): Path<(u32, u32)>,
    request: Request,
) -> Result<Response, PartError> {
    let (farm, secret) = called(&shared, request.headers())?;
    if !farm.is_current(&secret, attempt) {
        return Err(PartError::Gone);
    }
    let body = request.into_body().into_data_stream();
    let mut body = StreamReader::new(body.map_err(io::Error::other));
    let length = body.read_u32().await?;
    if length > FARM_HEAD_BYTES {
        return Err(PartError::Malformed("its head is too long".to_owned()));
    }
    let mut head = vec![0; length as usize];
    body.read_exact(&mut head).await?;
    let head: PartHead =
        serde_json::from_slice(&head).map_err(|error| PartError::Malformed(error.to_string()))?;
    if head.files.len() > MOST_FILES {
        return Err(PartError::Malformed("it has too many files".to_owned()));
    }
    let mut files = Vec::new();
    for file in &head.files {
        files.push(receive(&farm, &mut body, file).await?);
    }
    let delivery = delivery(head.part, files)?;
    farm.deliver(&secret, attempt, index, delivery).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Receives a file and compares its hash.
async fn receive(
    farm: &Farm,
    body: &mut (impl AsyncRead + Unpin),
    head: &FileHead,
) -> Result<NamedTempFile, PartError> {
    if head.bytes > FARM_FILE_BYTES {
        let cap_bytes = FARM_FILE_BYTES;
        return Err(IntakeError::TooLarge { cap_bytes }.into());
    }
    let mut intake = Intake::open(farm.scratch(), head.bytes)?;
    let mut left = head.bytes;
    let mut piece = vec![0; PIECE_BYTES];
    while left > 0 {
        let wanted = usize::try_from(left)
            .unwrap_or(PIECE_BYTES)
            .min(PIECE_BYTES);
        let read = body.read(&mut piece[..wanted]).await?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        intake.push(&piece[..read]).await?;
        left -= read as u64;
    }
    let received = intake.finish().await?;
    let hash = blake3::Hash::from_bytes(received.content);
    match hash.to_hex().as_str() == head.blake3 {
        true => Ok(received.file),
        false => Err(PartError::Malformed("a file has another hash".to_owned())),
    }
}

/// A part with the files that came with it.
fn delivery(part: PartOnWire, files: Vec<NamedTempFile>) -> Result<Delivery, PartError> {
    let mut files = files.into_iter().map(Content::Scratch);
    let mut next = || {
        let missing = || PartError::Malformed("a file is missing".to_owned());
        files.next().ok_or_else(missing)
    };
    Ok(Delivery::Part(match part {
        PartOnWire::Heard => Part::Heard,
        PartOnWire::Track {
            number,
            duration_s,
            facts,
        } => Part::Track(RenderedTrack {
            number,
            instrumental: next()?,
            mix: next()?,
            midi: next()?,
            duration_s,
            facts,
        }),
        PartOnWire::File {
            name,
            extension,
            duration_s,
        } => {
            let is_plain = |it: &String| names::is_plain_path(it) && !it.contains('/');
            if ![&name, &extension].into_iter().all(is_plain) {
                return Err(PartError::Malformed("a file has no plain name".to_owned()));
            }
            Part::File(RenderedFile {
                name,
                extension,
                content: next()?,
                duration_s,
            })
        }
        PartOnWire::Notes(notes) => Part::Notes(notes),
        PartOnWire::Done => return Ok(Delivery::Done),
        PartOnWire::Failed(failure) => return Ok(Delivery::Failed(failure)),
    }))
}
