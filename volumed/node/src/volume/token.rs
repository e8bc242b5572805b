//! V9: a token lets a client that cannot send again go on after the daemon was started anew, as long
//! as nothing that it wrote and did not flush can have been lost.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use volumed_core::rules::Rules;
use volumed_core::unflushed::{Incarnations, Since, Unflushed};
use volumed_core::{DiskNumber, Incarnation};

use crate::disks::PoolDisk;
use crate::error::{AttachError, OpenExportError};
use crate::store::records::VolumeRecord;
use crate::volume::export::Export;
use crate::volume::{Seat, Volume};

/// Names an attachment over restarts of the daemon; drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(u64);

/// The text is not a [`Token`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is 16 hex digits")]
pub struct InvalidToken;

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(InvalidToken)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl TryFrom<String> for Token {
    type Error = InvalidToken;

    fn try_from(text: String) -> Result<Self, InvalidToken> {
        text.parse()
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.to_string()
    }
}

/// The token in a volume's record. Until it is lost, every disk that holds something of the volume is
/// among `disks` before anything is written to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    pub token: Token,
    /// The incarnations under which what was not flushed is still there, by the disk's number.
    disks: BTreeMap<u16, u64>,
    /// Some of it may be gone: the token is refused from then on.
    lost: bool,
}

impl TokenRecord {
    pub fn new(here: &Incarnations) -> Self {
        let none = Self {
            token: Token(rand::random()),
            disks: BTreeMap::new(),
            lost: false,
        };
        none.with(here)
    }

    /// The token goes on with the disks of now.
    pub fn with(mut self, here: &Incarnations) -> Self {
        let mut since = self.since();
        since.meet(here);
        self.disks = since.0.iter().map(|(disk, it)| (disk.0, it.0)).collect();
        self
    }

    fn since(&self) -> Since {
        let disks = self.disks.iter();
        let disks = disks.map(|(&disk, &it)| (DiskNumber(disk), Incarnation(it)));
        Since(disks.collect())
    }
}

impl Volume {
    /// The token, if the owner's unflushed writes are all there.
    pub(crate) async fn kept_token(&self) -> Result<Option<TokenRecord>, AttachError> {
        let Some(record) = self.live_token() else {
            return Ok(None);
        };
        let kept = self.unflushed(&record).await? == Unflushed::Kept;
        Ok(kept.then_some(record))
    }

    /// Notes durably if unflushed writes may be lost, before the extents in which they were can be
    /// anywhere else.
    pub(crate) async fn check_token(&self) -> Result<(), AttachError> {
        self.kept_token().await.map(|_| ())
    }

    /// Opens the volume for a connection of the attachment that the token names: of the session that
    /// there is, or of a new one for the same owner.
    pub(crate) async fn open_again(
        &self,
        seat: &mut Seat,
        token: Token,
    ) -> Result<Arc<Export>, OpenExportError> {
        let record = self.token().filter(|record| record.token == token);
        let Some(record) = record else {
            return Err(OpenExportError::Token(self.name.clone()));
        };
        let unflushed = if record.lost {
            Unflushed::Lost
        } else {
            self.unflushed(&record).await?
        };
        match unflushed {
            Unflushed::Lost => return Err(OpenExportError::UnflushedLost(self.name.clone())),
            Unflushed::Unknown => return Err(AttachError::Io(self.name.clone()).into()),
            Unflushed::Kept => {}
        }
        if seat.session.is_none() {
            self.begin(seat, self.owner(), Some(record)).await?;
        }
        self.export(seat)
    }

    /// The volume gets a replica on a disk that is new or was taken back; `holds`: with something on
    /// it.
    pub(crate) async fn token_meets(&self, on: &PoolDisk, holds: bool) -> Result<(), AttachError> {
        let (number, incarnation) = (on.number, on.disk.incarnation());
        let known = |record: TokenRecord| record.disks.get(&number.0) == Some(&incarnation.0);
        if self.live_token().is_none_or(known) {
            return Ok(());
        }
        self.change_token(|record| {
            record.lost |= holds;
            record.disks.insert(number.0, incarnation.0);
        })
        .await
    }

    /// Something of the volume is lost for good.
    pub(crate) async fn token_loses(&self) -> Result<(), AttachError> {
        if self.live_token().is_none() {
            return Ok(());
        }
        self.change_token(|record| record.lost = true).await
    }

    fn live_token(&self) -> Option<TokenRecord> {
        self.token().filter(|record| !record.lost)
    }

    async fn unflushed(&self, record: &TokenRecord) -> Result<Unflushed, AttachError> {
        let placements = self.load_placements().await?;
        let here = self.machine.incarnations();
        // A token died with what was lost, so whoever has one never had that.
        let extents = placements.placed.values();
        let extents = extents.filter(|placed| !placed.is_lost());
        let since = record.since();
        let found = since.unflushed(Rules::default(), extents, &placements.stale, &here);
        if found == Unflushed::Lost {
            self.change_token(|record| record.lost = true).await?;
        }
        Ok(found)
    }

    async fn change_token(&self, edit: impl Fn(&mut TokenRecord)) -> Result<(), AttachError> {
        let change = |record: &mut VolumeRecord| {
            if let Some(token) = &mut record.token {
                edit(token);
            }
        };
        self.change_record(change).await.map(|_| ())
    }
}
