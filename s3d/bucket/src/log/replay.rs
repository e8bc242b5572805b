//! Reads the log back at open (B4).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use volumed_client::{BlockDevice, Durability};

use crate::errors::OpenError;
use crate::format::group::{Group, HEADER, Start, start};
use crate::format::layout::BLOCK;
use crate::log::MAX_GROUPS;
use crate::log::position::Position;
use crate::rules::{Rule, kept};

/// Reads the groups behind `position` up to the first that does not fit the chain (B4), hands
/// each with its address to `apply`, and writes those again, durably, that may have been on their way:
/// what is served from now on must not vanish with the power. Answers where the log goes on.
pub async fn replay(
    device: &Arc<dyn BlockDevice>,
    mut position: Position,
    epoch: u64,
    mut apply: impl FnMut(u64, &Group),
) -> Result<Position, OpenError> {
    let mut last = VecDeque::new();
    while let Some((address, bytes, group)) = next_group(device, &position, epoch).await? {
        apply(address, &group);
        position = position.behind(&group, address);
        if last.len() == MAX_GROUPS {
            last.pop_front();
        }
        last.push_back((address, bytes));
    }
    if !kept(Rule::ReplayRewrites) {
        last.clear();
    }
    if !kept(Rule::ReplayRewritesAll) {
        last.drain(..last.len().saturating_sub(1));
    }
    for (address, bytes) in last {
        device.write(address, &[bytes], Durability::Durable).await?;
    }
    Ok(position)
}

async fn next_group(
    device: &Arc<dyn BlockDevice>,
    position: &Position,
    epoch: u64,
) -> Result<Option<(u64, Bytes, Group)>, OpenError> {
    for address in [position.address, position.next_segment] {
        let header = device.read(address, BLOCK as usize).await?;
        let length = match start(&header[..HEADER]) {
            Start::Group(length) => length,
            Start::Nothing => continue,
            Start::Version(found) => return Err(OpenError::Version { found, known: 1 }),
        };
        let bytes = device.read(address, length as usize).await?;
        if let Some(group) = Group::decode(&bytes).filter(|group| position.fits(group, epoch)) {
            return Ok(Some((address, bytes, group)));
        }
    }
    Ok(None)
}
