//! Where renders are computed: on blocking threads of this process, or on the farm, by workers on other machines.
//!
//! ```text
//! worker, step_worker ─Order─► Renderer ─┬─ this process ─► render ─┐
//!                         ▲              └─ farm ─► HTTP ─► render ─┤
//!                         └────────────── parts, one by one ────────┘
//! ```

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::computing::{Delivery, compute};
use crate::config::{FARM_LIMIT, StudioConfig};
use crate::farm::{Farm, Offered};
use crate::render::{Order, Part, RenderFailure};
use crate::soundfont::SoundFont;
use crate::source::LocalSource;

/// Computes renders, a limited number at a time.
pub(crate) struct Renderer {
    places: Arc<Semaphore>,
    limit: usize,
    soundfont: Option<SoundFont>,
    farm: Option<Arc<Farm>>,
}

/// Why a render has no further part, although it is not done.
pub(crate) enum NoPart {
    Failed(RenderFailure),
    /// The studio is stopping.
    Stopping,
}

/// A render that is being computed. Dropping it ends the render at its next part.
pub(crate) struct Rendering {
    deliveries: mpsc::Receiver<Delivery>,
    _place: OwnedSemaphorePermit,
    _offered: Option<Offered>,
}

impl Renderer {
    /// The renderer of a studio; on the farm if there is one.
    pub(crate) fn new(config: &StudioConfig, farm: Option<Arc<Farm>>) -> Self {
        let limit = match farm {
            Some(_) => FARM_LIMIT,
            None => config.render_limit.max(1),
        };
        Self {
            places: Arc::new(Semaphore::new(limit)),
            limit,
            soundfont: config.soundfont.clone(),
            farm,
        }
    }

    /// The farm, if renders are computed there.
    pub(crate) fn farm(&self) -> Option<&Arc<Farm>> {
        self.farm.as_ref()
    }

    /// Most renders at the same time.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Waits until another render may begin.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, NoPart> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_| NoPart::Stopping)
    }

    /// Begins a render of `source`, whose bytes are `bytes`.
    pub(crate) fn begin(
        &self,
        place: OwnedSemaphorePermit,
        source: LocalSource,
        bytes: Vec<u8>,
        order: Order,
    ) -> Rendering {
        // One part may wait while the next is computed.
        let (deliver, deliveries) = mpsc::channel(1);
        let offered = match &self.farm {
            Some(farm) => Some(farm.offer(order, source, &bytes, deliver)),
            None => {
                tokio::spawn(compute(bytes, order, self.soundfont.clone(), deliver));
                None
            }
        };
        Rendering {
            deliveries,
            _place: place,
            _offered: offered,
        }
    }
}

impl Rendering {
    /// The next part; `None` after the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, NoPart> {
        match self.deliveries.recv().await {
            Some(Delivery::Part(part)) => Ok(Some(part)),
            Some(Delivery::Done) => Ok(None),
            Some(Delivery::Failed(failure)) => Err(NoPart::Failed(failure)),
            None => Err(NoPart::Stopping),
        }
    }
}
