//! Checking a bucket that is open.

use super::Bucket;
use crate::check::{CheckReport, examine};
use crate::errors::ReadError;

impl Bucket {
    /// Checks the index as it is at one moment, and with `deep` every byte that it names; the bucket
    /// serves meanwhile.
    pub async fn check(&self, deep: bool) -> Result<CheckReport, ReadError> {
        self.check_open()?;
        // What is freed meanwhile keeps its bytes (B7).
        let _pin = self.shared.pins.pin();
        let (shared, report) = (&self.shared, CheckReport::default());
        let (index, data, mark) = (&shared.index, &shared.data, shared.space.mark());
        let checked = examine(index, data, mark, deep, report).await;
        checked.map_err(ReadError::Closed)
    }
}
