//! The studio's responses in the vendors' envelopes.
//!
//! A refusal on the generation paths is HTTP 200 with the code in the body, as at the vendors; only an unknown path also has
//! its HTTP status. The upload paths use HTTP statuses and another envelope. The codes come from the reference vendor's table.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use backline_api::{Envelope, UploadResponse};
use serde::Serialize;
use serde_json::{Value, json};

use crate::misbehave::Codes;
use crate::operation::OperationKind;

/// A successful response of the generation paths with `data`.
pub(crate) fn success(data: impl Serialize) -> Response {
    Json(Envelope::success(data)).into_response()
}

/// Why a generation path refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestError {
    /// A field is missing or wrong.
    Invalid(String),
    /// The key is missing or wrong.
    Unauthorized,
    /// The path or the method does not exist.
    NoSuchPath,
    /// The window is full; the next request is admitted after this time.
    RateLimited(Duration),
    /// The same `Idempotency-Key` was sent with another body before.
    TokenMisused,
    /// A text or the whole body is too long.
    TooLong(String),
    /// The file does not belong to the studio.
    NotOurs(String),
    /// A step processes a task or a track that is unknown or no longer known. `what` names it and what was expected.
    UnknownInput { kind: OperationKind, what: String },
    /// No recovery has this id.
    UnknownRecovery,
    /// The WAV file exists already or is being made by this task.
    Exists { task_id: String },
    /// The balance does not cover the price.
    NoCredits,
    /// The queue is full.
    QueueFull,
    /// The studio is stopping.
    Maintenance,
    /// A fault of the studio; the log has the reason.
    Internal,
}

impl RequestError {
    /// The code in the body, from the imitated vendor's table.
    pub(crate) fn code(&self, codes: Codes) -> u16 {
        match codes {
            Codes::Sunoapi => self.reference_code(),
            Codes::Kie => self.kie_code(),
        }
    }

    fn reference_code(&self) -> u16 {
        match self {
            RequestError::Invalid(_) => 400,
            RequestError::Unauthorized => 401,
            RequestError::NoSuchPath | RequestError::UnknownInput { .. } => 404,
            RequestError::UnknownRecovery => 500,
            RequestError::RateLimited(_) => 405,
            RequestError::TokenMisused | RequestError::Exists { .. } => 409,
            RequestError::TooLong(_) => 413,
            RequestError::NotOurs(_) => 422,
            RequestError::NoCredits => 429,
            RequestError::QueueFull => 430,
            RequestError::Maintenance => 455,
            RequestError::Internal => 500,
        }
    }

    fn kie_code(&self) -> u16 {
        match self {
            RequestError::Invalid(_) | RequestError::TooLong(_) | RequestError::Exists { .. } => {
                422
            }
            RequestError::UnknownInput {
                kind: OperationKind::Recovery,
                ..
            } => 500,
            RequestError::UnknownInput { .. } => 422,
            RequestError::NoCredits => 402,
            RequestError::RateLimited(_) | RequestError::QueueFull => 429,
            other => other.reference_code(),
        }
    }

    /// The message in the body.
    pub(crate) fn message(&self, codes: Codes) -> Cow<'_, str> {
        let text = match self {
            RequestError::UnknownInput {
                kind: OperationKind::Recovery,
                ..
            } if codes == Codes::Kie => "The original Suno task does not exist.",
            RequestError::UnknownInput { .. } if codes == Codes::Kie => "Record does not exist",
            RequestError::UnknownInput { what, .. } => return format!("not found: {what}").into(),
            RequestError::UnknownRecovery => "The music link recovery task does not exist.",
            RequestError::Exists { .. } if codes == Codes::Kie => "Wav record already exists",
            RequestError::Exists { .. } => "WAV record already exists",
            RequestError::Invalid(message)
            | RequestError::TooLong(message)
            | RequestError::NotOurs(message) => message,
            RequestError::Unauthorized => "Unauthorized",
            RequestError::NoSuchPath => NO_SUCH_PATH,
            RequestError::RateLimited(_) => "Rate limit exceeded",
            RequestError::TokenMisused => {
                "This Idempotency-Key was used with another request before"
            }
            RequestError::NoCredits => "Insufficient credits",
            RequestError::QueueFull => {
                "Call frequency too high: too many tasks are waiting, please try again later"
            }
            RequestError::Maintenance => "Under maintenance, please try again later",
            RequestError::Internal => "Server error",
        };
        text.into()
    }
}

