//! `service`: a program that is started once and exchanges lines of JSON, many events at a time.
//!
//! ```text
//!   → {"hello": {"protocol": 1, "program": "backline 0.1.0", "points": ["before_submit"]}}
//!   ← {"hello": {"protocol": 1}}
//!   → {"id": 1, "event": {…}}
//!   ← {"id": 1, "change": {…}}
//! ```
//!
//! One task owns the program. It is started with the first event, and again after it has ended, each time after a longer wait;
//! after too many starts in a row without a response it is not started again. An event without a response in its timeout fails; a
//! service that wrote nothing at all in that time is ended. A line that is too long or is no response ends it, too.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};

use super::process::{Group, HookContext};
use super::{HookError, HookPoint, HookResponse, Order, RESPONSE_LIMIT_BYTES};

/// The version of the protocol that this program speaks.
pub const PROTOCOL: u32 = 1;

/// Events that wait to be written; the caller of one more waits.
const BACKLOG: usize = 256;

/// The wait before the first restart; it doubles with each restart without a response in between …
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// … up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Starts in a row without a response after which a service is not started again.
const STARTS: u32 = 6;

/// How long a service may take to end when its input is closed.
const GRACE: Duration = Duration::from_secs(2);

/// A service, started on demand. Dropping it ends the program.
#[derive(Debug)]
pub(crate) struct Service {
    calls: mpsc::Sender<PendingCall>,
}

/// How a service is started.
#[derive(Debug, Clone)]
pub(crate) struct ServiceSpec {
    pub(crate) name: String,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) order: Order,
    pub(crate) start_timeout_ms: u64,
    pub(crate) points: Vec<HookPoint>,
}

/// An event and where its response goes.
#[derive(Debug)]
struct PendingCall {
    point: HookPoint,
    event: Vec<u8>,
    timeout_ms: u64,
    response: oneshot::Sender<Result<HookResponse, HookError>>,
}

/// An event that was written.
#[derive(Debug)]
struct SentEvent {
    id: u64,
    written_at: Instant,
    ends: Instant,
    timeout_ms: u64,
    response: oneshot::Sender<Result<HookResponse, HookError>>,
}

impl Service {
    /// A service that is not started yet.
    pub(crate) fn new(spec: ServiceSpec, context: HookContext) -> Self {
        let (calls, inbox) = mpsc::channel(BACKLOG);
        tokio::spawn(own(spec, context, inbox));
        Self { calls }
    }

