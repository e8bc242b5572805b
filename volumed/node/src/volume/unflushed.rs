//! Whether what an owner did not flush is still there (V9), and with it the token of its attachment.

use std::sync::Arc;

use volumed_core::rules::Rules;
use volumed_core::unflushed::Unflushed;

use crate::disks::PoolDisk;
use crate::error::{AttachError, OpenExportError};
use crate::store::records::VolumeRecord;
use crate::volume::export::Export;
use crate::volume::serving::Claim;
use crate::volume::token::{Token, TokenRecord};
use crate::volume::{Seat, Volume};

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
            self.begin(seat, (self.owner(), Claim::TakeOver), Some(record))
                .await?;
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

    /// Whether an owner may have something that it did not flush.
    pub(crate) fn has_token(&self) -> bool {
        self.live_token().is_some()
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
            // Another node may have given the volume to somebody else meanwhile.
            self.change_token(|now| now.lost |= now.token == record.token)
                .await?;
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