/// The message for an unknown path: a list of the known ones.
const NO_SUCH_PATH: &str = "Invalid method or path. This studio has POST /api/v1/generate/add-instrumental, /api/v1/wav/generate, \
     /api/v1/vocal-removal/generate, /api/v1/midi/generate and /api/v1/suno/recovery";

/// The `Retry-After` when the queue is full: the time of one or two renders.
const QUEUE_WAIT: Duration = Duration::from_secs(10);

impl RequestError {
    /// The response in a vendor's codes.
    pub(crate) fn response(&self, codes: Codes) -> Response {
        let status = match self {
            RequestError::NoSuchPath => StatusCode::NOT_FOUND,
            _ => StatusCode::OK,
        };
        let wait = match self {
            RequestError::RateLimited(wait) => Some(*wait),
            RequestError::QueueFull => Some(QUEUE_WAIT),
            _ => None,
        };
        let code = self.code(codes);
        let mut body = Envelope::<Value>::refusal(code.into(), self.message(codes));
        if let (RequestError::Exists { task_id }, Codes::Sunoapi) = (self, codes) {
            // The other vendor's refusals name no task, as far as is known.
            body.data = Some(json!({ "taskId": task_id }));
        }
        let mut response = (status, Json(body)).into_response();
        if let Some(wait) = wait {
            // Rounded up, so that a client that waits this long is admitted.
            let seconds = wait.as_millis().div_ceil(1000).max(1) as u64;
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let mut response = self.response(Codes::Sunoapi);
        response.extensions_mut().insert(self);
        response
    }
}

/// The reference vendor's message for a code.
pub(crate) fn words_for(code: u16) -> &'static str {
    match code {
        400 => "Invalid parameters",
        401 => "Unauthorized",
        402 | 429 => "Insufficient credits",
        404 => "Invalid method or path",
        405 => "Rate limit exceeded",
        408 => "Upstream timed out",
        413 => "Theme or prompt too long",
        430 => "Call frequency too high, please try again later",
        451 => "Could not download the source audio",
        455 => "Under maintenance, please try again later",
        500 => "Server error",
        _ => "Refused",
    }
}

impl From<crate::store::StudioStoreError> for RequestError {
    fn from(error: crate::store::StudioStoreError) -> Self {
        match error {
            crate::store::StudioStoreError::Stopping => RequestError::Maintenance,
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
                RequestError::Internal
            }
        }
    }
}

/// The plain page that the vendors' front end sends to a client without a `User-Agent`.
pub(crate) fn no_user_agent() -> Response {
    (StatusCode::FORBIDDEN, "error code: 1010").into_response()
}

/// Why an upload path refused a file: an HTTP status and the upload service's own envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UploadRefusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl UploadRefusal {
    pub(crate) fn invalid(message: impl Into<String>) -> UploadRefusal {
        UploadRefusal {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
        }
    }

    pub(crate) fn missing(parameter: &str) -> UploadRefusal {
        UploadRefusal::invalid(format!("Missing required parameter: {parameter}"))
    }

    pub(crate) fn unauthorized() -> UploadRefusal {
        UploadRefusal {
            status: StatusCode::UNAUTHORIZED,
            message: RequestError::Unauthorized.message(Codes::Sunoapi).into(),
        }
    }

    pub(crate) fn internal(
        operation: &str,
        error: &(dyn std::error::Error + 'static),
    ) -> UploadRefusal {
        tracing::error!(error, operation, "an upload failed");
        UploadRefusal {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: RequestError::Internal.message(Codes::Sunoapi).into(),
        }
    }
}

impl IntoResponse for UploadRefusal {
    fn into_response(self) -> Response {
        (
            self.status,
            Json(UploadResponse::refusal(
                self.status.as_u16().into(),
                self.message,
            )),
        )
            .into_response()
    }
}
