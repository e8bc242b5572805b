//! Sessions: each begins with a sign-in, and ends with its token, with the password, or when somebody ends it.
//!
//! A token is taken only while the record of its session is there and names the password that its user has now. So
//! a sign-in that a change of the password overtakes begins nothing.

use std::net::IpAddr;

use s3d_bucket::Timestamp;
use s3d_records::{RecordError, Stored, delete, present, put, unchanged};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::session_id::SessionId;
use super::sign_in::AuthenticateError;
use super::token::{self, AccessToken, TokenError};
use super::user::{User, UserId, UserRecord, user_key};
use super::{Accounts, clock};

/// Sessions that a user may have; one more ends the one that was not used for the longest.
const MAX_SESSIONS: usize = 100;

/// Sessions that one transaction ends.
const TOGETHER: usize = 50;

/// Uses within this time of the last one that was noted are not noted, in milliseconds.
const NOTED_AFTER: u64 = 60_000;

/// Somebody who is signed in, at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// When it began.
    pub begun: Timestamp,
    /// When it was used, to the minute.
    pub last_used: Timestamp,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// Who used it then.
    pub client: Client,
}

#[derive(Clone, Serialize, Deserialize)]
struct SessionRecord {
    begun: Timestamp,
    last_used: Timestamp,
    expires: Timestamp,
    /// The number of the password that its user had when it began.
    password: u64,
    address: IpAddr,
    agent: String,
}

impl SessionRecord {
    fn new(password: u64, client: &Client) -> Self {
        let begun = clock::now();
        Self {
            begun,
            last_used: begun,
            expires: Timestamp(begun.0 + token::LIFETIME * 1_000),
            password,
            address: client.address,
            agent: client.agent.clone(),
        }
    }

    /// Whether a user whose password has this number is still in it.
    fn stands(&self, password: u64) -> bool {
        self.password == password && self.expires > clock::now()
    }

    fn session(self, id: SessionId) -> Session {
        Session {
            id,
            begun: self.begun,
            last_used: self.last_used,
            expires: self.expires,
            client: Client {
                address: self.address,
                agent: self.agent,
            },
        }
    }
}

fn sessions_of(user: &UserId) -> String {
    format!("s3d/session/{user}/")
}

fn session_key(user: &UserId, session: &SessionId) -> String {
    format!("{}{session}", sessions_of(user))
}

impl Accounts {
    /// The user whom a token names, and the session that it is of, which is noted as used by this client.
    pub async fn authenticate(
        &self,
        token: &str,
        client: &Client,
    ) -> Result<(User, SessionId), AuthenticateError> {
        let (id, session) = self.tokens.check(token)?;
        let (user, key) = (user_key(&id), session_key(&id, &session));
        let (user, stored) = tokio::try_join!(
            self.records.get::<UserRecord>(&user),
            self.records.get::<SessionRecord>(&key)
        )?;
        let user = user.ok_or(TokenError::Invalid)?.record;
        let stored = stored.filter(|stored| stored.record.stands(user.password_number));
        let stored = stored.ok_or(TokenError::Expired)?;
        self.note_session_use(key, stored, client).await;
        Ok((user.user(id), session))
    }

    /// The sessions of a user, the one that was used last first; those of nobody are none.
    pub async fn sessions(&self, user: &UserId) -> Result<Vec<Session>, RecordError> {
        let Some(stored) = self.records.get::<UserRecord>(&user_key(user)).await? else {
            return Ok(Vec::new());
        };
        let (standing, _) = self.read_sessions(user, &stored.record).await?;
        Ok(standing)
    }

    /// Ends a session; answers whether there was one.
    pub async fn end_session(
        &self,
        user: &UserId,
        session: &SessionId,
    ) -> Result<bool, RecordError> {
        let key = session_key(user, session);
        let conditions = vec![present(key.clone())];
        self.records.commit(conditions, vec![delete(key)]).await
    }

    /// Ends all sessions of a user but perhaps one.
    pub async fn end_sessions(
        &self,
        user: &UserId,
        but: Option<&SessionId>,
    ) -> Result<(), RecordError> {
        let sessions = self.sessions(user).await?.into_iter();
        let others = sessions.map(|session| session.id);
        let others = others.filter(|id| Some(id) != but).collect();
        self.delete_sessions(user, others).await
    }

    /// Ends the session of a token, if it is one; answers whose it was.
    pub async fn log_out(&self, token: &str) -> Result<Option<UserId>, RecordError> {
        let Ok((user, session)) = self.tokens.check(token) else {
            return Ok(None);
        };
        let ended = self.end_session(&user, &session).await?;
        Ok(ended.then_some(user))
    }

    /// A token for a new session of a user who has proved to be one, by the password that `record` names.
    pub(super) async fn begin_session(
        &self,
        user: &UserId,
        record: &UserRecord,
        client: &Client,
    ) -> Result<AccessToken, RecordError> {
        let (mut standing, mut over) = self.read_sessions(user, record).await?;
        if standing.len() >= MAX_SESSIONS {
            let unused = standing.split_off(MAX_SESSIONS - 1).into_iter();
            over.extend(unused.map(|session| session.id));
        }
        self.delete_sessions(user, over).await?;
        let session = SessionId::random();
        let begun = SessionRecord::new(record.password_number, client);
        let change = put(session_key(user, &session), &begun);
        self.records.commit(Vec::new(), vec![change]).await?;
        Ok(self.tokens.issue(user, session, clock::seconds()))
    }

    /// Those that stand, the one that was used last first, and those that are over.
    async fn read_sessions(
        &self,
        user: &UserId,
        record: &UserRecord,
    ) -> Result<(Vec<Session>, Vec<SessionId>), RecordError> {
        let prefix = sessions_of(user);
        let (mut standing, mut over) = (Vec::new(), Vec::new());
        for (id, stored) in self.records.list::<SessionRecord>(&prefix).await? {
            let id = SessionId::parse(&id)
                .ok_or_else(|| RecordError::Damaged(format!("{prefix}{id}")))?;
            if stored.record.stands(record.password_number) {
                standing.push(stored.record.session(id));
            } else {
                over.push(id);
            }
        }
        standing.sort_by_key(|session| std::cmp::Reverse(session.last_used));
        Ok((standing, over))
    }

    async fn delete_sessions(
        &self,
        user: &UserId,
        sessions: Vec<SessionId>,
    ) -> Result<(), RecordError> {
        for some in sessions.chunks(TOGETHER) {
            let changes = some.iter().map(|id| delete(session_key(user, id)));
            self.records.commit(Vec::new(), changes.collect()).await?;
        }
        Ok(())
    }

    /// On the condition that nobody has ended it meanwhile.
    async fn note_session_use(&self, key: String, stored: Stored<SessionRecord>, client: &Client) {
        let now = clock::now();
        if now.0 < stored.record.last_used.0 + NOTED_AFTER {
            return;
        }
        let record = SessionRecord {
            last_used: now,
            address: client.address,
            agent: client.agent.clone(),
            ..stored.record.clone()
        };
        let conditions = vec![unchanged(key.clone(), &stored)];
        let noted = self.records.commit(conditions, vec![put(key, &record)]);
        // What was asked does not depend on it.
        if let Err(error) = noted.await {
            tracing::debug!(%error, "the use of a session was not noted");
        }
    }
}
