//! Everything that can go wrong with a call, split by what the caller can do about it.
//!
//! Sources are kept as text, with addresses redacted and the key cut out: the errors of the HTTP library quote whole
//! addresses, and vendors quote what they were sent.

use std::fmt;

use crate::{Refusal, ResponseClass};

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    pub(super) operation: &'static str,
    pub(super) subject: String,
    pub(super) kind: CallErrorKind,
    pub(super) retry_after_ms: Option<u64>,
    /// What an HTTP status means at this call; none for other kinds.
    pub(super) status_class: Option<ResponseClass>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallErrorKind {
    /// The other side was not reached: nothing was sent.
    NotSent {
        /// Why.
        reason: String,
    },
    /// It was reached, and then the connection broke or went silent.
    Broken {
        /// Why.
        reason: String,
    },
    /// The vendor's response is not a success.
    Refused(Refusal),
    /// A file's host responded with this HTTP status.
    Status(u16),
    /// The response can't be read.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// Longer than is accepted.
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The address may not be followed.
    Forbidden {
        /// Why.
        reason: String,
    },
    /// A local file could not be read.
    File {
        /// Why.
        reason: String,
    },
    /// The vendor has no such call.
    Unsupported,
    /// The recording has no response to it.
    NotOnTape,
}

impl CallError {
    /// The same about another name of its subject: that by which the caller's user knows it.
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

    /// What follows from it.
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

    /// Whether the same call may succeed later. Every call that ends in this error buys nothing, so making it again is safe.
    pub fn is_retryable(&self) -> bool {
        self.class().is_retryable()
    }

    /// The response's `Retry-After`.
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.retry_after_ms
    }

    /// The HTTP status of a file's host.
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
            CallErrorKind::Broken { reason } => write!(f, "no whole response: {reason}"),
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
            CallErrorKind::Unsupported => f.write_str("this provider has no such call"),
            CallErrorKind::NotOnTape => f.write_str("the tape has no response to it"),
        }
    }
}

impl std::error::Error for CallError {}

/// Why a client could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The program must install a rustls crypto provider before it makes clients.
    #[error("no crypto provider for TLS is installed in this process")]
    NoCryptoProvider,
    /// Some vendors refuse requests that do not say who sends them.
    #[error("the user agent is empty or can't be sent in an HTTP header")]
    UserAgent,
    /// A variable of the environment names no proxy.
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
