//! What the metadata store holds of volumes and disks.
//!
//! | key | value |
//! |---|---|
//! | `store/identity` | the store's id: 32 hex digits, drawn at its first start |
//! | `store/generation` | how many starts there were on it, decimal |
//! | `store/format` | the newest form of what is in it, decimal; 1 when absent |
//! | `store/base` | what a revision counts from, decimal; 0 when absent |
//! | `volumes/<volume>` | [`VolumeRecord`] as JSON |
//! | `heads/<volume>` | [`HeadRecord`] as JSON, under a node's lease: the node that serves the volume |
//! | `presence/<node>` | what a node says of itself, as JSON, under its lease |
//! | `volume-names/<name>` | the volume's id |
//! | `volume-counter` | the last volume's id, decimal |
//! | `disks/<disk>` | [`DiskRecord`] as JSON |
//! | `disk-numbers/<number>` | the disk's id |
//! | `disk-counter` | how many disk numbers were given, decimal |
//! | `extents/<volume>/<page>` | a placement page (`volumed_core::format`), page in 16 hex digits |
//! | `stale/<volume>/<number>` | [`StaleRecord`] as JSON: the disk may lack what was acknowledged |
//! | `scrub/<number>` | [`ScrubRecord`] as JSON: how far the disk is scrubbed |
//! | `lost/<volume>/<extent>` | [`LostRecord`] as JSON: what is lost of an extent that was placed anew |
//! | `verifying/<volume>` | [`VerificationRecord`] as JSON: what is to be done, and how far it is |
//! | `verified/<volume>` | [`VerificationRecord`] as JSON: the last one that came to its end |
//! | `damage/<volume>/<number>` | [`DamageRecord`] as JSON: what the disk does not hold as it was written |

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use volumed_core::{DiskId, DiskNumber, ExtentIndex, VolumeId};
use volumed_meta::{Entry, MetaStore, StoreError};

use crate::error::RecordError;
use crate::view::ScrubState;
use crate::volume::auto_grow::AutoGrow;
use crate::volume::token::TokenRecord;

pub(crate) const VERSION: u32 = 1;

/// Of a volume with several replicas, which a program that records nobody stale must not serve.
pub(crate) const REPLICATED: u32 = 2;
pub(crate) const VOLUMES: &[u8] = b"volumes/";
/// Where the keys of all placement pages begin.
pub(crate) const EXTENTS: &[u8] = b"extents/";
pub(crate) const VOLUME_COUNTER: &[u8] = b"volume-counter";
pub(crate) const DISKS: &[u8] = b"disks/";
pub(crate) const DISK_COUNTER: &[u8] = b"disk-counter";
pub(crate) const DISK_NUMBERS: &[u8] = b"disk-numbers/";
pub(crate) const SCRUB: &[u8] = b"scrub/";
pub(crate) const VERIFYING: &[u8] = b"verifying/";
pub(crate) const DAMAGE: &[u8] = b"damage/";
pub(crate) const STALE: &[u8] = b"stale/";
pub(crate) const LOST: &[u8] = b"lost/";
pub(crate) const STORE_IDENTITY: &[u8] = b"store/identity";
pub(crate) const STORE_GENERATION: &[u8] = b"store/generation";
pub(crate) const STORE_FORMAT: &[u8] = b"store/format";
pub(crate) const STORE_BASE: &[u8] = b"store/base";

/// Entries read at once.
const PAGE: usize = 1000;

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeRecord {
    pub version: u32,
    pub name: String,
    /// Virtual size in bytes.
    pub size: u64,
    pub replicas: u8,
    /// There are to be as many as the cluster has nodes that are not drained.
    #[serde(default, skip_serializing_if = "is_not")]
    pub auto_replicas: bool,
    /// V1.
    pub epoch: u64,
    /// V2.
    pub owner: Option<String>,
    /// The node under whose head the epoch was begun, in a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u16>,
    /// V9: of the owner's attachment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenRecord>,
    /// How it grows by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_grow: Option<AutoGrow>,
    /// Bytes that it may hold, one replica counted, if that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
    /// With several replicas: the incarnation under which each disk was in sync last (V7), by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub in_sync: BTreeMap<u16, u64>,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiskRecord {
    pub version: u32,
    pub number: u16,
    /// The last start that it was told of: a disk that knows of an earlier one only was rolled back.
    #[serde(default)]
    pub generation: u64,
    /// Where it is, if it was added while the daemon ran: it is taken into use without being named
    /// in the settings. Those win where they name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<AddedDisk>,
    /// That it is to be emptied, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainRecord>,
    /// It left the pool: settings that still name it are passed over, and what is placed on it alone is
    /// lost.
    #[serde(default, skip_serializing_if = "is_not")]
    pub removed: bool,
    /// Where it served last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The node at which it served last, in a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u16>,
}

