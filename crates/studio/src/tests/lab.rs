//! The test bench: a studio in a temporary folder, a plain client, a callback receiver, a short vocal.

use std::collections::VecDeque;
use std::f32::consts::TAU;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use backline_audio::{Audio, Encoding, encode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::{Studio, StudioConfig};

/// Longest wait for anything in a test; never reached when all is well.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A studio and the folder that it works in.
pub(super) struct Lab {
    pub(super) studio: Studio,
    pub(super) http: reqwest::Client,
    dir: TempDir,
}

/// A client that names itself, as every client of the contract must.
pub(super) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent("studio-tests")
        .no_proxy()
        .retry(reqwest::retry::never())
        .build()
        .unwrap()
}

pub(super) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

impl Lab {
    /// A studio whose config `change` has adjusted; instant and without a window unless it says otherwise.
    pub(super) async fn open(change: impl FnOnce(&mut StudioConfig)) -> Lab {
        Lab::open_in(TempDir::new().unwrap(), change).await
    }

    pub(super) async fn open_in(dir: TempDir, change: impl FnOnce(&mut StudioConfig)) -> Lab {
        let http = client();
        let mut config = StudioConfig::new(dir.path().join("studio"));
        config.instant = true;
        config.rate = None;
        config.encoding = Encoding::Wav16;
        config.callback_backoff = vec![Duration::from_millis(1); 3];
        change(&mut config);
        let studio = Studio::start(listener().await, config).await.unwrap();
        Lab { studio, http, dir }
    }

    /// Stops the studio and gives the folder back.
    pub(super) async fn close(self) -> TempDir {
        self.studio.stop().await;
        self.dir
    }

    /// The folder in which the studio's own lies.
    pub(super) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(super) fn url(&self, path: &str) -> String {
        self.studio.base_url().join(path).unwrap().into()
    }

