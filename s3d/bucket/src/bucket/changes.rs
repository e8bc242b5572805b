//! What is asked of a bucket about its change feed.

use tokio::sync::watch;

use super::Bucket;
use crate::index::feed::{self, ChangePage, ChangesError};

impl Bucket {
    /// At most `limit` events behind the sequence number `after` whose keys start with `prefix`; 0 is
    /// before all. A page may hold fewer, or none, and still say that there is more.
    pub async fn changes(
        &self,
        after: u64,
        prefix: &str,
        limit: usize,
    ) -> Result<ChangePage, ChangesError> {
        self.check_open()?;
        // Before the view is taken: what was visible then, the view shows.
        let last = *self.shared.last_record.borrow();
        let prefix = prefix.to_owned();
        let page = self
            .shared
            .index
            .read(move |reader| feed::changes(reader, after, &prefix, limit, last));
        let page = self.shared.looked(page.await)?;
        page.map_err(|oldest| ChangesError::Gone { oldest })
    }

    /// The sequence number of the last change, and notice of those to come: whoever follows the feed
    /// waits here once a page says that there is no more. Notice is given, too, when the bucket is
    /// closed.
    pub fn watch_changes(&self) -> watch::Receiver<u64> {
        self.shared.last_record.subscribe()
    }
}
