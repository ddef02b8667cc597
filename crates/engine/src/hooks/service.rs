//! `service`: a program that is started once and talks in lines of JSON, many events at a time.
//!
//! ```text
//!   → {"hello": {"protocol": 1, "program": "backline 0.1.0", "points": ["before_submit"]}}
//!   ← {"hello": {"protocol": 1}}
//!   → {"id": 1, "event": {…}}
//!   ← {"id": 1, "change": {…}}
//! ```
//!
//! One task owns the program. It is started with the first event, and again after it has ended, each time after a longer wait;
//! when it has come up in vain too often it is left alone. An event that is not answered in time fails; a service that has said
//! nothing at all in that time is ended. A line without end, or that is no answer, ends it too.

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
use super::{ANSWER_LIMIT_BYTES, Answer, HookError, HookPoint, Order};

/// The version of the protocol that this program speaks.
pub const PROTOCOL: u32 = 1;

/// Events that wait to be written; whoever asks waits when there are more.
const BACKLOG: usize = 256;

/// The wait before the first restart; it doubles with each that follows without an answer in between …
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// … up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Starts in a row without an answer after which a service is left alone.
const STARTS: u32 = 6;

/// How long a service may take to end when its input is closed.
const GRACE: Duration = Duration::from_secs(2);

/// A service, started on demand. Dropping it ends the program.
#[derive(Debug)]
pub(crate) struct Service {
    asks: mpsc::Sender<Ask>,
}

/// How a service is started and talked to.
#[derive(Debug, Clone)]
pub(crate) struct ServiceSpec {
    pub(crate) name: String,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) order: Order,
    pub(crate) start_timeout_ms: u64,
    pub(crate) points: Vec<HookPoint>,
}

/// An event and where its answer goes.
#[derive(Debug)]
struct Ask {
    point: HookPoint,
    event: Vec<u8>,
    timeout_ms: u64,
    answer: oneshot::Sender<Result<Answer, HookError>>,
}

/// An event that was written.
#[derive(Debug)]
struct Written {
    id: u64,
    asked: Instant,
    ends: Instant,
    timeout_ms: u64,
    answer: oneshot::Sender<Result<Answer, HookError>>,
}

impl Service {
    /// A service that is not started yet.
    pub(crate) fn new(spec: ServiceSpec, context: HookContext) -> Self {
        let (asks, inbox) = mpsc::channel(BACKLOG);
        tokio::spawn(own(spec, context, inbox));
        Self { asks }
    }

    /// Has the service answer an event.
    pub(crate) async fn ask(
        &self,
        point: HookPoint,
        event: Vec<u8>,
        timeout_ms: u64,
    ) -> Result<Answer, HookError> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask {
            point,
            event,
            timeout_ms,
            answer,
        };
        let gone = || HookError::Gone("it is not running any more".to_owned());
        self.asks.send(ask).await.map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// A program that has greeted.
struct Up {
    child: tokio::process::Child,
    /// Kills the group when dropped.
    _group: Group,
    lines: Lines,
    stdin: ChildStdin,
    /// What is to be written; no more than the events that may be pending.
    outbox: Vec<u8>,
    /// The points that it wants; none for all.
    wants: Option<HashSet<HookPoint>>,
}

/// Owns the program: starts it, writes events, hands answers out, until nobody asks any more.
async fn own(spec: ServiceSpec, context: HookContext, mut inbox: mpsc::Receiver<Ask>) {
    let mut failures = 0_u32;
    let mut not_before = Instant::now();
    while let Some(ask) = inbox.recv().await {
        if failures >= STARTS {
            let why = format!("it was started {failures} times and never answered");
            let _ = ask.answer.send(Err(HookError::Gone(why)));
            continue;
        }
        sleep_until(not_before).await;
        let answered = match start(&spec, &context).await {
            Ok(up) => talk(&spec, &context, up, ask, &mut inbox).await,
            Err(error) => {
                tracing::warn!(hook = %spec.name, %error, "the service did not come up");
                let _ = ask.answer.send(Err(error));
                false
            }
        };
        failures = if answered { 0 } else { failures + 1 };
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
    let codec = LinesCodec::new_with_max_length(ANSWER_LIMIT_BYTES);
    let mut lines = FramedRead::new(stdout, codec);
    let limit = Duration::from_millis(spec.start_timeout_ms);
    let greet = async {
        // Who is gone before it is greeted has ended its output too.
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
            _ => "no word".to_owned(),
        };
        return Err(HookError::Gone(format!(
            "it ended at its start, with {how}"
        )));
    };
    let wants = greeting(&line, context)?;
    let super::process::Started { child, group } = started;
    Ok(Up {
        child,
        _group: group,
        lines,
        stdin,
        outbox: Vec::new(),
        wants,
    })
}

/// What a greeting says: the points that the service wants, if it chooses.
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
    let wants = hello.get("points").and_then(Json::as_array).map(|points| {
        let words = points.iter().filter_map(Json::as_str);
        words.filter_map(|name| name.parse().ok()).collect()
    });
    Ok(wants)
}

