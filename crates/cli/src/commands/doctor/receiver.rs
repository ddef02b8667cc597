//! Checks that callbacks can be received: the address is free, and the public URL leads to it.
//!
//! ```text
//!  doctor ──POST public_url/…──► the world ──► this machine's address ──► a receiver for this one request
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use backline_api::{PostError, WebhookClient};
use backline_engine::event::RunId;
use backline_engine::plan::Plan;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::Check;
use crate::exit_codes;
use crate::key::callback_key;

/// The timeout of the request through the public URL.
const PATIENCE: Duration = Duration::from_secs(15);

/// The largest request that is read. The doctor's own request is much smaller.
const MAX_REQUEST_BYTES: u64 = 16 * 1024;

const ABOUT: &str = "callbacks";

/// Checks the manifest's receiver.
pub(super) async fn check(plan: &Plan) -> Check {
    let Some(callbacks) = &plan.callbacks else {
        let calls_back = plan.provider.profile.loopback && !plan.polls_only;
        let found = match calls_back {
            true => "received on a free port of this machine while a run lasts",
            false => "not configured; results are polled",
        };
        return Check::fine(ABOUT, found);
    };
    if let Err(failure) = callback_key(Some(callbacks)) {
        return Check::failed(ABOUT, &failure);
    }
    let address = callbacks.listen;
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            return Check::doubtful(
                ABOUT,
                format!("{address} is in use"),
                "expected if `backline listen` or a run is active; else choose another for `callbacks: {listen: …}`",
            );
        }
        Err(error) => {
            return Check::wrong(
                ABOUT,
                exit_codes::USAGE,
                format!("cannot listen on {address}: {error}"),
                "choose another for `callbacks: {listen: …}`",
            );
        }
    };
    let bound = listener.local_addr().unwrap_or(address);
    round(bound, &callbacks.public_url, listener).await
}

/// Posts to the public URL and checks that the request arrives at `listener`.
async fn round(address: SocketAddr, public: &Url, listener: TcpListener) -> Check {
    // The secret is new for each check, so only this receiver can respond with it.
    let nonce = RunId::new().to_string();
    let responder = tokio::spawn(respond(listener, nonce.clone()));
    let mut url = public.clone();
    url.set_path(&format!("{}/{nonce}", public.path().trim_end_matches('/')));
    let posted = match WebhookClient::new(concat!("backline/", env!("CARGO_PKG_VERSION")), true) {
        Ok(poster) => poster.post(&url, &[], b"{}".to_vec(), PATIENCE).await,
        Err(error) => Err(PostError::NoResponse(error.to_string())),
    };
    responder.abort();
    let shown = backline_api::redact_url(public.as_str());
    match posted {
        Ok(posted) if String::from_utf8_lossy(&posted.body).contains(&nonce) => {
            Check::fine(ABOUT, format!("{shown} leads to {address}"))
        }
        Ok(posted) => Check::doubtful(
            ABOUT,
            format!(
                "{shown} responds with {}, but not from {address}",
                posted.status
            ),
            "point the tunnel or proxy at that address; without callbacks results are polled",
        ),
        Err(error) => Check::doubtful(
            ABOUT,
            format!("{address} is free, but {shown} cannot be reached from here: {error}"),
            "check the tunnel, the name and the port; some routers block a machine from its own public address",
        ),
    }
}

/// Responds with `nonce` to every request that contains it.
async fn respond(listener: TcpListener, nonce: String) {
    while let Ok((stream, _)) = listener.accept().await {
        // A connection that fails is not from the doctor.
        let _ = one(stream, &nonce).await;
    }
}

async fn one(mut stream: TcpStream, nonce: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut limited = (&mut stream).take(MAX_REQUEST_BYTES);
    let mut chunk = [0; 1024];
    while !request.windows(4).any(|part| part == b"\r\n\r\n") {
        match limited.read(&mut chunk).await? {
            0 => break,
            read => request.extend_from_slice(&chunk[..read]),
        }
    }
    let named = String::from_utf8_lossy(&request).contains(nonce);
    let (status, body) = if named {
        ("200 OK", nonce)
    } else {
        ("404 Not Found", "")
    };
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}