/// The node that serves a volume, under the node's lease (V1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadRecord {
    pub version: u32,
    pub node: u16,
    pub epoch: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_not(flag: &bool) -> bool {
    !flag
}

/// The drain of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DrainRecord {
    /// When it was begun, in seconds since 1970.
    pub begun: u64,
    /// Bytes that volumes held on the disk then.
    pub held: u64,
    /// Since its whole node is drained: it ends with that.
    #[serde(default, skip_serializing_if = "is_not")]
    pub with_node: bool,
}

/// What the settings say of a disk that they name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AddedDisk {
    pub path: PathBuf,
    /// Bytes.
    pub capacity: Option<u64>,
    /// Bytes.
    pub reserve: Option<u64>,
}

/// V4: one disk may lack what was acknowledged of one volume, whatever it holds of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StaleRecord {
    pub version: u32,
    /// Under which it fell behind.
    pub epoch: u64,
    /// The alloc that an extent would have got then, if the disk lacks no more than what changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// How far a disk is scrubbed. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScrubRecord {
    pub version: u32,
    pub state: ScrubState,
    /// The volume's id and the region to go on at; the first of all without it.
    pub next: Option<(u64, u64)>,
    /// Bytes that were compared.
    pub checked: u64,
    /// Regions that could not be checked.
    #[serde(default)]
    pub unchecked: u64,
    /// When the last one began.
    pub begun: Option<u64>,
    /// When the last one ended that came to its end.
    pub ended: Option<u64>,
    /// When the disk was first here.
    pub since: u64,
}

/// A verification of a volume's replicas. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerificationRecord {
    pub version: u32,
    /// Blocks are read, and not only their checksums.
    pub deep: bool,
    /// What differs is made equal.
    pub repair: bool,
    pub begun: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// The extent to go on at.
    #[serde(default)]
    pub next: u64,
    /// How many extents there were at the last look.
    #[serde(default)]
    pub total: u64,
    /// How many were compared, or could not be.
    #[serde(default)]
    pub compared: u64,
    /// How many of them have fewer than two replicas in sync.
    #[serde(default)]
    pub alone: u64,
    /// Regions of which a replica did not say what it holds.
    #[serde(default)]
    pub unknown: u64,
    /// Blocks that differ.
    #[serde(default)]
    pub differing: u64,
    /// How many of these were made equal.
    #[serde(default)]
    pub repaired: u64,
    /// Where they differ, the first ones.
    #[serde(default)]
    pub differences: Vec<DifferenceRecord>,
}

/// Blocks of an extent in which replicas differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DifferenceRecord {
    pub extent: u64,
    /// Blocks of 4 KiB, counted from the extent's start.
    pub first: u32,
    pub count: u32,
    /// The numbers of the disks that hold something else than the nearest one.
    pub disks: Vec<u16>,
    /// What they hold does not match its checksums.
    pub damaged: bool,
}

/// Blocks of one extent that were lost with the disks that held it, and were not written whole since it
/// was placed anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LostRecord {
    pub version: u32,
    /// Each its first block of 4 KiB, counted from the extent's start, and how many there are.
    pub runs: Vec<(u32, u32)>,
}

/// V10: blocks of one volume on one disk that did not match their sums, and were not written since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DamageRecord {
    pub version: u32,
    /// Blocks of 4 KiB, counted from the volume's start; at most 1,024.
    pub blocks: Vec<u64>,
    /// The checksum of what was found in each, 0 if it could not be read. Earlier versions noted none.
    #[serde(default)]
    pub found: Vec<u32>,
    /// There are others.
    pub more: bool,
}

pub(crate) fn volume_key(volume: VolumeId) -> Vec<u8> {
    format!("volumes/{volume}").into_bytes()
}

pub(crate) fn head_key(volume: VolumeId) -> Vec<u8> {
    format!("heads/{volume}").into_bytes()
}

