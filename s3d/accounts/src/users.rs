//! The users as operators see them.

use s3d_names::Email;
use s3d_records::{RecordError, put, unchanged};

use super::Accounts;
use super::user::{self, EMAIL_PREFIX, User, UserId, UserRecord, user_key};

impl Accounts {
    /// Every user, by id.
    pub async fn users(&self) -> Result<Vec<User>, RecordError> {
        let stored = self.records.list::<UserRecord>(user::PREFIX).await?;
        let users = stored.into_iter().map(|(id, stored)| {
            let user = UserId::parse(&id).map(|id| stored.record.user(id));
            user.ok_or_else(|| RecordError::Damaged(format!("{}{id}", user::PREFIX)))
        });
        users.collect()
    }

    /// At most `limit` users by address: those whose address starts with `start`, behind the address `after`, which
    /// starts so, too.
    pub async fn users_behind(
        &self,
        start: &str,
        after: Option<&Email>,
        limit: usize,
    ) -> Result<Vec<User>, RecordError> {
        let start = Email::start_in_key(start);
        let after = after.map(Email::in_key);
        let after = after.as_deref().and_then(|key| key.strip_prefix(&start));
        let prefix = format!("{EMAIL_PREFIX}{start}");
        let page = self.records.page::<UserId>(&prefix, after, limit).await?;
        let mut users = Vec::with_capacity(page.len());
        for (_, id) in page {
            users.extend(self.user(&id.record).await?);
        }
        Ok(users)
    }

    /// The user of an id.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, RecordError> {
        let stored = self.records.get::<UserRecord>(&user_key(id)).await?;
        Ok(stored.map(|stored| stored.record.user(id.clone())))
    }

    /// Makes a user an operator, or an operator an ordinary user; answers whether there is the user.
    pub async fn set_operator(&self, email: &Email, operator: bool) -> Result<bool, RecordError> {
        let Some(id) = self.user_id(email).await? else {
            return Ok(false);
        };
        while let Some(stored) = self.records.get::<UserRecord>(&user_key(&id)).await? {
            let record = UserRecord {
                operator,
                ..stored.record.clone()
            };
            let conditions = vec![unchanged(user_key(&id), &stored)];
            if self
                .records
                .commit(conditions, vec![put(user_key(&id), &record)])
                .await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
