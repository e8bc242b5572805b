use volumed_core::message::{Ask, Message};
use volumed_core::wire::HEADER_SIZE;

/// What the answer to a map may hold, in bytes: runs of a whole extent.
const MAP: u64 = 128 << 10;

/// What an answer without data is taken for, with what a table has of it, in bytes.
const SHORT: u64 = 128;

/// What a message and its answer hold in memory, in bytes.
pub(crate) fn weight(message: &Message) -> u64 {
    let answer = match &message.ask {
        Ask::Read { length, .. } | Ask::Fetch { length, .. } => u64::from(*length),
        Ask::Map { .. } => MAP,
        _ => SHORT,
    };
    HEADER_SIZE as u64 + body(&message.ask) + answer
}

/// Data and lists; the rest is a few bytes.
fn body(ask: &Ask) -> u64 {
    let items = match ask {
        Ask::Write { data, .. } => return data.len() as u64,
        Ask::Store { chunk, .. } => return chunk.len() as u64,
        Ask::Reconcile { held, .. } => 2 * held.len(),
        Ask::Sync { extents } => extents.len(),
        Ask::Mark { regions } | Ask::Settle { regions } | Ask::Unmark { regions } => regions.len(),
        _ => 0,
    };
    8 * items as u64
}
