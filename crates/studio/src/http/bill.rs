//! `GET /studio/bill`: every accepted POST as one line of JSON, for users of this machine.
//!
//! It is not part of the contract. Its tokens could be used to forge callbacks, so it is restricted. Only loopback peers may
//! read it, and only under a loopback name: a proxy on this machine, or a web page whose name resolves to this machine, sends
//! another host. Other users of this machine are loopback peers, too, so the request needs the studio's key or, if there is
//! none, the secret in its data folder.

use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::connection::ConnectionHandle;
use crate::gate;
use crate::responses::RequestError;
use crate::shared::StudioState;
use crate::store::bills;

pub(super) async fn show(
    State(shared): State<Arc<StudioState>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    headers: HeaderMap,
) -> Result<Response, RequestError> {
    if !connection.peer().ip().to_canonical().is_loopback() || !gate::names_loopback(&headers) {
        return Err(RequestError::NoSuchPath);
    }
    gate::admit_key(&headers, Some(&shared.bill_key)).ok_or(RequestError::Unauthorized)?;
    let entries = shared.store.read("read the bill", bills::list).await?;
    let mut lines = String::new();
    for entry in entries {
        let line = serde_json::to_string(&entry).map_err(|error| {
            tracing::error!(%error, "could not write the bill");
            RequestError::Internal
        })?;
        lines.push_str(&line);
        lines.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], lines).into_response())
}
