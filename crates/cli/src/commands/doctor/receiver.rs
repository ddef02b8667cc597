//! Whether callbacks can be received: the address is free, and the public one leads to it.
//!
//! ```text
//!  doctor ──POST public_url/…──► the world ──► this machine's address ──► a receiver for this one question
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use backline_api::{PostError, Poster};
use backline_engine::event::RunId;
use backline_engine::plan::Plan;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::Check;
use crate::exit_codes;
use crate::key::callback_key;

/// Longest time for the way round.
const PATIENCE: Duration = Duration::from_secs(15);

/// Longest request that is read; the doctor's own is a fraction of it.
const MAX_REQUEST_BYTES: u64 = 16 * 1024;

const ABOUT: &str = "callbacks";

/// The manifest's receiver.
pub(super) async fn look(plan: &Plan) -> Check {
    let Some(callbacks) = &plan.callbacks else {
        return Check::fine(
            ABOUT,
            "none are received from outside; results are asked for",
        );
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
                "well if `backline listen` or a run is at work; else choose another for `callbacks: {listen: …}`",
            );
        }
        Err(error) => {
            return Check::wrong(
                ABOUT,
                exit_codes::USAGE,
                format!("{address} can't be listened on: {error}"),
                "choose another for `callbacks: {listen: …}`",
            );
        }
    };
    let bound = listener.local_addr().unwrap_or(address);
    round(bound, &callbacks.public_url, listener).await
}

/// Posts to the public address and sees whether it arrives here.
async fn round(address: SocketAddr, public: &Url, listener: TcpListener) -> Check {
    // Nobody else knows it: whoever says it has got it from here.
    let word = RunId::new().to_string();
    let answering = tokio::spawn(answer(listener, word.clone()));
    let mut url = public.clone();
    url.set_path(&format!("{}/{word}", public.path().trim_end_matches('/')));
    let posted = match Poster::new(concat!("backline/", env!("CARGO_PKG_VERSION")), true) {
        Ok(poster) => poster.post(&url, &[], b"{}".to_vec(), PATIENCE).await,
        Err(error) => Err(PostError::Unanswered(error.to_string())),
    };
    answering.abort();
    let shown = backline_api::redact_url(public.as_str());
    match posted {
        Ok(posted) if String::from_utf8_lossy(&posted.body).contains(&word) => {
            Check::fine(ABOUT, format!("{shown} leads to {address}"))
        }
        Ok(posted) => Check::doubtful(
            ABOUT,
            format!(
                "{shown} is answered with {}, but not from {address}",
                posted.status
            ),
            "point the tunnel or proxy at that address; without callbacks results are asked for",
        ),
        Err(error) => Check::doubtful(
            ABOUT,
            format!("{address} can be listened on, but {shown} was not reached from here: {error}"),
            "look at the tunnel, the name and the port; some routers don't let a machine reach its own public address",
        ),
    }
}

/// Answers every request with `word`, if it names it.
async fn answer(listener: TcpListener, word: String) {
    while let Ok((stream, _)) = listener.accept().await {
        // One that breaks off is not the doctor's.
        let _ = one(stream, &word).await;
    }
}

async fn one(mut stream: TcpStream, word: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut limited = (&mut stream).take(MAX_REQUEST_BYTES);
    let mut chunk = [0; 1024];
    while !request.windows(4).any(|part| part == b"\r\n\r\n") {
        match limited.read(&mut chunk).await? {
            0 => break,
            read => request.extend_from_slice(&chunk[..read]),
        }
    }
    let named = String::from_utf8_lossy(&request).contains(word);
    let (status, body) = if named {
        ("200 OK", word)
    } else {
        ("404 Not Found", "")
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
