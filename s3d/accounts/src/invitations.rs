//! Invitations: a code that lets one email address sign up, or join a namespace.
//!
//! The code is shown once and handed on by whoever invites; what is stored names only its hash.

use std::time::Duration;

use s3d_bucket::Timestamp;
use s3d_names::{Email, NamespaceName};
use s3d_records::{RecordError, absent, delete, present, put};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use volumed_meta::{Change, Compare};

use super::namespaces::{Membership, Role, membership_key, namespace_key, new_member};
use super::user::{User, UserId, user_key};
use super::{Accounts, clock, random};

/// How long an invitation holds.
const LIFETIME: Duration = Duration::from_hours(7 * 24);

/// Invitations that a namespace may have open, and those to no namespace together.
const MAX_OPEN: usize = 100;

/// An open invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Names it; 32 hex digits.
    pub id: String,
    /// Whom it is for.
    pub email: Email,
    /// What it lets its user join; `None`: sign up with a namespace of one's own.
    pub member: Option<(NamespaceName, Role)>,
    /// When it ends.
    pub expires: Timestamp,
    /// Who invites.
    pub invited_by: UserId,
}

/// Why an invitation does not help.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// There is none of this code for this address, or it has expired.
    #[error("This invitation is not known, was used, has expired or is for another address.")]
    Unknown,
    /// The user belongs to the namespace already.
    #[error("You belong to this namespace already.")]
    MemberAlready,
    /// It is one to sign up with.
    #[error("This invitation is for signing up; you have an account already.")]
    ForSignUp,
    /// There are too many open ones.
    #[error("At most {MAX_OPEN} invitations may be open; withdraw some that are not used.")]
    TooMany,
    /// The namespace is gone.
    #[error("There is no such namespace.")]
    NoSuchNamespace,
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

#[derive(Serialize, Deserialize)]
struct InvitationRecord {
    email: Email,
    member: Option<(NamespaceName, Role)>,
    expires: Timestamp,
    invited_by: UserId,
}

impl InvitationRecord {
    fn invitation(self, id: String) -> Invitation {
        Invitation {
            id,
            email: self.email,
            member: self.member,
            expires: self.expires,
            invited_by: self.invited_by,
        }
    }
}

fn invitation_key(id: &str) -> String {
    format!("s3d/invitation/{id}")
}

/// No namespace is named `-`.
fn invitations_of(namespace: Option<&NamespaceName>) -> String {
    let namespace = namespace.map_or("-", NamespaceName::as_str);
    format!("s3d/invitation-of/{namespace}/")
}

fn id_of(code: &str) -> String {
    hex::encode(&Sha256::digest(code.as_bytes())[..16])
}

impl Invitation {
    /// Holds while nobody has used or withdrawn the invitation.
    pub(super) fn open(&self) -> Compare {
        present(invitation_key(&self.id))
    }

    /// The changes that end the invitation.
    pub(super) fn removal(&self) -> Vec<Change> {
        let namespace = self.member.as_ref().map(|(namespace, _)| namespace);
        let index = format!("{}{}", invitations_of(namespace), self.id);
        vec![delete(invitation_key(&self.id)), delete(index)]
    }
}

impl Accounts {
    /// Invites an address: to a namespace in a role, or just to sign up. Answers the code, too.
    pub async fn invite(
        &self,
        email: Email,
        member: Option<(NamespaceName, Role)>,
        invited_by: &UserId,
    ) -> Result<(Invitation, String), InvitationError> {
        let namespace = member.as_ref().map(|(namespace, _)| namespace.clone());
        if self.invitations(namespace.as_ref()).await?.len() >= MAX_OPEN {
            return Err(InvitationError::TooMany);
        }
        let code = random::text(b"abcdefghijklmnopqrstuvwxyz234567", 32);
        let id = id_of(&code);
        let record = InvitationRecord {
            email,
            member,
            expires: Timestamp(clock::now().0 + LIFETIME.as_millis() as u64),
            invited_by: invited_by.clone(),
        };
        let index = format!("{}{id}", invitations_of(namespace.as_ref()));
        let changes = vec![put(invitation_key(&id), &record), put(index, &())];
        let conditions = namespace.map(|namespace| present(namespace_key(&namespace)));
        if !self
            .records
            .commit(conditions.into_iter().collect(), changes)
            .await?
        {
            return Err(InvitationError::NoSuchNamespace);
        }
        Ok((record.invitation(id), code))
    }

    /// The open invitations to a namespace, or those to no namespace. Expired ones are removed.
    pub async fn invitations(
        &self,
        namespace: Option<&NamespaceName>,
    ) -> Result<Vec<Invitation>, RecordError> {
        let mut open = Vec::new();
        for (id, _) in self.records.list::<()>(&invitations_of(namespace)).await? {
            let Some(invitation) = self.read_invitation(id).await? else {
                continue;
            };
            if invitation.expires > clock::now() {
                open.push(invitation);
            } else {
                self.records.commit(vec![], invitation.removal()).await?;
            }
        }
        Ok(open)
    }

    /// Withdraws an invitation; answers whether there was one.
    pub async fn withdraw_invitation(
        &self,
        namespace: Option<&NamespaceName>,
        id: &str,
    ) -> Result<bool, RecordError> {
        let invitations = self.invitations(namespace).await?;
        let Some(invitation) = invitations.into_iter().find(|it| it.id == id) else {
            return Ok(false);
        };
        self.records
            .commit(vec![invitation.open()], invitation.removal())
            .await
    }

    /// Makes a user a member of the namespace that the user was invited to.
    pub async fn accept_invitation(
        &self,
        user: &User,
        code: &str,
    ) -> Result<Membership, InvitationError> {
        let invitation = self.invitation(code, &user.email).await?;
        let (namespace, role) = invitation
            .member
            .clone()
            .ok_or(InvitationError::ForSignUp)?;
        let conditions = vec![
            invitation.open(),
            present(user_key(&user.id)),
            present(namespace_key(&namespace)),
            absent(membership_key(&user.id, &namespace)),
        ];
        let mut changes = new_member(&user.id, &namespace, role);
        changes.extend(invitation.removal());
        if self.records.commit(conditions, changes).await? {
            return Ok(Membership { namespace, role });
        }
        Err(match self.role(&user.id, &namespace).await? {
            Some(_) => InvitationError::MemberAlready,
            None => InvitationError::Unknown,
        })
    }

    /// The open invitation of a code, if it is for this address.
    pub(super) async fn invitation(
        &self,
        code: &str,
        email: &Email,
    ) -> Result<Invitation, InvitationError> {
        let invitation = self.read_invitation(id_of(code)).await?;
        invitation
            .filter(|it| it.email == *email && it.expires > clock::now())
            .ok_or(InvitationError::Unknown)
    }

    pub(super) async fn is_open(&self, invitation: &Invitation) -> Result<bool, RecordError> {
        Ok(self.read_invitation(invitation.id.clone()).await?.is_some())
    }

    async fn read_invitation(&self, id: String) -> Result<Option<Invitation>, RecordError> {
        let stored = self
            .records
            .get::<InvitationRecord>(&invitation_key(&id))
            .await?;
        Ok(stored.map(|stored| stored.record.invitation(id)))
    }
}
