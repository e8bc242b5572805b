//! Who belongs to a namespace.

use s3d_names::{Email, NamespaceName};
use s3d_records::{RecordError, Stored, unchanged};

use super::Accounts;
use super::key::Access;
use super::namespaces::{
    Membership, Role, member_key, members_of, membership_key, new_member, no_member,
};
use super::user::UserId;

/// A user who belongs to a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: UserId,
    /// The user's address.
    pub email: Email,
    /// What the user may do.
    pub role: Role,
}

/// Why a member could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeMemberError {
    /// The namespace has no such member.
    #[error("The namespace has no such member.")]
    NoSuchMember,
    /// Nobody could administer the namespace any more.
    #[error("A namespace keeps at least one owner; make another member an owner first.")]
    LastOwner,
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Accounts {
    /// The namespaces that a user belongs to, by name.
    pub async fn memberships(&self, user: &UserId) -> Result<Vec<Membership>, RecordError> {
        let prefix = format!("s3d/member/{user}/");
        let stored = self.records.list::<Role>(&prefix).await?;
        let memberships = stored.into_iter().map(|(name, stored)| {
            let namespace = NamespaceName::new(name.clone());
            let namespace =
                namespace.map_err(|_| RecordError::Damaged(format!("{prefix}{name}")))?;
            Ok(Membership {
                namespace,
                role: stored.record,
            })
        });
        memberships.collect()
    }

    /// What a user may do in a namespace; `None` when nothing.
    pub async fn role(
        &self,
        user: &UserId,
        namespace: &NamespaceName,
    ) -> Result<Option<Role>, RecordError> {
        let stored = self.records.get(&membership_key(user, namespace)).await?;
        Ok(stored.map(|stored| stored.record))
    }

    /// Who belongs to a namespace, by user id.
    pub async fn members(&self, namespace: &NamespaceName) -> Result<Vec<Member>, RecordError> {
        let mut members = Vec::new();
        for (user, stored) in self.roles(namespace).await? {
            if let Some(account) = self.user(&user).await? {
                members.push(Member {
                    user,
                    email: account.email,
                    role: stored.record,
                });
            }
        }
        Ok(members)
    }

    /// Changes what a member may do. Keys that the member made and that write are revoked when the
    /// member may only read from now on.
    pub async fn set_role(
        &self,
        namespace: &NamespaceName,
        user: &UserId,
        role: Role,
    ) -> Result<Member, ChangeMemberError> {
        self.change_member(namespace, user, Some(role)).await?;
        if role == Role::Viewer {
            self.revoke_keys_by(namespace, user, |key| key.access == Access::ReadWrite)
                .await?;
        }
        let account = self
            .user(user)
            .await?
            .ok_or(ChangeMemberError::NoSuchMember)?;
        Ok(Member {
            user: user.clone(),
            email: account.email,
            role,
        })
    }

    /// Takes a user out of a namespace and revokes the keys to it that the user made.
    pub async fn remove_member(
        &self,
        namespace: &NamespaceName,
        user: &UserId,
    ) -> Result<(), ChangeMemberError> {
        self.change_member(namespace, user, None).await?;
        self.revoke_keys_by(namespace, user, |_| true).await?;
        Ok(())
    }

    async fn change_member(
        &self,
        namespace: &NamespaceName,
        user: &UserId,
        role: Option<Role>,
    ) -> Result<(), ChangeMemberError> {
        loop {
            let roles = self.roles(namespace).await?;
            let is_owner = |stored: &Stored<Role>| stored.record == Role::Owner;
            let own = roles.iter().find(|(member, _)| member == user);
            let (_, stored) = own.ok_or(ChangeMemberError::NoSuchMember)?;
            let mut conditions = vec![unchanged(member_key(user, namespace), stored)];
            if is_owner(stored) && role != Some(Role::Owner) {
                let other = roles
                    .iter()
                    .find(|(member, stored)| member != user && is_owner(stored));
                let (owner, stored) = other.ok_or(ChangeMemberError::LastOwner)?;
                conditions.push(unchanged(member_key(owner, namespace), stored));
            }
            let changes = match role {
                Some(role) => new_member(user, namespace, role),
                None => no_member(user, namespace),
            };
            if self.records.commit(conditions, changes).await? {
                return Ok(());
            }
        }
    }

    async fn roles(
        &self,
        namespace: &NamespaceName,
    ) -> Result<Vec<(UserId, Stored<Role>)>, RecordError> {
        let prefix = members_of(namespace);
        let stored = self.records.list::<Role>(&prefix).await?;
        let roles = stored.into_iter().map(|(user, stored)| {
            let id = UserId::parse(&user);
            let id = id.ok_or_else(|| RecordError::Damaged(format!("{prefix}{user}")))?;
            Ok((id, stored))
        });
        roles.collect()
    }
}
