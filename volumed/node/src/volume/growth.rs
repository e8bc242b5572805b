//! Volumes grow, when they are told to or by themselves, and never get smaller.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use volumed_core::ByteCount;

use crate::error::{AttachError, GrowVolumeError};
use crate::volume::Volume;
use crate::volume::auto_grow::{AutoGrow, is_possible};

impl Volume {
    /// Makes the volume larger: durably, then for its head, then for its connections. Without a size
    /// it keeps its own; `auto` is how it grows by itself from now on, if that changes.
    pub async fn grow(
        &self,
        size: Option<ByteCount>,
        auto: Option<AutoGrow>,
    ) -> Result<(), GrowVolumeError> {
        let seat = self.seat.lock().await;
        if seat.deleted {
            return Err(GrowVolumeError::NotFound(self.name.clone()));
        }
        let now = self.view().size;
        let size = size.unwrap_or(now);
        if !is_possible(size) {
            return Err(GrowVolumeError::Size);
        }
        if size < now {
            return Err(GrowVolumeError::Smaller(self.name.clone(), now));
        }
        if auto.is_some_and(|auto| !auto.is_possible(size)) {
            return Err(GrowVolumeError::AutoGrow);
        }
        self.change_record(|record| {
            record.size = record.size.max(size.0);
            record.auto_grow = auto.or(record.auto_grow);
        })
        .await
        .map_err(|error| match error {
            AttachError::Record(error) => GrowVolumeError::Record(error),
            AttachError::Store(error) => GrowVolumeError::Store(error),
            _ => GrowVolumeError::NotFound(self.name.clone()),
        })?;
        if let Some(session) = &seat.session {
            self.machine.grow(size);
            session.grow(size);
        }
        Ok(())
    }

    /// Begins to grow if it is time, in a task of its own; to be called every second or so.
    pub fn grow_if_short(self: &Arc<Self>) {
        let view = self.view();
        let next = view
            .auto_grow
            .and_then(|auto| auto.next(view.size, view.used));
        let Some(size) = next else { return };
        if self.growing.swap(true, Ordering::AcqRel) {
            return;
        }
        let volume = Arc::clone(self);
        self.node().runtime.spawn(async move {
            match volume.grow(Some(size), None).await {
                Ok(()) => {
                    tracing::info!(volume = %volume.name, size = size.0, "the volume grew by itself");
                }
                Err(error) => {
                    tracing::warn!(volume = %volume.name, %error, "the volume did not grow by itself");
                }
            }
            volume.growing.store(false, Ordering::Release);
        });
    }
}
