//! Who may ask: which addresses are listened on, and which hosts a request may name. Pure.
//!
//! A browser sends the name that its user, or a page of a stranger's, asked for. A stranger may let a name of his point at this machine
//! (DNS rebinding), and his page would then read ours as its own; but the name in `Host` is still his. So only names that no stranger can
//! own are answered.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;

use crate::failure::{Failure, Kind};

/// Refuses an address that other machines can reach, unless that is meant.
pub(super) fn allow(address: SocketAddr, expose: bool) -> Result<(), Failure> {
    if address.ip().is_loopback() || expose {
        return Ok(());
    }
    let message = format!("{address} can be reached from other machines");
    Err(Failure::said(Kind::Usage, message)
        .hint("add --expose to allow everyone on that network to listen to the tracks"))
}

/// Whether a request that names this host is answered. `expose`: other machines may ask, by an address or by a name of their own network.
pub(super) fn is_ours(host: Option<&str>, expose: bool) -> bool {
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let name = authority.host().to_ascii_lowercase();
    let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    match bare.unwrap_or(&name).parse::<IpAddr>() {
        Ok(ip) => expose || ip.is_loopback(),
        // Nobody sells names without a dot, or under `.local`.
        Err(_) => {
            name == "localhost" || (expose && (!name.contains('.') || name.ends_with(".local")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_let_in_on_purpose_only() {
        for (address, expose, allowed) in [
            ("127.0.0.1:7070", false, true),
            ("[::1]:7070", false, true),
            ("0.0.0.0:7070", false, false),
            ("192.168.1.7:7070", false, false),
            ("[::]:7070", false, false),
            ("0.0.0.0:7070", true, true),
        ] {
            let found = allow(address.parse().expect("an address"), expose).is_ok();
            assert_eq!(found, allowed, "{address} {expose}");
        }
    }

    #[test]
    fn a_strangers_name_is_not_ours() {
        for (host, here, exposed) in [
            (Some("localhost:7070"), true, true),
            (Some("LOCALHOST"), true, true),
            (Some("127.0.0.1:7070"), true, true),
            (Some("[::1]:7070"), true, true),
            (Some("192.168.1.7:7070"), false, true),
            (Some("studio-pc:7070"), false, true),
            (Some("studio-pc.local:7070"), false, true),
            (Some("rebound.example:7070"), false, false),
            (Some("127.0.0.1.example"), false, false),
            (Some("localhost.example"), false, false),
            (Some(""), false, false),
            (Some("not a host"), false, false),
            (None, false, false),
        ] {
            assert_eq!(is_ours(host, false), here, "{host:?}");
            assert_eq!(is_ours(host, true), exposed, "{host:?}, exposed");
        }
    }
}
