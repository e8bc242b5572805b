//! Appends by a client.

use rand::RngExt;
use s3d_bucket::{Addition, ChangeError, Condition, Key};

use super::client::{Client, End, body, etag};
use super::model::bytes;

/// Most appends in a row: enough to fill some rows of slices.
const APPENDS: u32 = 9;

impl Client {
    /// Appends to an object of its own, several times. A value's bytes are the first of every longer
    /// one of its kind.
    pub async fn append(&mut self, key: &str) -> Result<(), End> {
        for _ in 0..self.rng.random_range(1..=APPENDS) {
            let before = self.model.borrow().get(key);
            let Some((length, fill)) = before else {
                return Ok(());
            };
            let more = match self.rng.random_range(0..10) {
                0 => self.rng.random_range(60_000..1_200_000),
                _ => self.rng.random_range(1..3_000),
            };
            self.append_once(key, (length, fill), length + more).await?;
        }
        Ok(())
    }

    async fn append_once(
        &mut self,
        key: &str,
        before: (usize, u8),
        length: usize,
    ) -> Result<(), End> {
        let name = Key::new(key).map_err(|error| End::Wrong(error.to_string()))?;
        let after = (length, before.1);
        self.model.borrow_mut().begin(key, Some(after));
        let found = self.bucket.find(&name).await?;
        let found = found.ok_or_else(|| End::Wrong(format!("{key} is gone")))?;
        let addition = Addition {
            offset: before.0 as u64,
            onto: found.sequence,
            etag: etag(after),
            checksum: None,
        };
        // One whose answer was lost is sent again.
        let twice = self.rng.random_bool(0.2);
        let done = self.send(&name, addition.clone(), after).await;
        let settled = done.is_ok();
        self.settle(key, Some(after), done)?;
        if settled && twice {
            return match self.send(&name, addition, after).await {
                Err(ChangeError::WriteOffset | ChangeError::NoSpace | ChangeError::BodyLost) => {
                    Ok(())
                }
                Err(ChangeError::Closed(_)) => Err(End::Closed),
                other => Err(End::Wrong(format!("{key}: {other:?} appended twice"))),
            };
        }
        Ok(())
    }

    async fn send(
        &mut self,
        key: &Key,
        addition: Addition,
        after: (usize, u8),
    ) -> Result<(), ChangeError> {
        let more = bytes(after).slice(addition.offset as usize..);
        let body = body(&self.bucket, more, self.rng.random()).await?;
        let condition = Condition::default();
        let appended = self.bucket.append(key.clone(), addition, body, condition);
        appended.await.map(drop)
    }
}
