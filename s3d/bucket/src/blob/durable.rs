//! Makes a body durable whose runs were only answered (B1).

use volumed_client::{BlockDevice, DeviceError, Session};

use crate::CHECKED_RUN;
use crate::errors::{ChangeError, ClosedError};
use crate::format::crc::crc32c;
use crate::format::layout::RUN;
use crate::requests::StoredSpan;
use crate::rules::{Rule, kept};

/// Answers once every byte of `spans` is durable. `session`: taken before the first was written.
///
/// When the session ended, bytes that were answered may be lost (V9), and they are not in memory any
/// more. Then they are read back: most often they are there, and the next flush covers what an earlier
/// one left unsynced (V3). Bytes that are gone refuse the body.
pub async fn make_durable(
    device: &dyn BlockDevice,
    session: Session,
    spans: &[StoredSpan],
) -> Result<(), ChangeError> {
    let mut since = if kept(Rule::SessionBeforeWrite) {
        session
    } else {
        device.session()
    };
    loop {
        match device.flush(since).await {
            Err(DeviceError::Disconnected) => {}
            flushed => return flushed.map_err(refusal),
        }
        tracing::info!("a body is read back: what was written of it may be lost");
        // Before anything is read: what is lost later, the next flush tells.
        since = device.session();
        for span in spans {
            if !is_whole(device, span).await? && kept(Rule::ReadBack) {
                return Err(ChangeError::BodyLost);
            }
        }
    }
}

/// Whether a span reads as it was written.
async fn is_whole(device: &dyn BlockDevice, span: &StoredSpan) -> Result<bool, ChangeError> {
    let address = span.claim.address();
    for (run, sums) in span.sums.chunks(RUN / CHECKED_RUN as usize).enumerate() {
        let offset = (run * RUN) as u64;
        let length = (span.length - offset).min(RUN as u64) as usize;
        let bytes = device.read(address + offset, length).await;
        let bytes = bytes.map_err(refusal)?;
        let found = bytes.chunks(CHECKED_RUN as usize).map(crc32c);
        if !found.eq(sums.iter().copied()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Why a body is refused that the device failed to take.
pub fn refusal(error: DeviceError) -> ChangeError {
    match error {
        DeviceError::NoSpace => ChangeError::NoSpace,
        error => ChangeError::Closed(ClosedError::Device(error)),
    }
}
