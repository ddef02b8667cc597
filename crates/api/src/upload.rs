//! The upload host's responses: it is another host than the API's, and adds `success` to the usual envelope.

use serde::Serialize;
use serde_json::Value;

use crate::lenient::{integer, text};

/// A file that the upload host took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Uploaded {
    /// Its name.
    pub file_name: String,
    /// Its path at the host.
    pub file_path: String,
    /// Where it can be fetched: this becomes a request's `uploadUrl`.
    pub download_url: String,
    /// Its length in bytes, where the host gives it.
    #[serde(rename = "fileSize")]
    pub size_bytes: Option<u64>,
    /// Its media type, where the host gives it.
    pub mime_type: Option<String>,
    /// When it was taken, as the host writes it.
    pub uploaded_at: Option<String>,
}

impl Uploaded {
    /// The file that the `data` of an upload response describes; `None` without an address to fetch it from.
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

/// A response of the upload host as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UploadResponse {
    /// Whether the file was taken.
    pub success: bool,
    /// 200, or why not; the HTTP status says the same.
    pub code: i64,
    /// A sentence for people.
    pub msg: String,
    /// The file; left out of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Uploaded>,
}

impl UploadResponse {
    /// The file was taken.
    pub fn success(uploaded: Uploaded) -> Self {
        Self {
            success: true,
            code: 200,
            msg: "File uploaded successfully".to_owned(),
            data: Some(uploaded),
        }
    }

    /// It was not.
    pub fn refusal(code: i64, msg: impl Into<String>) -> Self {
        Self {
            success: false,
            code,
            msg: msg.into(),
            data: None,
        }
    }
}