    pub(super) fn shared(&self) -> &Arc<crate::shared::StudioState> {
        self.studio.shared()
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(self.url(path)).bearer_auth("any").json(body);
        request.send().await.unwrap().json().await.unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.http
            .get(self.url(path))
            .bearer_auth("any")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Submits `body` and returns the task id.
    pub(super) async fn submit(&self, body: &Value) -> String {
        let response = self.post("api/v1/generate/add-instrumental", body).await;
        assert_eq!(response["code"], 200, "{response}");
        response["data"]["taskId"].as_str().unwrap().to_owned()
    }

    pub(super) async fn record_info(&self, task_id: &str) -> Value {
        let response = self
            .get(&format!("api/v1/generate/record-info?taskId={task_id}"))
            .await;
        assert_eq!(response["code"], 200, "{response}");
        response["data"].clone()
    }

    /// The task's details once it has ended.
    pub(super) async fn finished(&self, task_id: &str) -> Value {
        let ended = async || {
            let status = self.record_info(task_id).await["status"].clone();
            status == "SUCCESS" || status == "GENERATE_AUDIO_FAILED"
        };
        tokio::time::timeout(PATIENCE, self.studio.wait_until(ended))
            .await
            .expect("the task ends");
        self.record_info(task_id).await
    }

    /// Waits until the callbacks of a task that were due are made.
    pub(super) async fn callbacks_made(&self, task_id: &str) {
        let made = async || {
            let id = task_id.to_owned();
            let look = move |connection: &rusqlite::Connection| {
                crate::store::callbacks::are_made(connection, &id)
            };
            self.shared().store.read("look", look).await.unwrap()
        };
        tokio::time::timeout(PATIENCE, self.studio.wait_until(made))
            .await
            .expect("the callbacks are made");
    }

    pub(super) async fn balance(&self) -> f64 {
        self.get("api/v1/generate/credit").await["data"]
            .as_f64()
            .unwrap()
    }

    /// Uploads `bytes` and returns their address.
    pub(super) async fn upload(&self, name: &str, bytes: Vec<u8>) -> String {
        let form = reqwest::multipart::Form::new()
            .text("uploadPath", "stems")
            .text("fileName", name.to_owned())
            .part(
                "file",
                reqwest::multipart::Part::bytes(bytes).file_name("vocal.wav"),
            );
        let request = self
            .http
            .post(self.url("api/file-stream-upload"))
            .bearer_auth("any")
            .multipart(form);
        let response: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(response["success"], true, "{response}");
        response["data"]["downloadUrl"].as_str().unwrap().to_owned()
    }

    pub(super) async fn download(&self, url: &str) -> Vec<u8> {
        let response = self
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
        response.bytes().await.unwrap().to_vec()
    }
}

/// A complete request; its callback address is a placeholder.
pub(super) fn request(upload_url: &str) -> Value {
    json!({
        "uploadUrl": upload_url, "title": "Lullaby", "tags": "piano, calm", "negativeTags": "drums",
        "callBackUrl": "https://example.com/callback", "model": "V4_5PLUS", "styleWeight": 0.61,
    })
}

/// A request in which nothing has to be fetched: instant mode never reads the source.
pub(super) fn instant_request() -> Value {
    request("https://cdn.example.com/vocal.mp3")
}

/// A few seconds that a voice could have sung: harmonics with vibrato on the notes of a simple tune.
pub(super) fn vocal() -> Vec<u8> {
    const RATE_HZ: u32 = 22_050;
    const NOTE_S: f32 = 0.5;
    const TUNE_HZ: [f32; 14] = [
        261.6, 261.6, 392.0, 392.0, 440.0, 440.0, 392.0, 349.2, 349.2, 329.6, 329.6, 293.7, 293.7,
        261.6,
    ];
    let mut phase = 0.0_f32;
    let frames = (TUNE_HZ.len() as f32 * NOTE_S * RATE_HZ as f32) as usize;
    let sample = |frame: usize| {
        let time_s = frame as f32 / RATE_HZ as f32;
        let within_s = time_s % NOTE_S;
        let hz = TUNE_HZ[(time_s / NOTE_S) as usize % TUNE_HZ.len()]
            * (1.0 + 0.004 * (TAU * 5.5 * time_s).sin());
        phase += TAU * hz / RATE_HZ as f32;
        let level = (within_s / 0.03).min(1.0) * ((NOTE_S - within_s) / 0.06).clamp(0.0, 1.0);
        0.3 * level
            * (1..=6)
                .map(|n| (phase * n as f32).sin() / (n * n) as f32)
                .sum::<f32>()
    };
    let channel = (0..frames).map(sample).collect();
    encode(
        &Audio {
            rate_hz: RATE_HZ,
            channels: vec![channel],
        },
        Encoding::Wav16,
    )
    .unwrap()
}

/// A callback receiver that sends the given responses and passes on the callbacks.
pub(super) struct Receiver {
    pub(super) url: String,
    calls: mpsc::UnboundedReceiver<CallbackRecord>,
}

/// One callback as it came.
pub(super) struct CallbackRecord {
    pub(super) path: String,
    /// Time stamp and signature.
    pub(super) signature: Option<(String, String)>,
    /// Null when it was no JSON.
    pub(super) body: Value,
    /// The body's bytes, and `Content-Encoding`.
    pub(super) raw: Vec<u8>,
    pub(super) encoding: Option<String>,
}

#[derive(Clone)]
struct ReceiverState {
    responses: Arc<Mutex<VecDeque<u16>>>,
    calls: mpsc::UnboundedSender<CallbackRecord>,
}

impl Receiver {
    /// Responds with `responses` first and 200 from then on.
    pub(super) async fn open(responses: &[u16]) -> Receiver {
        let (sender, calls) = mpsc::unbounded_channel();
        let state = ReceiverState {
            responses: Arc::new(Mutex::new(responses.iter().copied().collect())),
            calls: sender,
        };
        let listener = listener().await;
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/hook", post(receive))
            .route("/hook/{token}", post(receive))
            .route("/hook/{token}/", post(receive))
            .with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Receiver { url, calls }
    }

    /// The next callback.
    pub(super) async fn next(&mut self) -> Value {
        self.next_call().await.body
    }

    /// The next callback with everything around it.
    pub(super) async fn next_call(&mut self) -> CallbackRecord {
        tokio::time::timeout(PATIENCE, self.calls.recv())
            .await
            .expect("a callback comes")
            .unwrap()
    }

    /// A callback that has come already.
    pub(super) fn next_if_there(&mut self) -> Option<Value> {
        self.calls.try_recv().ok().map(|call| call.body)
    }

    /// The receiver's address with a token as its last segment.
    pub(super) fn url_of(&self, token: &str) -> String {
        format!("{}/{token}", self.url)
    }

    /// The types of the next `count` callbacks.
    pub(super) async fn types(&mut self, count: usize) -> Vec<String> {
        let mut types = Vec::new();
        for _ in 0..count {
            types.push(
                self.next().await["data"]["callbackType"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        types
    }
}

async fn receive(
    State(state): State<ReceiverState>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let header = |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
    let call = CallbackRecord {
        path: uri.path().to_owned(),
        signature: header("x-webhook-timestamp").zip(header("x-webhook-signature")),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        raw: body.to_vec(),
        encoding: header("content-encoding"),
    };
    state.calls.send(call).unwrap();
    let response = state.responses.lock().unwrap().pop_front().unwrap_or(200);
    StatusCode::from_u16(response).unwrap()
}
