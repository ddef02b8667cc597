//! All errors of a call, split by what the caller can do about them.
//!
//! Error sources are stored as text, with addresses redacted and the key removed: the errors of the HTTP library quote whole
//! addresses, and vendors quote what they received.

use std::fmt;

use crate::{Refusal, ResponseClass};

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    pub(super) operation: &'static str,
    pub(super) subject: String,
    pub(super) kind: CallErrorKind,
    pub(super) retry_after_ms: Option<u64>,
    /// The meaning of an HTTP status for this call; `None` for other kinds.
    pub(super) status_class: Option<ResponseClass>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallErrorKind {
    /// The host was not reached: nothing was sent.
    NotSent {
        /// Why.
        reason: String,
    },
    /// The host was reached; then the connection broke or timed out.
    Broken {
        /// Why.
        reason: String,
    },
    /// The vendor's response is an error.
    Refused(Refusal),
    /// A file's host responded with this HTTP status.
    Status(u16),
    /// The response can't be read.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// The response is longer than the limit.
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The address must not be followed.
    Forbidden {
        /// Why.
        reason: String,
    },
    /// A local file could not be read.
    File {
        /// Why.
        reason: String,
    },
    /// The vendor does not offer this call.
    Unsupported,
    /// The recording has no response to this call.
    NotOnTape,
}

impl CallError {
    /// The same error with another name for its subject, one that the user knows.
    pub fn about(self, subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            ..self
        }
    }

    /// What went wrong.
    pub fn kind(&self) -> &CallErrorKind {
        &self.kind
    }

    /// The consequence of the error.
    pub fn class(&self) -> ResponseClass {
        match &self.kind {
            CallErrorKind::NotSent { .. } => ResponseClass::NotSent,
            CallErrorKind::Broken { .. } | CallErrorKind::Unreadable { .. } => {
                ResponseClass::InDoubt
            }
            CallErrorKind::Refused(refusal) => refusal.class,
            CallErrorKind::Status(_) => self.status_class.unwrap_or(ResponseClass::InDoubt),
            CallErrorKind::TooLarge { .. }
            | CallErrorKind::Forbidden { .. }
            | CallErrorKind::File { .. }
            | CallErrorKind::Unsupported
            | CallErrorKind::NotOnTape => ResponseClass::RefusedJob,
        }
    }

    /// Whether the same call may succeed later. A call that ends in this error bought nothing, so a repeat is safe.
    pub fn is_retryable(&self) -> bool {
        self.class().is_retryable()
    }

    /// The response's `Retry-After`.
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.retry_after_ms
    }

    /// The HTTP status that a file's host sent.
    pub fn http_status(&self) -> Option<u16> {
        match self.kind {
            CallErrorKind::Status(status) => Some(status),
            _ => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't {}", self.operation)?;
        if !self.subject.is_empty() {
            write!(f, " {}", self.subject)?;
        }
        f.write_str(": ")?;
        match &self.kind {
            CallErrorKind::NotSent { reason } => write!(f, "not reached: {reason}"),
            CallErrorKind::Broken { reason } => write!(f, "no complete response: {reason}"),
            CallErrorKind::Refused(Refusal {
                code: Some(code),
                message,
                ..
            }) => write!(f, "refused with {code}: {message}"),
            CallErrorKind::Refused(Refusal {
                code: None,
                message,
                ..
            }) => write!(f, "{message}"),
            CallErrorKind::Status(status) => write!(f, "HTTP {status}"),
            CallErrorKind::Unreadable { reason } => write!(f, "unreadable response: {reason}"),
            CallErrorKind::TooLarge { limit_bytes } => write!(f, "longer than {limit_bytes} bytes"),
            CallErrorKind::Forbidden { reason } | CallErrorKind::File { reason } => {
                f.write_str(reason)
            }
            CallErrorKind::Unsupported => f.write_str("this provider does not offer this call"),
            CallErrorKind::NotOnTape => f.write_str("the tape has no response to this request"),
        }
    }
}

impl std::error::Error for CallError {}

/// Why a client could not be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The program must install a rustls crypto provider before it creates clients.
    #[error("no crypto provider for TLS is installed in this process")]
    NoCryptoProvider,
    /// Some vendors refuse requests without a user agent.
    #[error("the user agent is empty or can't be sent in an HTTP header")]
    UserAgent,
    /// An environment variable does not contain the address of a proxy.
    #[error("${name} names no proxy: {reason}")]
    Proxy {
        /// The variable.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// The HTTP library refused its settings.
    #[error("can't set up the HTTP client: {reason}")]
    Setup {
        /// Why.
        reason: String,
    },
}