    /// Sends the service an event and waits for the response.
    pub(crate) async fn call(
        &self,
        point: HookPoint,
        event: Vec<u8>,
        timeout_ms: u64,
    ) -> Result<HookResponse, HookError> {
        let (response, received) = oneshot::channel();
        let call = PendingCall {
            point,
            event,
            timeout_ms,
            response,
        };
        let gone = || HookError::Gone("it is not running any more".to_owned());
        self.calls.send(call).await.map_err(|_| gone())?;
        received.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// A program that has greeted.
struct Up {
    child: tokio::process::Child,
    /// Kills the group when dropped.
    _group: Group,
    lines: ServiceLines,
    stdin: ChildStdin,
    /// What is to be written; no more than the events that may be pending.
    outbox: Vec<u8>,
    /// The points that it subscribes to; `None` for all.
    points: Option<HashSet<HookPoint>>,
}

/// Owns the program: starts it, writes events, sends responses to their callers, until nobody calls any more.
async fn own(spec: ServiceSpec, context: HookContext, mut inbox: mpsc::Receiver<PendingCall>) {
    let mut failures = 0_u32;
    let mut not_before = Instant::now();
    while let Some(call) = inbox.recv().await {
        if failures >= STARTS {
            let why = format!("it was started {failures} times and sent no response");
            let _ = call.response.send(Err(HookError::Gone(why)));
            continue;
        }
        sleep_until(not_before).await;
        let responded = match start(&spec, &context).await {
            Ok(up) => exchange(&spec, &context, up, call, &mut inbox).await,
            Err(error) => {
                tracing::warn!(hook = %spec.name, %error, "the service did not come up");
                let _ = call.response.send(Err(error));
                false
            }
        };
        failures = if responded { 0 } else { failures + 1 };
        let wait = FIRST_WAIT * 2_u32.saturating_pow(failures.min(10));
        not_before = Instant::now() + wait.min(LONGEST_WAIT);
    }
}

/// Starts the program and exchanges greetings.
async fn start(spec: &ServiceSpec, context: &HookContext) -> Result<Up, HookError> {
    let mut started = context.start(&spec.name, &spec.argv, &spec.env)?;
    let (Some(mut stdin), Some(stdout)) = (started.child.stdin.take(), started.child.stdout.take())
    else {
        return Err(HookError::Start("it has no pipes".to_owned()));
    };
    let hello = json!({ "hello": {
        "protocol": PROTOCOL,
        "program": concat!("backline ", env!("CARGO_PKG_VERSION")),
        "points": spec.points,
    }});
    let codec = LinesCodec::new_with_max_length(RESPONSE_LIMIT_BYTES);
    let mut lines = FramedRead::new(stdout, codec);
    let limit = Duration::from_millis(spec.start_timeout_ms);
    let greet = async {
        // A program that ended before this has closed its output, too.
        let _ = stdin.write_all(&line_of(&hello)).await;
        next_line(&mut lines, context).await
    };
    let line = timeout(limit, greet)
        .await
        .map_err(|_| HookError::TimedOut(spec.start_timeout_ms))??;
    let Some(line) = line else {
        let status = timeout(GRACE, started.child.wait()).await;
        let how = match status {
            Ok(Ok(status)) => status.to_string(),
            _ => "no status".to_owned(),
        };
        return Err(HookError::Gone(format!(
            "it ended at its start, with {how}"
        )));
    };
    let points = greeting(&line, context)?;
    let super::process::Started { child, group } = started;
    Ok(Up {
        child,
        _group: group,
        lines,
        stdin,
        outbox: Vec::new(),
        points,
    })
}

/// Reads a greeting: the points that the service subscribes to, if it chooses.
fn greeting(line: &str, context: &HookContext) -> Result<Option<HashSet<HookPoint>>, HookError> {
    let garbage = || {
        HookError::Garbage(context.clean(&format!(
            "a service's first line is `{{\"hello\": {{\"protocol\": {PROTOCOL}}}}}`, not: {line}"
        )))
    };
    let json: Json = serde_json::from_str(line).map_err(|_| garbage())?;
    let hello = json.get("hello").ok_or_else(garbage)?;
    match hello.get("protocol").and_then(Json::as_u64) {
        Some(version) if version == u64::from(PROTOCOL) => {}
        Some(other) => return Err(HookError::Protocol(other.to_string(), PROTOCOL)),
        None => return Err(garbage()),
    }
    // What it lists and this program does not know is of a later version.
    let points = hello.get("points").and_then(Json::as_array).map(|points| {
        let names = points.iter().filter_map(Json::as_str);
        names.filter_map(|name| name.parse().ok()).collect()
    });
    Ok(points)
}

/// Exchanges events and responses with a program that has greeted, until it ends or nobody calls any more. Returns whether it
/// responded at all.
async fn exchange(
    spec: &ServiceSpec,
    context: &HookContext,
    mut up: Up,
    first: PendingCall,
    inbox: &mut mpsc::Receiver<PendingCall>,
) -> bool {
    let mut pending: VecDeque<SentEvent> = VecDeque::new();
    let (mut next_id, mut responded) = (1_u64, false);
    let mut last_read = Instant::now();
    let mut next = Some(first);
    let mut input_closed = false;
    let error = loop {
        if let Some(call) = next.take() {
            send(&mut up, call, &mut next_id, &mut pending);
        }
        // A program that has ended closes its output, too; only after that is its exit status known.
        let to_write = !up.outbox.is_empty() && !input_closed;
        let ends = pending.iter().map(|written| written.ends).min();
        let due = async {
            match ends {
                Some(ends) => sleep_until(ends).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            line = next_line(&mut up.lines, context) => match line {
                Ok(Some(line)) => {
                    last_read = Instant::now();
                    match dispatch(&line, spec.order, &mut pending, context) {
                        Ok(()) => responded = true,
                        Err(error) => break error,
                    }
                }
                Ok(None) => break ended(&mut up).await,
                Err(error) => break error,
            },
            written = up.stdin.write(&up.outbox), if to_write => match written {
                Ok(bytes) if bytes > 0 => drop(up.outbox.drain(..bytes)),
                _ => input_closed = true,
            },
            call = inbox.recv(), if pending.len() < BACKLOG => match call {
                Some(call) => next = Some(call),
                None => break HookError::Gone("the run is over".to_owned()),
            },
            () = due => {
                if let Some(error) = give_up(&mut pending, last_read, spec.order) {
                    break error;
                }
            }
        }
    };
    if !matches!(&error, HookError::Gone(why) if why == "the run is over") {
        tracing::warn!(hook = %spec.name, %error, "the service has ended");
    } else {
        // A service ends when its input is closed; the group is killed either way.
        drop(up.stdin);
        let _ = timeout(GRACE, up.child.wait()).await;
    }
    for written in pending {
        let _ = written.response.send(Err(error.clone()));
    }
    responded
}

/// Queues an event for writing, unless the service does not subscribe to its point.
fn send(up: &mut Up, call: PendingCall, next_id: &mut u64, pending: &mut VecDeque<SentEvent>) {
    if up
        .points
        .as_ref()
        .is_some_and(|points| !points.contains(&call.point))
    {
        let _ = call.response.send(Ok(HookResponse::Nothing));
        return;
    }
    let id = *next_id;
    *next_id += 1;
    up.outbox
        .extend_from_slice(format!("{{\"id\":{id},\"event\":").as_bytes());
    up.outbox.extend_from_slice(&call.event);
    up.outbox.extend_from_slice(b"}\n");
    let written_at = Instant::now();
    let ends = written_at + Duration::from_millis(call.timeout_ms);
    pending.push_back(SentEvent {
        id,
        written_at,
        ends,
        timeout_ms: call.timeout_ms,
        response: call.response,
    });
}

/// Sends a response to the caller that waits for it.
fn dispatch(
    line: &str,
    order: Order,
    pending: &mut VecDeque<SentEvent>,
    context: &HookContext,
) -> Result<(), HookError> {
    let garbage = |why: String| HookError::Garbage(context.clean(&why));
    let json: Json =
        serde_json::from_str(line).map_err(|error| garbage(format!("{error}: {line}")))?;
    let id = json.get("id").and_then(Json::as_u64);
    let place = match (order, id) {
        (Order::Ordered, None) => 0,
        (Order::Ordered, Some(id)) => match pending.front() {
            Some(first) if first.id == id => 0,
            _ => {
                return Err(garbage(format!(
                    "it sent the response to {id} out of order"
                )));
            }
        },
        (Order::Concurrent, Some(id)) => {
            match pending.iter().position(|written| written.id == id) {
                Some(place) => place,
                None => return Ok(()), // its event has timed out
            }
        }
        (Order::Concurrent, None) => return Err(garbage("a response has no `id`".to_owned())),
    };
    let Some(written) = pending.remove(place) else {
        return Err(garbage("it sent a response without a request".to_owned()));
    };
    let _ = written
        .response
        .send(HookResponse::of(&json).map_err(HookError::from));
    Ok(())
}

/// Fails the events whose timeout is over. Returns why the service must be ended, if it must: it responds in order and so can't go
/// on, or it wrote nothing in all that time.
fn give_up(
    pending: &mut VecDeque<SentEvent>,
    last_read: Instant,
    order: Order,
) -> Option<HookError> {
    let now = Instant::now();
    let mut dead = None;
    let mut at = 0;
    while let Some(written) = pending.get(at) {
        if written.ends > now {
            at += 1;
            continue;
        }
        let error = HookError::TimedOut(written.timeout_ms);
        if order == Order::Ordered || last_read < written.written_at {
            dead = Some(HookError::Gone(format!("{error}, and was ended")));
        }
        if let Some(written) = pending.remove(at) {
            let _ = written.response.send(Err(error));
        }
    }
    dead
}

async fn ended(up: &mut Up) -> HookError {
    let how = match timeout(GRACE, up.child.wait()).await {
        Ok(Ok(status)) => format!("it ended with {status}"),
        _ => "it closed its output".to_owned(),
    };
    HookError::Gone(how)
}

fn line_of(json: &Json) -> Vec<u8> {
    let mut line = json.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// A service's lines; each has a bounded length.
type ServiceLines = FramedRead<ChildStdout, LinesCodec>;

/// The next line that is not empty; none at the end, also where the output can't be read. Cancelling the call loses nothing.
async fn next_line(
    lines: &mut ServiceLines,
    context: &HookContext,
) -> Result<Option<String>, HookError> {
    loop {
        match lines.next().await {
            Some(Ok(line)) if line.trim().is_empty() => {}
            Some(Ok(line)) => return Ok(Some(line)),
            Some(Err(LinesCodecError::MaxLineLengthExceeded)) => {
                return Err(HookError::Flood(RESPONSE_LIMIT_BYTES));
            }
            Some(Err(LinesCodecError::Io(error))) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(HookError::Garbage(context.clean("a line is not UTF-8")));
            }
            Some(Err(LinesCodecError::Io(_))) | None => return Ok(None),
        }
    }
}
