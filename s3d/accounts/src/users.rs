//! The users as operators see them.

use s3d_names::Email;
use s3d_records::{RecordError, put, unchanged};

use super::Accounts;
use super::user::{self, User, UserId, UserRecord, user_key};

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
