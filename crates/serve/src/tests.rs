//! Peers that keep connections open, over real ones.

use std::time::Duration;

use super::*;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::{get, post};

/// Longest wait for anything; never reached when all is well.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than any test runs.
const FOREVER: Duration = Duration::from_secs(3600);

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn open(limits: Limits) -> Self {
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route(
                "/length",
                post(|body: Bytes| async move { body.len().to_string() }),
            )
            .route("/closed", post(|| async { StatusCode::UNAUTHORIZED }))
            .route("/much", get(|| async { vec![b'x'; 64 * 1024 * 1024] }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(
            listener,
            router,
            limits,
            stop.clone(),
            |stream, peer| (stream, peer),
        ));
        Self {
            address,
            stop,
            serving,
        }
    }

    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// What one whole request gets.
    async fn get(&self) -> String {
        let stream = self
            .send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await;
        rest(stream).await
    }

    async fn close(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.serving).await.unwrap().unwrap();
    }
}

/// Everything until the connection ends.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // Reset or closed: both are an end.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the connection ends");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn limits() -> Limits {
    Limits {
        connections: 8,
        head: FOREVER,
        body: FOREVER,
        stall: FOREVER,
    }
}

#[tokio::test]
async fn a_request_is_served_however_many_hold_half_a_head() {
    let server = Server::open(limits()).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(server.send("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await);
        if held.len() % 20 == 0 {
            assert!(server.get().await.ends_with("here"));
        }
    }
    // All but the last few were closed for new ones.
    for stream in held.drain(..100 - 8) {
        rest(stream).await;
    }
    server.close().await;
}

#[tokio::test]
async fn an_idle_connection_that_was_served_outlives_those_that_never_asked() {
    let server = Server::open(limits()).await;
    let mut kept = server.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut first = [0; 4096];
    assert!(kept.read(&mut first).await.unwrap() > 0);
    let mut held = Vec::new();
    for _ in 0..30 {
        held.push(server.send("GET /").await);
    }
    for stream in held.drain(..20) {
        rest(stream).await;
    }
    let again = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    kept.write_all(again).await.unwrap();
    assert!(rest(kept).await.ends_with("here"));
    server.close().await;
}

#[tokio::test]
async fn a_head_that_does_not_come_and_an_idle_connection_are_closed() {
    let head = Duration::from_millis(100);
    let server = Server::open(Limits { head, ..limits() }).await;
    rest(server.send("GET / HTTP/1.1\r\nX-Slow: ").await).await;
    let idle = server.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(rest(idle).await.contains("here"));
    server.close().await;
}

#[tokio::test]
async fn a_body_that_stalls_or_trickles_is_given_up() {
    let short = Duration::from_millis(100);
    let head = "POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc";
    let server = Server::open(Limits {
        stall: short,
        ..limits()
    })
    .await;
    assert!(
        rest(server.send(head).await)
            .await
            .starts_with("HTTP/1.1 400")
    );
    server.close().await;

    let server = Server::open(Limits {
        body: short,
        ..limits()
    })
    .await;
    let mut stream = server.send(head).await;
    let (mut reader, mut writer) = stream.split();
    let trickle = async {
        while writer.write_all(b"x").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let mut response = [0; 12];
    tokio::select! {
        () = trickle => panic!("the response comes first"),
        read = timeout(PATIENCE, reader.read_exact(&mut response)) => { read.unwrap().unwrap(); }
    }
    assert_eq!(&response, b"HTTP/1.1 400");
    drop(stream);
    server.close().await;
}

#[tokio::test]
async fn a_peer_that_takes_nothing_of_its_response_is_dropped() {
    let stall = Duration::from_millis(100);
    let server = Server::open(Limits {
        connections: 1,
        stall,
        ..limits()
    })
    .await;
    let deaf = server.send("GET /much HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // The only place is free again once the deaf peer is dropped.
    assert!(server.get().await.ends_with("here"));
    drop(deaf);
    server.close().await;
}

#[tokio::test]
async fn while_all_are_at_work_a_new_connection_waits_for_its_turn() {
    let server = Server::open(Limits {
        connections: 1,
        ..limits()
    })
    .await;
    let head = "POST /length HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
    let mut slow = server.send(head).await;
    let mut begun = [0; 25];
    slow.read_exact(&mut begun).await.unwrap();
    assert!(begun.starts_with(b"HTTP/1.1 100"));
    // It is at work now; later requests are served after it.
    let waiting = server.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let waiting = waiting.await;
    slow.write_all(b"abcd").await.unwrap();
    assert!(rest(slow).await.ends_with('4'));
    assert!(rest(waiting).await.ends_with("here"));
    server.close().await;
}

/// The head of a request with a body that the router never reads.
const UNREAD: &str = "POST /closed HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n";

/// Many clients send all of a body before they read: more than the buffers of both sockets hold has to be taken from them.
#[tokio::test]
async fn a_peer_whose_body_is_not_read_gets_its_response_after_sending_all_of_it() {
    let server = Server::open(limits()).await;
    let mut stream = server.send(UNREAD).await;
    timeout(PATIENCE, stream.write_all(&vec![b'x'; 32 * 1024 * 1024]))
        .await
        .expect("the body is taken")
        .expect("the connection is not reset");
    assert!(rest(stream).await.starts_with("HTTP/1.1 401"));
    server.close().await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_taken_for_a_bodys_time_and_no_longer() {
    let short = Duration::from_millis(100);
    // A peer that sends nothing more.
    let (ours, _theirs) = tokio::io::duplex(64);
    let stalls = Limits {
        stall: short,
        ..limits()
    };
    timeout(PATIENCE, linger(ours, stalls)).await.unwrap();
    // A peer that sends without end.
    let (ours, mut theirs) = tokio::io::duplex(64);
    let endless = Limits {
        body: short,
        ..limits()
    };
    let sends = async { while theirs.write_all(b"x").await.is_ok() {} };
    timeout(PATIENCE, async {
        tokio::join!(linger(ours, endless), sends)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_server_that_stops_waits_for_no_unread_body() {
    let server = Server::open(limits()).await;
    let mut stream = server.send(UNREAD).await;
    let mut response = [0; 12];
    stream.read_exact(&mut response).await.unwrap();
    assert_eq!(&response, b"HTTP/1.1 401");
    server.close().await;
}
