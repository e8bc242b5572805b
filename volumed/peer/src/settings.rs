use std::time::Duration;

use crate::{ClusterId, NodeId};

/// Whose end of a link it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Nodes of others are refused.
    pub cluster: ClusterId,
    /// This node.
    pub node: NodeId,
}

/// What can be tuned of links.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// How long what may take.
    pub times: Times,
    /// How much a link may hold.
    pub limits: Limits,
}

/// How long what may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// A side that sent nothing for so long says that it is there. 1 s: three such words fit
    /// into the silence, so that the loss of packets which TCP makes up for ends no link.
    pub ping: Duration,
    /// A link on which nothing came for so long is down. 4 s, as long as a lease: a bucket whose node
    /// died is to answer again within 5 s.
    pub silence: Duration,
    /// Connecting, TLS and the hellos may take so long together. Longer than two packets that TCP has to
    /// send again (1 s, then 2 s).
    pub hello: Duration,
    /// The first pause after an attempt that failed; each next one is twice as long.
    pub first_pause: Duration,
    /// The longest pause, and so the longest that a node which came back is not noticed.
    pub longest_pause: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(1),
            silence: Duration::from_secs(4),
            hello: Duration::from_secs(5),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(3),
        }
    }
}

/// How much a link may hold, in bytes of messages and of their answers.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Unanswered messages beyond which a head begins nothing new. 32 MiB: what 1 GbE carries in a quarter
    /// of a second, so a small write never waits longer behind large ones.
    pub room: u64,
    /// Unanswered messages that the link never holds more of: heads end what they began between here
    /// and [`Self::room`].
    pub most: u64,
    /// Messages under way in this node's replicas, and their answers, beyond which nothing more is read
    /// from a link. No more than [`Self::most`] of them can be sent.
    pub hosted: u64,
    /// Connections that an address may have.
    pub connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            room: 32 << 20,
            most: 128 << 20,
            hosted: 64 << 20,
            connections_per_address: 64,
        }
    }
}
