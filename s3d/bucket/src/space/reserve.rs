//! The reserve: blocks that are held so that they can be given up when the pool is full. What frees
//! space has to be recorded in the log, and that takes some.

use volumed_client::{DeviceError, Durability};

use crate::errors::ClosedError;
use crate::format::layout::RESERVE;
use crate::format::rows::Table;
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::shared::Shared;

/// Takes the reserve if there is something to delete: an empty bucket does without.
pub async fn hold_reserve_if_needed(shared: &Shared) -> Result<(), ClosedError> {
    if !shared.reserve_held() && shared.index.read(has_rows_to_delete).await? {
        hold_reserve(shared).await?;
    }
    Ok(())
}

/// Takes the reserve, if there is room.
pub async fn hold_reserve(shared: &Shared) -> Result<(), DeviceError> {
    if shared.reserve_held() {
        return Ok(());
    }
    let filling = [vec![0xA5; (RESERVE.end - RESERVE.start) as usize].into()];
    let written = shared
        .data
        .write(RESERVE.start, &filling, Durability::Volatile);
    match written.await {
        Ok(()) => shared.set_reserve_held(true),
        Err(DeviceError::NoSpace) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn has_rows_to_delete(reader: &Reader) -> Result<bool, IndexError> {
    for table in [Table::Objects, Table::Uploads] {
        if reader.cursor(table)?.next()?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives the reserve up; answers whether there was one.
pub async fn release_reserve(shared: &Shared) -> Result<bool, DeviceError> {
    if !shared.reserve_held() {
        return Ok(false);
    }
    shared.set_reserve_held(false);
    shared
        .data
        .trim(RESERVE.start, RESERVE.end - RESERVE.start)
        .await?;
    Ok(true)
}