pub(crate) fn name_key(name: &str) -> Vec<u8> {
    format!("volume-names/{name}").into_bytes()
}

pub(crate) fn disk_key(disk: DiskId) -> Vec<u8> {
    format!("disks/{disk}").into_bytes()
}

pub(crate) fn disk_number_key(number: DiskNumber) -> Vec<u8> {
    format!("disk-numbers/{number}").into_bytes()
}

pub(crate) fn extents_prefix(volume: VolumeId) -> Vec<u8> {
    format!("extents/{volume}/").into_bytes()
}

pub(crate) fn page_key(volume: VolumeId, page: u64) -> Vec<u8> {
    format!("extents/{volume}/{page:016x}").into_bytes()
}

/// Whose a page of placements is, or whatever else is kept below the id of a volume.
pub(crate) fn volume_of_part(key: &[u8]) -> Result<VolumeId, RecordError> {
    let text = std::str::from_utf8(key).unwrap_or_default();
    let volume = text.split('/').nth(1).unwrap_or_default();
    let volume = volume.parse::<VolumeId>();
    volume.map_err(|error| unreadable(key, error))
}

pub(crate) fn stale_prefix(volume: VolumeId) -> Vec<u8> {
    format!("stale/{volume}/").into_bytes()
}

pub(crate) fn stale_key(volume: VolumeId, disk: DiskNumber) -> Vec<u8> {
    format!("stale/{volume}/{disk}").into_bytes()
}

pub(crate) fn scrub_key(disk: DiskNumber) -> Vec<u8> {
    format!("scrub/{disk}").into_bytes()
}

pub(crate) fn verifying_key(volume: VolumeId) -> Vec<u8> {
    format!("verifying/{volume}").into_bytes()
}

pub(crate) fn verified_key(volume: VolumeId) -> Vec<u8> {
    format!("verified/{volume}").into_bytes()
}

pub(crate) fn lost_prefix(volume: VolumeId) -> Vec<u8> {
    format!("lost/{volume}/").into_bytes()
}

pub(crate) fn lost_key(volume: VolumeId, extent: ExtentIndex) -> Vec<u8> {
    format!("lost/{volume}/{extent}").into_bytes()
}

pub(crate) fn damage_prefix(volume: VolumeId) -> Vec<u8> {
    format!("damage/{volume}/").into_bytes()
}

pub(crate) fn damage_key(volume: VolumeId, disk: DiskNumber) -> Vec<u8> {
    format!("damage/{volume}/{disk}").into_bytes()
}

/// What follows the last slash of a key.
pub(crate) fn last_part(key: &[u8]) -> &str {
    std::str::from_utf8(key)
        .ok()
        .and_then(|key| key.rsplit('/').next())
        .unwrap_or("")
}

pub(crate) fn encode<R: Serialize>(record: &R) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record is plain data")
}

pub(crate) fn unreadable(key: &[u8], why: impl Display) -> RecordError {
    RecordError {
        key: String::from_utf8_lossy(key).into_owned(),
        why: why.to_string(),
    }
}

pub(crate) fn decode<R: for<'a> Deserialize<'a>>(entry: &Entry) -> Result<R, RecordError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let read = |error: serde_json::Error| unreadable(&entry.key, error);
    let found: Versioned = serde_json::from_slice(&entry.value).map_err(read)?;
    if found.version > REPLICATED {
        let newer = format!("it has version {}, use a newer program", found.version);
        return Err(unreadable(&entry.key, newer));
    }
    serde_json::from_slice(&entry.value).map_err(read)
}

/// A value that is plain text.
pub(crate) fn parse<T: FromStr<Err: Display>>(entry: &Entry) -> Result<T, RecordError> {
    let text = String::from_utf8_lossy(&entry.value);
    text.parse().map_err(|error| unreadable(&entry.key, error))
}

/// Everything under a prefix.
pub(crate) async fn read_all(
    store: &dyn MetaStore,
    prefix: &[u8],
) -> Result<Vec<Entry>, StoreError> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let after = all.last().map(|entry| entry.key.clone());
        let (_, entries) = store.range(prefix, after.as_deref(), PAGE).await?;
        let last = entries.len() < PAGE;
        all.extend(entries);
        if last {
            return Ok(all);
        }
    }
}