/// Talks with a program that has greeted, until it or the asking ends; whether it answered anything.
async fn talk(
    spec: &ServiceSpec,
    context: &HookContext,
    mut up: Up,
    first: Ask,
    inbox: &mut mpsc::Receiver<Ask>,
) -> bool {
    let mut pending: VecDeque<Written> = VecDeque::new();
    let (mut next_id, mut answered) = (1_u64, false);
    let mut last_heard = Instant::now();
    let mut next = Some(first);
    let mut deaf = false;
    let error = loop {
        if let Some(ask) = next.take() {
            send(&mut up, ask, &mut next_id, &mut pending);
        }
        // Who is gone ends its output too, and that is heard; only then is it known how.
        let to_write = !up.outbox.is_empty() && !deaf;
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
                    last_heard = Instant::now();
                    match hand_out(&line, spec.order, &mut pending, context) {
                        Ok(()) => answered = true,
                        Err(error) => break error,
                    }
                }
                Ok(None) => break ended(&mut up).await,
                Err(error) => break error,
            },
            written = up.stdin.write(&up.outbox), if to_write => match written {
                Ok(bytes) if bytes > 0 => drop(up.outbox.drain(..bytes)),
                _ => deaf = true,
            },
            ask = inbox.recv(), if pending.len() < BACKLOG => match ask {
                Some(ask) => next = Some(ask),
                None => break HookError::Gone("the run is over".to_owned()),
            },
            () = due => {
                if let Some(error) = give_up(&mut pending, last_heard, spec.order) {
                    break error;
                }
            }
        }
    };
    if !matches!(&error, HookError::Gone(why) if why == "the run is over") {
        tracing::warn!(hook = %spec.name, %error, "the service has ended");
    } else {
        // Closing its input tells it to end; the group is killed either way.
        drop(up.stdin);
        let _ = timeout(GRACE, up.child.wait()).await;
    }
    for written in pending {
        let _ = written.answer.send(Err(error.clone()));
    }
    answered
}

/// Has an event written, unless the service does not want its kind.
fn send(up: &mut Up, ask: Ask, next_id: &mut u64, pending: &mut VecDeque<Written>) {
    if up
        .wants
        .as_ref()
        .is_some_and(|wants| !wants.contains(&ask.point))
    {
        let _ = ask.answer.send(Ok(Answer::Nothing));
        return;
    }
    let id = *next_id;
    *next_id += 1;
    up.outbox
        .extend_from_slice(format!("{{\"id\":{id},\"event\":").as_bytes());
    up.outbox.extend_from_slice(&ask.event);
    up.outbox.extend_from_slice(b"}\n");
    let asked = Instant::now();
    let ends = asked + Duration::from_millis(ask.timeout_ms);
    pending.push_back(Written {
        id,
        asked,
        ends,
        timeout_ms: ask.timeout_ms,
        answer: ask.answer,
    });
}

/// Hands an answer to whom it belongs.
fn hand_out(
    line: &str,
    order: Order,
    pending: &mut VecDeque<Written>,
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
            _ => return Err(garbage(format!("it answered {id} out of turn"))),
        },
        (Order::Concurrent, Some(id)) => {
            match pending.iter().position(|written| written.id == id) {
                Some(place) => place,
                None => return Ok(()), // one that came too late
            }
        }
        (Order::Concurrent, None) => return Err(garbage("an answer has no `id`".to_owned())),
    };
    let Some(written) = pending.remove(place) else {
        return Err(garbage("it answered without having been asked".to_owned()));
    };
    let _ = written
        .answer
        .send(Answer::of(&json).map_err(HookError::from));
    Ok(())
}

/// Fails the events whose time is over. Gives why the service is to be ended, if it is: it keeps an order that it can't go on
/// with, or it has said nothing in all that time.
fn give_up(
    pending: &mut VecDeque<Written>,
    last_heard: Instant,
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
        if order == Order::Ordered || last_heard < written.asked {
            dead = Some(HookError::Gone(format!("{error}, and was ended")));
        }
        if let Some(written) = pending.remove(at) {
            let _ = written.answer.send(Err(error));
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
type Lines = FramedRead<ChildStdout, LinesCodec>;

/// The next line that is not empty; none at the end, also where the output can't be read. Cancelling the call loses nothing.
async fn next_line(lines: &mut Lines, context: &HookContext) -> Result<Option<String>, HookError> {
    loop {
        match lines.next().await {
            Some(Ok(line)) if line.trim().is_empty() => {}
            Some(Ok(line)) => return Ok(Some(line)),
            Some(Err(LinesCodecError::MaxLineLengthExceeded)) => {
                return Err(HookError::Flood(ANSWER_LIMIT_BYTES));
            }
            Some(Err(LinesCodecError::Io(error))) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(HookError::Garbage(context.clean("a line is not UTF-8")));
            }
            Some(Err(LinesCodecError::Io(_))) | None => return Ok(None),
        }
    }
}
