//! Sign-up and sign-in.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Accounts;
use super::namespaces::{Role, membership_key, namespace_key, new_namespace};
use super::password::{Busy, Password};
use super::throttle::Throttled;
use super::token::{AccessToken, TokenError};
use super::user::{User, UserId, UserRecord, email_key, user_key};
use crate::{clock, random};
use s3d_names::Email;
use s3d_names::NamespaceName;
use s3d_records::{RecordError, absent, put};

/// Suffixes that are tried to find a free name for a namespace.
const TRIES: usize = 8;

/// What somebody signs up with.
#[derive(Debug, Clone)]
pub struct SignUp {
    /// The address to sign in with.
    pub email: Email,
    /// The password to sign in with.
    pub password: Password,
    /// The namespace to found; derived from the address if none is wished for.
    pub namespace: Option<NamespaceName>,
}

/// Why somebody could not sign up.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
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

/// Why somebody could not sign in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Which of the two is wrong is not said.
    #[error("The email address or the password is wrong.")]
    Wrong,
    /// Too many attempts.
    #[error("Too many attempts; try again in a while.")]
    Throttled(Duration),
    /// Too many passwords wait to be verified.
    #[error("Too many people sign in at this moment; try again.")]
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

impl From<Busy> for LoginError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<Throttled> for SignUpError {
    fn from(throttled: Throttled) -> Self {
        Self::Throttled(throttled.retry_after)
    }
}

impl From<Throttled> for LoginError {
    fn from(throttled: Throttled) -> Self {
        Self::Throttled(throttled.retry_after)
    }
}

/// Why a token names no user.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The token is not taken.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Accounts {
    /// Makes a user and the namespace that belongs to the user, both or neither.
    pub async fn sign_up(
        &self,
        sign_up: SignUp,
        from: Option<IpAddr>,
    ) -> Result<(User, NamespaceName), SignUpError> {
        if let Some(from) = from {
            self.throttles
                .address
                .take(&from.to_string(), Instant::now())?;
        }
        if self.user_id(&sign_up.email).await?.is_some() {
            return Err(SignUpError::EmailTaken);
        }
        let record = UserRecord {
            email: sign_up.email.clone(),
            password: self.passwords.hash(sign_up.password).await?,
            created: clock::now(),
        };
        if let Some(namespace) = sign_up.namespace {
            return self.found(&record, namespace).await;
        }
        let mut namespace = NamespaceName::derived(&sign_up.email, None);
        for _ in 0..TRIES {
            match self.found(&record, namespace).await {
                Err(SignUpError::NamespaceTaken) => {}
                outcome => return outcome,
            }
            let suffix = random::text(b"abcdefghijklmnopqrstuvwxyz234567", 6);
            namespace = NamespaceName::derived(&sign_up.email, Some(&suffix));
        }
        Err(SignUpError::NamespaceTaken)
    }

    async fn found(
        &self,
        record: &UserRecord,
        namespace: NamespaceName,
    ) -> Result<(User, NamespaceName), SignUpError> {
        let user = User {
            id: UserId::random(),
            email: record.email.clone(),
            created: record.created,
        };
        let email = email_key(&user.email);
        let conditions = vec![
            absent(email.clone()),
            absent(user_key(&user.id)),
            absent(namespace_key(&namespace)),
        ];
        let mut changes = vec![
            put(user_key(&user.id), record),
            put(email, &user.id),
            put(membership_key(&user.id, &namespace), &Role::Owner),
        ];
        changes.extend(new_namespace(&namespace));
        if self.records.commit(conditions, changes).await? {
            return Ok((user, namespace));
        }
        match self.user_id(&user.email).await? {
            Some(_) => Err(SignUpError::EmailTaken),
            None => Err(SignUpError::NamespaceTaken),
        }
    }

    /// A token for whoever knows the password. The work is the same for an address that nobody
    /// has, so it tells nothing.
    pub async fn login(
        &self,
        email: &str,
        password: String,
        from: Option<IpAddr>,
    ) -> Result<AccessToken, LoginError> {
        let now = Instant::now();
        let from = from.map(|from| from.to_string());
        let email = Email::new(email).ok();
        let account = email.as_ref().map_or("", Email::as_str);
        if let Some(from) = &from {
            self.throttles.address.take(from, now)?;
        }
        self.throttles.account.take(account, now)?;
        let user = match &email {
            Some(email) => self.user_with_password(email).await?,
            None => None,
        };
        let (user, hashed) = user.unzip();
        let right = self.passwords.verify(hashed, password).await?;
        let user = user.filter(|_| right).ok_or(LoginError::Wrong)?;
        self.throttles.account.give_back(account);
        if let Some(from) = &from {
            self.throttles.address.give_back(from);
        }
        Ok(self.tokens.issue(&user, clock::seconds()))
    }

    /// The user whom a token names.
    pub async fn authenticate(&self, token: &str) -> Result<User, AuthenticateError> {
        let id = self.tokens.check(token)?;
        let record = self.records.get::<UserRecord>(&user_key(&id)).await?;
        let record = record.ok_or(TokenError::Invalid)?.record;
        Ok(User {
            id,
            email: record.email,
            created: record.created,
        })
    }

    async fn user_id(&self, email: &Email) -> Result<Option<UserId>, RecordError> {
        let stored = self.records.get::<UserId>(&email_key(email)).await?;
        Ok(stored.map(|stored| stored.record))
    }

    async fn user_with_password(
        &self,
        email: &Email,
    ) -> Result<Option<(UserId, String)>, RecordError> {
        let Some(id) = self.user_id(email).await? else {
            return Ok(None);
        };
        let record: Option<s3d_records::Stored<UserRecord>> =
            self.records.get(&user_key(&id)).await?;
        Ok(record.map(|stored| (id, stored.record.password)))
    }
}
