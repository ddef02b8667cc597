//! The three ways to upload a file. All of them store the file under a safe name below `files/uploads` and record the digest of
//! its content. The response contains the address for a later submission.
//!
//! A file is written to a scratch file and renamed into place when it is complete. So an interrupted upload leaves nothing
//! behind, and an overwriting upload is never visible in part.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Multipart, State};
use axum::response::{IntoResponse, Response};
use backline_api::{UploadResponse, Uploaded};
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt;
use url::Url;
use uuid::Uuid;

use crate::clock;
use crate::config::{SOURCE_BYTES, STREAM_BODY_BYTES};
use crate::fetch::FetchError;
use crate::folder;
use crate::intake::{Intake, IntakeError, Received};
use crate::mime;
use crate::names;
use crate::responses::UploadRefusal;
use crate::shared::StudioState;
use crate::store::uploads;

/// Longest text field of a form in bytes.
const FIELD_BYTES: usize = 4096;

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `POST /api/file-stream-upload`: multipart with `file`, `uploadPath` and optionally `fileName`, in any order.
pub(super) async fn by_stream(
    State(shared): State<Arc<StudioState>>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, UploadRefusal> {
    let mut form = form.map_err(|rejection| UploadRefusal::invalid(rejection.body_text()))?;
    let _slot = shared
        .stream_slots
        .acquire()
        .await
        .map_err(|closed| UploadRefusal::internal("wait for a slot", &closed))?;
    let (mut received, mut sent_name) = (None, None);
    let (mut upload_path, mut file_name) = (None, None);
    while let Some(field) = form.next_field().await.map_err(broken_form)? {
        match field.name() {
            Some("file") => {
                sent_name = field.file_name().map(str::to_owned);
                received = Some(receive_field(&shared, field).await?);
            }
            Some("uploadPath") => upload_path = Some(read_text("uploadPath", field).await?),
            Some("fileName") => file_name = Some(read_text("fileName", field).await?),
            _ => {}
        }
    }
    let received = received.ok_or_else(|| UploadRefusal::missing("file"))?;
    keep(
        &shared,
        received,
        upload_path,
        file_name,
        sent_name.as_deref(),
    )
    .await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Base64Upload {
    base64_data: Option<String>,
    upload_path: Option<String>,
    file_name: Option<String>,
}

/// `POST /api/file-base64-upload`: JSON with `base64Data`, which may be a data URL.
pub(super) async fn by_base64(
    State(shared): State<Arc<StudioState>>,
    request: axum::extract::Request,
) -> Result<Response, UploadRefusal> {
    // The slot is taken before the body is read: bodies are large and are read into memory.
    let _slot = shared
        .base64_slots
        .acquire()
        .await
        .map_err(|closed| UploadRefusal::internal("wait for a slot", &closed))?;
    let body = <Bytes as axum::extract::FromRequest<_>>::from_request(request, &()).await;
    let upload: Base64Upload = read_json(body)?;
    let encoded = upload
        .base64_data
        .filter(|data| !data.is_empty())
        .ok_or_else(|| UploadRefusal::missing("base64Data"))?;
    let decoded = tokio::task::spawn_blocking(move || {
        let text = match encoded.split_once(";base64,") {
            Some((scheme, data)) if scheme.starts_with("data:") => data,
            _ => &encoded,
        };
        BASE64.decode(text.trim_ascii())
    });
    let bytes = decoded
        .await
        .map_err(|error| UploadRefusal::internal("decode base64", &error))?
        .map_err(|error| UploadRefusal::invalid(format!("base64Data is not base64: {error}")))?;
    let mut intake =
        Intake::open(&shared.folder.scratch(), STREAM_BODY_BYTES as u64).map_err(not_taken)?;
    intake.push(&bytes).await.map_err(not_taken)?;
    drop(bytes);
    let received = intake.finish().await.map_err(not_taken)?;
    keep(
        &shared,
        received,
        upload.upload_path,
        upload.file_name,
        None,
    )
    .await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UrlUpload {
    file_url: Option<String>,
    upload_path: Option<String>,
    file_name: Option<String>,
}

/// `POST /api/file-url-upload`: JSON with `fileUrl`; the studio fetches the file.
pub(super) async fn by_url(
    State(shared): State<Arc<StudioState>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, UploadRefusal> {
    let upload: UrlUpload = read_json(body)?;
    let url = upload
        .file_url
        .filter(|url| !url.is_empty())
        .ok_or_else(|| UploadRefusal::missing("fileUrl"))?;
    // These checks come first, so that nothing is fetched for a request that would be refused later.
    check_folder(upload.upload_path.as_deref())?;
    let url = Url::parse(&url)
        .map_err(|error| UploadRefusal::invalid(format!("fileUrl is not an address: {error}")))?;
    let sent_name = url
        .path_segments()
        .and_then(|mut segments| segments.next_back())
        .map(str::to_owned);
    let received = match shared.links.own_file(&url) {
        Some(path) => copy_own(&shared, &path).await?,
        None => shared
            .fetcher
            .fetch(url)
            .await
            .map_err(|error| match error {
                FetchError::Intake(IntakeError::Disk(error)) => {
                    UploadRefusal::internal("write a fetched file", &error)
                }
                error => UploadRefusal::invalid(format!("Failed to download the file: {error}")),
            })?,
    };
    keep(
        &shared,
        received,
        upload.upload_path,
        upload.file_name,
        sent_name.as_deref(),
    )
    .await
}

/// Copies one of the studio's own files. It needs no fetch and no permission for a private address.
async fn copy_own(shared: &StudioState, path: &str) -> Result<Received, UploadRefusal> {
    let gone = |_| {
        UploadRefusal::invalid(
            "Failed to download the file: it does not exist, or no longer exists",
        )
    };
    let mut file = tokio::fs::File::open(shared.folder.files().join(path))
        .await
        .map_err(gone)?;
    let mut intake = Intake::open(&shared.folder.scratch(), SOURCE_BYTES).map_err(not_taken)?;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk).await {
            Ok(0) => return intake.finish().await.map_err(not_taken),
            Ok(bytes) => intake.push(&chunk[..bytes]).await.map_err(not_taken)?,
            Err(error) => return Err(gone(error)),
        }
    }
}

fn read_json<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, UploadRefusal> {
    let body = body.map_err(|rejection| UploadRefusal::invalid(rejection.body_text()))?;
    serde_json::from_slice(&body)
        .map_err(|error| UploadRefusal::invalid(format!("The request body is not valid: {error}")))
}

async fn receive_field(
    shared: &StudioState,
    mut field: Field<'_>,
) -> Result<Received, UploadRefusal> {
    let mut intake =
        Intake::open(&shared.folder.scratch(), STREAM_BODY_BYTES as u64).map_err(not_taken)?;
    while let Some(chunk) = field.chunk().await.map_err(broken_form)? {
        intake.push(&chunk).await.map_err(not_taken)?;
    }
    intake.finish().await.map_err(not_taken)
}

async fn read_text(name: &str, mut field: Field<'_>) -> Result<String, UploadRefusal> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken_form)? {
        text.extend_from_slice(&chunk);
        if text.len() > FIELD_BYTES {
            return Err(UploadRefusal::invalid(format!(
                "{name} is longer than {FIELD_BYTES} bytes"
            )));
        }
    }
    String::from_utf8(text).map_err(|_| UploadRefusal::invalid(format!("{name} is not UTF-8")))
}

fn broken_form(error: MultipartError) -> UploadRefusal {
    UploadRefusal::invalid(error.body_text())
}

fn not_taken(error: IntakeError) -> UploadRefusal {
    match error {
        IntakeError::TooLarge { .. } => UploadRefusal::invalid(error.to_string()),
        IntakeError::Disk(error) => UploadRefusal::internal("write an upload", &error),
    }
}

/// The folder below the uploads that `uploadPath` names.
fn check_folder(upload_path: Option<&str>) -> Result<String, UploadRefusal> {
    let valid = upload_path
        .filter(|path| !path.trim().is_empty())
        .ok_or_else(|| UploadRefusal::missing("uploadPath"))?;
    names::upload_folder(valid).ok_or_else(|| UploadRefusal::invalid("uploadPath is too deep"))
}

/// Whether no file can be written at `path` below `files`: it is a folder, or one of its parents is a file.
fn clashes(files: &std::path::Path, path: &str) -> bool {
    let is_file_above = |end: usize| files.join(&path[..end]).is_file();
    let mut ends = path.match_indices('/').map(|(end, _)| end);
    ends.any(is_file_above) || files.join(path).is_dir()
}

/// Renames a received file into place, records it, and returns its address.
async fn keep(
    shared: &StudioState,
    received: Received,
    upload_path: Option<String>,
    file_name: Option<String>,
    sent_name: Option<&str>,
) -> Result<Response, UploadRefusal> {
    let folder = check_folder(upload_path.as_deref())?;
    if received.bytes == 0 {
        return Err(UploadRefusal::invalid("The file is empty"));
    }
    let format = backline_audio::sniff(&received.head);
    let name = match file_name.filter(|name| !name.trim().is_empty()) {
        Some(name) => names::file_name(&name),
        None => {
            // A file without a name gets a generated one; its extension shows its format.
            let extension = match (format, sent_name.and_then(mime::known_extension)) {
                (Some(format), _) => Some(format.extension()),
                (None, known) => known,
            };
            let unique = Uuid::new_v4().simple();
            extension.map_or_else(
                || unique.to_string(),
                |extension| format!("{unique}.{extension}"),
            )
        }
    };
    let path = ["uploads", &folder, &name]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("/");
    if clashes(&shared.folder.files(), &path) {
        return Err(UploadRefusal::invalid(format!(
            "{path} leads through a file, or is a folder"
        )));
    }
    let mime_type = format.map_or_else(|| mime::of_name(&name), |format| format.mime());
    let (target, bytes, content, now_ms) = (
        shared.folder.files().join(&path),
        received.bytes,
        received.content,
        clock::now_ms(),
    );
    // The row is written first: a file without a row would never be removed, and the cleanup keeps files with a fresh row.
    let noted = path.clone();
    shared
        .store
        .write("record an upload", move |connection| {
            uploads::note(connection, &noted, bytes, &content, now_ms)
        })
        .await
        .map_err(|error| UploadRefusal::internal("record an upload", &error))?;
    let persisted =
        tokio::task::spawn_blocking(move || folder::persist(received.file, &target)).await;
    persisted
        .map_err(|error| UploadRefusal::internal("keep an upload", &error))?
        .map_err(|error| UploadRefusal::internal("keep an upload", &error))?;
    shared.lock_gone_uploads().remove(&path);
    tracing::info!(path, bytes, "kept an upload");
    let uploaded = Uploaded {
        file_name: name,
        download_url: shared.links.to_file(&path),
        file_path: path,
        size_bytes: Some(bytes),
        mime_type: Some(mime_type.to_owned()),
        uploaded_at: Some(clock::rfc3339(now_ms)),
    };
    Ok(Json(UploadResponse::success(uploaded)).into_response())
}
