//! Making users: by themselves, by an invitation, or by an operator.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use s3d_names::{Email, NamespaceName};
use s3d_records::{RecordError, absent, present, put};
use volumed_meta::{Change, Compare};

use super::invitations::{Invitation, InvitationError};
use super::namespaces::{Role, namespace_key, new_member, new_namespace};
use super::password::{Busy, Password};
use super::throttle::Throttled;
use super::user::{User, UserId, UserRecord, email_key, user_key};
use super::{Accounts, SignUpPolicy, clock, random};

/// Suffixes that are tried to find a free name for a namespace.
const TRIES: usize = 8;

/// What a user is made of.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The address to sign in with.
    pub email: Email,
    /// The password to sign in with.
    pub password: Password,
    /// The namespace to create; derived from the address if none is wished for.
    pub namespace: Option<NamespaceName>,
}

/// Why a user could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    /// Sign-up is closed.
    #[error("Sign-up is closed here; ask an operator or a namespace's owner for an invitation.")]
    Closed,
    /// The invitation does not hold.
    #[error(transparent)]
    Invitation(#[from] InvitationError),
    /// There is a user with this address.
    #[error("This address has an account already; sign in instead.")]
    EmailTaken,
    /// There is such a namespace.
    #[error("This namespace is taken; choose another name.")]
    NamespaceTaken,
    /// Too many attempts from one address.
    #[error("Too many attempts; try again in a while.")]
    Throttled(Duration),
    /// Too many passwords wait to be hashed.
    #[error("Too many people sign up at this moment; try again.")]
    Busy,
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl From<Busy> for SignUpError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<Throttled> for SignUpError {
    fn from(throttled: Throttled) -> Self {
        Self::Throttled(throttled.retry_after)
    }
}

impl Accounts {
    /// Makes a user who asks for it, and the namespace that belongs to the user, both or neither.
    /// With an invitation to a namespace the user becomes a member of that one instead.
    pub async fn sign_up(
        &self,
        new: NewUser,
        invitation: Option<&str>,
        from: IpAddr,
    ) -> Result<(User, NamespaceName), SignUpError> {
        self.limits.sign_up(from, Instant::now())?;
        let invitation = match invitation {
            Some(code) => Some(self.invitation(code, &new.email).await?),
            None if self.settings.sign_up == SignUpPolicy::Closed => {
                return Err(SignUpError::Closed);
            }
            None => None,
        };
        self.make_user(new, invitation, false).await
    }

    /// Makes a user in the name of an operator.
    pub async fn add_user(
        &self,
        new: NewUser,
        operator: bool,
    ) -> Result<(User, NamespaceName), SignUpError> {
        self.make_user(new, None, operator).await
    }

    async fn make_user(
        &self,
        new: NewUser,
        invitation: Option<Invitation>,
        operator: bool,
    ) -> Result<(User, NamespaceName), SignUpError> {
        if self.user_id(&new.email).await?.is_some() {
            return Err(SignUpError::EmailTaken);
        }
        let record = UserRecord {
            email: new.email.clone(),
            password: self.passwords.hash(new.password).await?,
            created: clock::now(),
            verified: false,
            operator,
            password_number: 0,
        };
        if let Some((namespace, _)) = invitation.as_ref().and_then(|it| it.member.clone()) {
            return self
                .create_user(&record, namespace, invitation.as_ref())
                .await;
        }
        if let Some(namespace) = new.namespace {
            return self
                .create_user(&record, namespace, invitation.as_ref())
                .await;
        }
        let mut namespace = NamespaceName::derived(&new.email, None);
        for _ in 0..TRIES {
            match self
                .create_user(&record, namespace, invitation.as_ref())
                .await
            {
                Err(SignUpError::NamespaceTaken) => {}
                outcome => return outcome,
            }
            let suffix = random::text(b"abcdefghijklmnopqrstuvwxyz234567", 6);
            namespace = NamespaceName::derived(&new.email, Some(&suffix));
        }
        Err(SignUpError::NamespaceTaken)
    }

    async fn create_user(
        &self,
        record: &UserRecord,
        namespace: NamespaceName,
        invitation: Option<&Invitation>,
    ) -> Result<(User, NamespaceName), SignUpError> {
        let user = record.user(UserId::random());
        let email = email_key(&user.email);
        let mut conditions = vec![absent(email.clone()), absent(user_key(&user.id))];
        let mut changes = vec![put(user_key(&user.id), record), put(email, &user.id)];
        let (guard, additions) = belonging(&user.id, &namespace, invitation);
        conditions.push(guard);
        changes.extend(additions);
        if let Some(invitation) = invitation {
            conditions.push(invitation.open());
            changes.extend(invitation.removal());
        }
        if self.records.commit(conditions, changes).await? {
            return Ok((user, namespace));
        }
        Err(match (self.user_id(&user.email).await?, invitation) {
            (Some(_), _) => SignUpError::EmailTaken,
            (None, Some(invitation)) if !self.is_open(invitation).await? => {
                InvitationError::Unknown.into()
            }
            (None, _) => SignUpError::NamespaceTaken,
        })
    }
}

/// What makes a new user belong to a namespace: an invited one to one that is there, any other to
/// a new one.
fn belonging(
    user: &UserId,
    namespace: &NamespaceName,
    invitation: Option<&Invitation>,
) -> (Compare, Vec<Change>) {
    let key = namespace_key(namespace);
    if let Some((_, role)) = invitation.and_then(|invitation| invitation.member.as_ref()) {
        return (present(key), new_member(user, namespace, *role));
    }
    let mut changes = new_member(user, namespace, Role::Owner);
    changes.extend(new_namespace(namespace));
    (absent(key), changes)
}
