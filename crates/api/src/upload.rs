//! The upload host's responses. The upload host is not the API host, and adds `success` to the usual envelope.

use serde::Serialize;
use serde_json::Value;

use crate::lenient::{integer, text};

/// A file that the upload host accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Uploaded {
    /// Its name.
    pub file_name: String,
    /// Its path at the host.
    pub file_path: String,
    /// Its address: the `uploadUrl` of a later request.
    pub download_url: String,
    /// Its length in bytes, if the host reports it.
    #[serde(rename = "fileSize")]
    pub size_bytes: Option<u64>,
    /// Its media type, if the host reports it.
    pub mime_type: Option<String>,
    /// The time of the upload, as the host writes it.
    pub uploaded_at: Option<String>,
}

impl Uploaded {
    /// Reads the file that the `data` of an upload response describes; `None` if it has no address.
    pub fn read(data: &Value) -> Option<Self> {
        Some(Self {
            download_url: text(data, &["downloadUrl", "download_url", "fileUrl"])?,
            file_name: text(data, &["fileName", "file_name"]).unwrap_or_default(),
            file_path: text(data, &["filePath", "file_path"]).unwrap_or_default(),
            size_bytes: integer(data, &["fileSize", "file_size"])
                .and_then(|size| size.try_into().ok()),
            mime_type: text(data, &["mimeType", "mime_type"]),
            uploaded_at: text(data, &["uploadedAt", "uploaded_at"]),
        })
    }
}

/// A response of the upload host to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UploadResponse {
    /// Whether the file was accepted.
    pub success: bool,
    /// 200, or the code of the error; the HTTP status is the same.
    pub code: i64,
    /// A message for people.
    pub msg: String,
    /// The file; left out if the upload failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Uploaded>,
}

impl UploadResponse {
    /// The response to an accepted file.
    pub fn success(uploaded: Uploaded) -> Self {
        Self {
            success: true,
            code: 200,
            msg: "File uploaded successfully".to_owned(),
            data: Some(uploaded),
        }
    }

    /// The response to a refused file.
    pub fn refusal(code: i64, msg: impl Into<String>) -> Self {
        Self {
            success: false,
            code,
            msg: msg.into(),
            data: None,
        }
    }
}
