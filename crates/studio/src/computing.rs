//! Computes a render on a blocking thread, in the studio and in workers on other machines.

use tokio::sync::mpsc;

use crate::render::{self, Order, Part, RenderError, RenderFailure, Stopped};
use crate::soundfont::SoundFont;

/// What a render sends to the task that keeps its results.
pub(crate) enum Delivery {
    Part(Part),
    /// All parts have been sent.
    Done,
    Failed(RenderFailure),
}

/// Computes a render on a blocking thread of this process and sends everything to `deliver`. Ends early if nobody receives.
pub(crate) async fn compute(
    source: Vec<u8>,
    order: Order,
    soundfont: Option<SoundFont>,
    deliver: mpsc::Sender<Delivery>,
) {
    let parts = deliver.clone();
    let render = tokio::task::spawn_blocking(move || {
        let send = |part| {
            let sent = parts.blocking_send(Delivery::Part(part));
            sent.map_err(|_| Stopped)
        };
        let rendered = render::render(&source, &order, soundfont.as_ref(), send);
        match rendered {
            Ok(()) => Some(Delivery::Done),
            Err(RenderError::Stopped) => None,
            Err(error) => Some(Delivery::Failed(error.failure(&order))),
        }
    });
    let last = render.await.unwrap_or_else(|panic| {
        tracing::error!(%panic, "a render panicked");
        let failure = RenderFailure::own("internal error while rendering");
        Some(Delivery::Failed(failure))
    });
    if let Some(last) = last {
        // Without a receiver the task is over.
        let _ = deliver.send(last).await;
    }
}
