//! The collector of traces: its address, its HTTP client, and one warning if it can't be reached.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as Exporter};
use url::Url;

use crate::failure::{Failure, Kind};
use crate::log::Notices;

/// The path at which a collector receives traces.
const PATH: &str = "/v1/traces";

/// The timeout of a batch.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest text of a provider in a span, in characters.
const MOST_WORDS: usize = 300;

/// The collector's address for traces. The standard path is added if it is missing.
fn endpoint(address: &str) -> Result<Url, Failure> {
    let url = Url::parse(address).map_err(|error| {
        let context = "cannot parse the collector's address";
        Failure::new(Kind::Usage, anyhow::Error::new(error).context(context))
            .hint("as in --otlp http://127.0.0.1:4318")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        let message = "the collector's address contains a user name or a password";
        return Err(Failure::msg(Kind::Usage, message)
            .hint("set an `authorization` header in $OTEL_EXPORTER_OTLP_HEADERS; no process list shows it"));
    }
    if !matches!(url.scheme(), "http" | "https") {
        let message = format!("{} is not the address of a collector", without_query(&url));
        return Err(Failure::msg(Kind::Usage, message)
            .hint("traces are sent over HTTP: --otlp http://127.0.0.1:4318"));
    }
    let mut endpoint = url;
    let path = endpoint.path().trim_end_matches('/').to_owned();
    if !path.ends_with(PATH) {
        endpoint.set_path(&format!("{path}{PATH}"));
    }
    Ok(endpoint)
}

/// An address without its query, which may contain a secret.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// The error of the last request; none if it succeeded.
type Why = Arc<Mutex<Option<String>>>;

/// The exporter's HTTP client. It stores why a request failed, because the exporter's own error says only that the network
/// failed.
#[derive(Debug)]
struct ReportingClient {
    client: reqwest::blocking::Client,
    why: Why,
}

impl HttpClient for ReportingClient {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let sent = self.client.send_bytes(request).await.map_err(bare);
            let why = sent.as_ref().err().map(|error| with_sources(&**error));
            *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
            sent
        })
    }
}

/// An error without its URL. The message already contains the URL without its query.
fn bare(error: HttpError) -> HttpError {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => error.without_url().into(),
        Err(other) => other,
    }
}

/// An error with all of its causes, down to the operating system's.
fn with_sources(error: &(dyn Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| (**error).source());
    let causes: Vec<String> = all.map(ToString::to_string).collect();
    words(&causes.join(": "))
}

/// Sends batches to a collector, and warns once if that fails.
pub(super) struct WarningExporter {
    exporter: SpanExporter,
    /// The address without its query, which may contain a secret.
    endpoint: String,
    why: Why,
    notices: Notices,
    warned: AtomicBool,
}

impl fmt::Debug for WarningExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WarningExporter")
            .field(&self.exporter)
            .finish()
    }
}

impl WarningExporter {
    /// Creates an exporter to the collector at `address`. Must be called outside of a runtime, because the client has its own.
    pub(super) fn start(address: &str, notices: &Notices) -> Result<Self, Failure> {
        let endpoint = endpoint(address)?;
        let shown = without_query(&endpoint);
        let failed = |error: anyhow::Error| {
            let context = format!("traces can't be sent to {shown}");
            Failure::new(Kind::Usage, error.context(context))
        };
        let client = reqwest::blocking::Client::builder()
            .timeout(PATIENCE)
            .build();
        let client = ReportingClient {
            client: client.map_err(|error| failed(error.into()))?,
            why: Why::default(),
        };
        let why = Arc::clone(&client.why);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(endpoint.as_str())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| failed(error.into()))?;
        Ok(Self {
            exporter,
            endpoint: shown,
            why,
            notices: notices.clone(),
            warned: AtomicBool::new(false),
        })
    }
}

impl Exporter for WarningExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        if let Err(error) = &sent
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            let endpoint = &self.endpoint;
            let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
            let why = why.clone().unwrap_or_else(|| error.to_string());
            self.notices.print(&format!(
                "warning: cannot send traces to {endpoint}: {why}; the run continues without them\n"
            ));
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// A provider's message, cut to [`MOST_WORDS`] characters.
pub(super) fn words(message: &str) -> String {
    message.chars().take(MOST_WORDS).collect()
}
