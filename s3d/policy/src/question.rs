//! What a policy is asked.

use crate::facts::Facts;
use crate::principal::Requester;

/// What a policy is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub who: Requester<'a>,
    /// What for, such as `GetObject`.
    pub action: &'a str,
    /// The bucket.
    pub bucket: &'a str,
    /// The key in it, if the action is about an object.
    pub key: Option<&'a str>,
    /// What else is known of the request.
    pub facts: &'a Facts,
}
