//! Uploads recordings. Uploads are free, go to another host than the other calls, and are safe to repeat: the same name
//! overwrites.

use std::path::PathBuf;

use bytes::Bytes;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, RequestBuilder};

use super::tape::SendError;
use super::{CallError, CallErrorKind, CallSubject, Client, endpoint};
use crate::{ApiCall, Uploaded};

/// The path of the upload call.
pub(super) const STREAM_PATH: &str = "/api/file-stream-upload";

/// The place of an upload at the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadName {
    /// The folder at the host (`uploadPath`).
    pub folder: String,
    /// The file's name there. The same name overwrites, so derive it from the content's hash.
    pub file_name: String,
}

/// The content of an upload.
#[derive(Debug, Clone)]
pub enum UploadSource {
    /// A local file, read while it is sent.
    File(PathBuf),
    /// Bytes in memory.
    Bytes(Bytes),
}

impl Client {
    /// Uploads by multipart without loading the whole file into memory. `mime` is the content's media type.
    pub async fn upload_stream(
        &self,
        source: UploadSource,
        name: &UploadName,
        mime: &str,
    ) -> Result<Uploaded, CallError> {
        let call = CallSubject::upload(name.file_name.clone());
        let part = match source {
            UploadSource::Bytes(bytes) => {
                Part::stream_with_length(Body::from(bytes.clone()), bytes.len() as u64)
            }
            UploadSource::File(path) => {
                let unreadable = |error: std::io::Error| {
                    call.error(CallErrorKind::File {
                        reason: format!("can't read {}: {error}", path.display()),
                    })
                };
                let file = tokio::fs::File::open(&path).await.map_err(unreadable)?;
                let meta = file.metadata().await.map_err(unreadable)?;
                if !meta.is_file() {
                    return Err(call.error(CallErrorKind::File {
                        reason: format!("{} is not a file", path.display()),
                    }));
                }
                Part::stream_with_length(Body::from(file), meta.len())
            }
        };
        let part = part
            .file_name(name.file_name.clone())
            .mime_str(mime)
            .map_err(|error| self.failure(&call, SendError::Http(error)))?;
        // The names come first, so that a streaming host knows the destination before the file arrives.
        let form = Form::new()
            .text("uploadPath", name.folder.clone())
            .text("fileName", name.file_name.clone())
            .part("file", part);
        let request = self
            .api
            .post(endpoint(&self.profile.upload_url, STREAM_PATH))
            .multipart(form);
        self.upload(&call, request).await
    }

    async fn upload(
        &self,
        call: &CallSubject,
        request: RequestBuilder,
    ) -> Result<Uploaded, CallError> {
        let request = request.timeout(self.options.upload_timeout);
        let sent = self.send(call.text(), request).await;
        let response = sent.map_err(|error| self.failure(call, error))?;
        let data = self
            .read(call, response, |status, body| {
                self.profile.read_data(ApiCall::Upload, status, body)
            })
            .await?;
        Uploaded::read(&data).ok_or_else(|| call.unreadable("it contains no address of the file"))
    }
}
