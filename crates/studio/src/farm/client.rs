//! The worker's side: takes a render from a studio, computes it here, and sends the finished parts.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use reqwest::{Body, Client, RequestBuilder, Response, StatusCode};
use tokio::sync::mpsc;

use super::wire::{Begin, Begun, FileHead, PartHead, PartOnWire};
use crate::computing::{self, Delivery};
use crate::config::SOURCE_BYTES;
use crate::playing::{Playing, PlayingError};
use crate::render::{Content, Part};
use crate::soundfont::SoundFont;

/// Longest wait for a connection, and for the next bytes of a response: the studio writes a part to its disk first.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(120);
/// The waits before a call is repeated whose response did not come.
const REPEATS: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// Computes renders of studios on other machines.
#[derive(Debug, Clone)]
pub struct FarmWorker {
    playing: Playing,
    soundfont: Option<SoundFont>,
    client: Client,
}

/// Why a worker did not finish a render. No message contains its secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FarmWorkerError {
    /// The sample could not be rendered.
    #[error(transparent)]
    Playing(#[from] PlayingError),
    /// The HTTP client could not be built.
    #[error("could not build the HTTP client")]
    Client(#[source] reqwest::Error),
    /// The studio plays differently, so its tracks would sound different from those of this worker.
    #[error("the studio at {studio} plays with {theirs}; this worker plays with {own}")]
    PlaysDifferently {
        /// The studio's address.
        studio: String,
        /// What it plays with.
        theirs: Box<Playing>,
        /// What this worker plays with.
        own: Box<Playing>,
    },
    /// The studio can't be reached.
    #[error("the studio can't be reached")]
    Unreachable(#[source] reqwest::Error),
    /// Another worker has the render now, or its task is over.
    #[error("the render was given to another worker, or is over")]
    TakenOver,
    /// The studio refused a call.
    #[error("the studio refused a call with HTTP status {status}: {message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The beginning of the response.
        message: String,
    },
    /// The source is not the one that the studio described.
    #[error("the source did not arrive as the studio described it")]
    Source,
}

impl FarmWorker {
    /// A worker with these instruments. Renders the sample of [`Playing`]. Blocks.
    ///
    /// # Errors
    /// When the sample can't be rendered, or the HTTP client can't be built.
    pub fn new(soundfont: Option<SoundFont>) -> Result<Self, FarmWorkerError> {
        // Recordings go straight to the studio: proxies of the environment are not used.
        let client = Client::builder()
            .user_agent(concat!("backline-worker/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(FarmWorkerError::Client)?;
        Ok(Self {
            playing: Playing::of(soundfont.as_ref())?,
            soundfont,
            client,
        })
    }

    /// What it plays with.
    pub fn playing(&self) -> &Playing {
        &self.playing
    }

    /// Computes one render of the studio at `studio`, whose base address ends in a slash. Returns whether there was something to do: a render whose task is
    /// over needs no worker.
    ///
    /// # Errors
    /// When the render is not finished, so that another worker must take it. Errors of the render itself are results, which the
    /// studio gets.
    pub async fn carry_out(&self, studio: &str, secret: &str) -> Result<bool, FarmWorkerError> {
        let url = |path: &str| format!("{studio}studio/render/{path}");
        let begin = Begin {
            process: std::process::id(),
            playing: self.playing.clone(),
        };
        let call = || {
            let request = self.client.post(url("begin")).json(&begin);
            request.bearer_auth(secret)
        };
        let response = send(call).await?;
        let begun: Begun = match response.status() {
            StatusCode::GONE => return Ok(false),
            StatusCode::CONFLICT => {
                return Err(FarmWorkerError::PlaysDifferently {
                    studio: studio.to_owned(),
                    theirs: Box::new(response.json().await.map_err(unreachable)?),
                    own: Box::new(self.playing.clone()),
                });
            }
            _ => accepted(response)
                .await?
                .json()
                .await
                .map_err(unreachable)?,
        };
        let source = send(|| self.client.get(url("source")).bearer_auth(secret)).await?;
        let source = receive(accepted(source).await?, &begun.source).await?;
        let (deliver, mut deliveries) = mpsc::channel(1);
        let soundfont = self.soundfont.clone();
        let computing = tokio::spawn(computing::compute(source, begun.order, soundfont, deliver));
        let mut index = 0_u32;
        while let Some(delivery) = deliveries.recv().await {
            let pieces = written(delivery);
            let part = url(&format!("{}/{index}", begun.attempt));
            let call = || {
                let pieces = pieces.clone().into_iter().map(Ok::<_, std::io::Error>);
                let body = Body::wrap_stream(futures::stream::iter(pieces));
                self.client.post(&part).bearer_auth(secret).body(body)
            };
            accepted(send(call).await?).await?;
            index += 1;
        }
        // It has sent everything, and reports its own panics.
        let _ = computing.await;
        Ok(true)
    }
}

/// Sends a request, and repeats it while no response comes. Every call may be repeated: a part has a number.
async fn send(call: impl Fn() -> RequestBuilder) -> Result<Response, FarmWorkerError> {
    let mut repeats = REPEATS.into_iter();
    loop {
        match (call().send().await, repeats.next()) {
            (Ok(response), _) => return Ok(response),
            (Err(error), None) => return Err(unreachable(error)),
            (Err(_), Some(wait)) => tokio::time::sleep(wait).await,
        }
    }
}

fn unreachable(error: reqwest::Error) -> FarmWorkerError {
    FarmWorkerError::Unreachable(error)
}

/// The response, if the studio accepted the call.
async fn accepted(response: Response) -> Result<Response, FarmWorkerError> {
    /// Characters of a refusal that are shown.
    const SHOWN_CHARS: usize = 200;
    let status = response.status();
    match status {
        StatusCode::GONE => Err(FarmWorkerError::TakenOver),
        _ if status.is_success() => Ok(response),
        _ => {
            let said = response.text().await.unwrap_or_default();
            Err(FarmWorkerError::Status {
                status: status.as_u16(),
                message: said.chars().take(SHOWN_CHARS).collect(),
            })
        }
    }
}

/// Receives the source and checks its size and hash.
async fn receive(response: Response, head: &FileHead) -> Result<Vec<u8>, FarmWorkerError> {
    if head.bytes > SOURCE_BYTES {
        return Err(FarmWorkerError::Source);
    }
    let mut source = Vec::new();
    let mut body = response.bytes_stream();
    while let Some(piece) = body.next().await {
        source.extend_from_slice(&piece.map_err(unreachable)?);
        if source.len() as u64 > head.bytes {
            return Err(FarmWorkerError::Source);
        }
    }
    let found = FileHead::of(&source);
    match found.bytes == head.bytes && found.blake3 == head.blake3 {
        true => Ok(source),
        false => Err(FarmWorkerError::Source),
    }
}

/// The body of a part, in pieces.
fn written(delivery: Delivery) -> Vec<Bytes> {
    let (part, contents) = match delivery {
        Delivery::Part(Part::Heard) => (PartOnWire::Heard, Vec::new()),
        Delivery::Part(Part::Track(track)) => (
            PartOnWire::Track {
                number: track.number,
                duration_s: track.duration_s,
                facts: track.facts,
            },
            vec![track.instrumental, track.mix, track.midi],
        ),
        Delivery::Part(Part::File(file)) => (
            PartOnWire::File {
                name: file.name,
                extension: file.extension,
                duration_s: file.duration_s,
            },
            vec![file.content],
        ),
        Delivery::Part(Part::Notes(notes)) => (PartOnWire::Notes(notes), Vec::new()),
        Delivery::Done => (PartOnWire::Done, Vec::new()),
        Delivery::Failed(failure) => (PartOnWire::Failed(failure), Vec::new()),
    };
    let contents: Vec<Vec<u8>> = contents
        .into_iter()
        .filter_map(|content| match content {
            Content::Memory(bytes) => Some(bytes),
            // Renders of this process have all their files in memory.
            Content::Scratch(_) => None,
        })
        .collect();
    let head = PartHead {
        part,
        files: contents
            .iter()
            .map(|content| FileHead::of(content))
            .collect(),
    };
    let head = serde_json::to_vec(&head).expect("a part's head is plain JSON");
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
    let mut pieces = vec![Bytes::copy_from_slice(&length.to_be_bytes()), head.into()];
    pieces.extend(contents.into_iter().map(Bytes::from));
    pieces
}
