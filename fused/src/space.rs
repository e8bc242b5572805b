//! How much room there is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fused_s3::Space;

use crate::mount::Mount;

/// How long an answer holds: programs ask before each file that they write.
const HOLDS: Duration = Duration::from_secs(1);

/// Where the server does not say, there is room: 1 PiB.
const ENDLESS: Space = Space {
    objects: 0,
    used: 0,
    free: 1 << 50,
};

impl Mount {
    /// How full the bucket is.
    pub async fn space(self: &Arc<Self>) -> Space {
        if !self.options.hayrack {
            return ENDLESS;
        }
        let mut known = self.space.lock().await;
        match *known {
            Some((space, at)) if at.elapsed() < HOLDS => space,
            before => {
                let space = match self.client.space().await {
                    Ok(space) => space,
                    Err(_) => before.map_or(ENDLESS, |(space, _)| space),
                };
                *known = Some((space, Instant::now()));
                space
            }
        }
    }
}
