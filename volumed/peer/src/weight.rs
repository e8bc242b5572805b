use volumed_core::BLOCK_SIZE;
use volumed_core::digest::DIGEST_SIZE;
use volumed_core::message::{Ask, Message};
use volumed_core::wire::HEADER_SIZE;

/// What the answer to a map, a promise or one about missed regions may hold, in bytes.
const MAP: u64 = 128 << 10;

/// What an answer without data is taken for, with what a table has of it, in bytes.
const SHORT: u64 = 128;

/// What a message and its answer hold in memory, in bytes.
pub(crate) fn weight(message: &Message) -> u64 {
    let answer = match &message.ask {
        Ask::Read { length, .. } | Ask::Fetch { length, .. } => u64::from(*length),
        Ask::Map { .. } | Ask::Promise | Ask::Missed => MAP,
        Ask::Digest { length, .. } => u64::from(*length) / BLOCK_SIZE * DIGEST_SIZE as u64,
        _ => SHORT,
    };
    HEADER_SIZE as u64 + body(&message.ask) + answer
}

/// Data and lists; the rest is a few bytes.
fn body(ask: &Ask) -> u64 {
    let items = match ask {
        Ask::Write { data, .. } => return data.len() as u64,
        Ask::Store { chunk, .. } | Ask::Replace { chunk, .. } => return chunk.len() as u64,
        Ask::KeepMissed { missed } => {
            let extents = missed.values().map(|it| it.regions.extent_count());
            extents.sum()
        }
        Ask::Create { files, .. } => 2 * files.len(),
        Ask::Reconcile { held, .. } => 2 * held.len(),
        Ask::Sync { extents } => extents.len(),
        Ask::Mark { regions } | Ask::Settle { regions } | Ask::Unmark { regions } => regions.len(),
        _ => 0,
    };
    8 * items as u64
}
