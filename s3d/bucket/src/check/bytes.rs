//! The bytes of spans against their checksums.

use std::collections::HashMap;
use std::sync::Arc;

use volumed_client::{BlockDevice, DeviceError};

use crate::CHECKED_RUN;
use crate::check::report::CheckReport;
use crate::errors::ClosedError;
use crate::format::crc::crc32c;
use crate::format::layout::{DATA_ZONE, RUN};
use crate::format::rows::Span;
use crate::object::SpanId;

/// Reads every span, and answers those that are damaged with the first address where they are.
pub async fn damaged(
    data: &Arc<dyn BlockDevice>,
    spans: Vec<(SpanId, Span)>,
    report: &mut CheckReport,
) -> Result<HashMap<SpanId, u64>, ClosedError> {
    let mut damaged = HashMap::new();
    for (id, span) in spans {
        if let Some(address) = first_damage(data, &span).await? {
            damaged.insert(id, address);
        }
        report.bytes_read += span.length;
    }
    Ok(damaged)
}

async fn first_damage(
    data: &Arc<dyn BlockDevice>,
    span: &Span,
) -> Result<Option<u64>, ClosedError> {
    for (run, at) in (0..span.length).step_by(RUN).enumerate() {
        let address = DATA_ZONE + span.offset + at;
        let length = (span.length - at).min(RUN as u64) as usize;
        let bytes = match data.read(address, length).await {
            Ok(bytes) => bytes,
            Err(DeviceError::Io) => return Ok(Some(address)),
            Err(error) => return Err(error.into()),
        };
        let sums = span.sums.iter().skip(run * RUN / CHECKED_RUN as usize);
        for (number, (bytes, sum)) in bytes.chunks(CHECKED_RUN as usize).zip(sums).enumerate() {
            if crc32c(bytes) != *sum {
                return Ok(Some(address + number as u64 * CHECKED_RUN));
            }
        }
    }
    Ok(None)
}
