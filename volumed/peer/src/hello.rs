//! What each side says first: who it is, and what it understands.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | `HYLK` |
//! | 4..6 | the oldest version of the protocol that it speaks, u16 |
//! | 6..8 | the newest one, u16 |
//! | 8..10 | length of the rest, u16, at most 4,096 bytes |
//! | 10..26 | its cluster, u128 |
//! | 26..42 | its node, u128 |
//! | 42..44 | how many kinds of messages it knows, u16 |
//! | 44.. | the number of each, u16, ascending |
//!
//! All integers are little-endian. What follows is a newer program's, and is passed over.

use std::collections::BTreeSet;
use std::io;
use std::ops::RangeInclusive;

use bytes::{Buf, BufMut as _, BytesMut, TryGetError};
use volumed_core::wire::Kind;
use volumed_stream::Stream;

use crate::{ClusterId, Identity, NodeId};

/// The versions that this program speaks. Whoever changes what anything on a link means raises the
/// newest one; a new kind of message needs none.
pub const VERSIONS: RangeInclusive<u16> = 1..=1;

/// Bytes of a hello whose meaning no version changes.
pub const HELLO_HEAD: usize = 10;

/// The most bytes that may follow them.
pub const MOST_HELLO: usize = 4096;

const MAGIC: [u8; 4] = *b"HYLK";

/// What a side says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The versions that it speaks.
    pub versions: RangeInclusive<u16>,
    /// Where it belongs.
    pub cluster: ClusterId,
    /// Who it is.
    pub node: NodeId,
    /// The kinds of messages that it knows, by number.
    pub kinds: BTreeSet<u16>,
}

/// Why there is no link with whoever is at the other end.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// It was closed.
    #[error("it ended the connection before it said who it is: its log says why")]
    Closed,
    /// What came is no hello.
    #[error("what it says is no hello of a node: is the port another service's?")]
    NoHello,
    /// There is no version that both speak.
    #[error("it speaks versions {} to {} of the protocol between nodes, and this program {} to {}: use a newer program {}",
        .0.start(), .0.end(), VERSIONS.start(), VERSIONS.end(),
        if .0.start() > VERSIONS.end() { "here" } else { "there" })]
    Version(RangeInclusive<u16>),
    /// It is a node of another cluster.
    #[error("it belongs to cluster {found}, and this node to {own}")]
    Cluster {
        /// Its own.
        found: ClusterId,
        /// This one.
        own: ClusterId,
    },
    /// It is another node than was looked for.
    #[error("it is node {found}, and {wanted} was looked for: is the address right?")]
    Node {
        /// It.
        found: NodeId,
        /// Who was called.
        wanted: NodeId,
    },
    /// It shows the certificate of nobody, or of somebody else.
    #[error("it says that it is node {0}, and its certificate does not")]
    Certificate(NodeId),
}

impl From<TryGetError> for HelloError {
    fn from(_: TryGetError) -> Self {
        Self::NoHello
    }
}

impl Hello {
    /// This program's.
    pub fn of(identity: Identity) -> Self {
        Self {
            versions: VERSIONS,
            cluster: identity.cluster,
            node: identity.node,
            kinds: Kind::ALL.iter().map(|&kind| kind as u16).collect(),
        }
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let rest = 2 * size_of::<u128>() + 2 + 2 * self.kinds.len();
        let mut bytes = Vec::with_capacity(HELLO_HEAD + rest);
        bytes.put_slice(&MAGIC);
        bytes.put_u16_le(*self.versions.start());
        bytes.put_u16_le(*self.versions.end());
        bytes.put_u16_le(rest as u16);
        bytes.put_u128_le(self.cluster.0);
        bytes.put_u128_le(self.node.0);
        bytes.put_u16_le(self.kinds.len() as u16);
        for &kind in &self.kinds {
            bytes.put_u16_le(kind);
        }
        bytes
    }

    /// Takes one off the input; `None` as long as it is not here whole. A version that is not
    /// spoken here is refused before anything is read that it may have changed.
    pub fn decode(input: &mut BytesMut) -> Result<Option<Self>, HelloError> {
        let Some(head) = input.first_chunk::<HELLO_HEAD>() else {
            return Ok(None);
        };
        let (magic, mut head) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(HelloError::NoHello);
        }
        let versions = head.get_u16_le()..=head.get_u16_le();
        let rest = usize::from(head.get_u16_le());
        if versions.is_empty() || rest > MOST_HELLO {
            return Err(HelloError::NoHello);
        }
        if versions.start() > VERSIONS.end() || versions.end() < VERSIONS.start() {
            return Err(HelloError::Version(versions));
        }
        if input.len() < HELLO_HEAD + rest {
            return Ok(None);
        }
        let mut body = input.split_to(HELLO_HEAD + rest).split_off(HELLO_HEAD);
        let (cluster, node) = (body.try_get_u128_le()?, body.try_get_u128_le()?);
        let count = body.try_get_u16_le()?;
        let kinds: Result<_, _> = (0..count).map(|_| body.try_get_u16_le()).collect();
        Ok(Some(Self {
            versions,
            cluster: ClusterId(cluster),
            node: NodeId(node),
            kinds: kinds?,
        }))
    }

    /// Waits for the other side's; what is behind it stays in `input`.
    pub(crate) async fn read(stream: &Stream, input: &mut BytesMut) -> Result<Self, HelloError> {
        loop {
            if let Some(hello) = Self::decode(input)? {
                return Ok(hello);
            }
            input.reserve(HELLO_HEAD + MOST_HELLO);
            if stream.read(input).await? == 0 {
                return Err(HelloError::Closed);
            }
        }
    }

    /// Refuses who is of another cluster, or not who its certificate says.
    pub(crate) fn check(&self, own: Identity, certified: Certified) -> Result<(), HelloError> {
        if self.cluster != own.cluster {
            let (found, own) = (self.cluster, own.cluster);
            return Err(HelloError::Cluster { found, own });
        }
        match certified {
            Certified::Nobody => Ok(()),
            Certified::Node(Some(node)) if node == self.node => Ok(()),
            Certified::Node(_) => Err(HelloError::Certificate(self.node)),
        }
    }
}

/// Who a certificate says the other side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certified {
    /// Certificates are not asked for.
    Nobody,
    Node(Option<NodeId>),
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    const OWN: Identity = Identity {
        cluster: ClusterId(0xc1),
        node: NodeId(0x10),
    };

    fn hello() -> impl Strategy<Value = Hello> {
        let kinds = btree_set(any::<u16>(), 0..100);
        (any::<u128>(), any::<u128>(), 1..9_u16, kinds).prop_map(
            |(cluster, node, newest, kinds)| Hello {
                versions: 1..=newest,
                cluster: ClusterId(cluster),
                node: NodeId(node),
                kinds,
            },
        )
    }

    proptest! {
        #[test]
        fn a_hello_is_read_as_it_was_written(hello in hello(), behind in vec(any::<u8>(), 0..9)) {
            let mut input = BytesMut::from(&hello.encode()[..]);
            input.extend_from_slice(&behind);
            prop_assert_eq!(Hello::decode(&mut input).unwrap(), Some(hello));
            prop_assert_eq!(&input[..], &behind[..]);
        }

        #[test]
        fn more_is_waited_for_until_it_is_whole(hello in hello(), cut in any::<proptest::sample::Index>()) {
            let bytes = hello.encode();
            let part = &bytes[..cut.index(bytes.len())];
            prop_assert_eq!(Hello::decode(&mut part.into()).unwrap(), None);
        }

        #[test]
        fn anything_may_be_said(bytes in vec(any::<u8>(), 0..200)) {
            let magic = [&MAGIC[..], &bytes].concat();
            for said in [bytes, magic] {
                let _ = Hello::decode(&mut BytesMut::from(&said[..]));
            }
        }
    }

    #[test]
    fn what_a_newer_program_adds_is_passed_over() {
        let mut bytes = Hello::of(OWN).encode();
        bytes.extend([7; 3]);
        let rest = (bytes.len() - HELLO_HEAD) as u16;
        bytes[8..10].copy_from_slice(&rest.to_le_bytes());
        let mut input = BytesMut::from(&bytes[..]);
        assert_eq!(Hello::decode(&mut input).unwrap(), Some(Hello::of(OWN)));
        assert!(input.is_empty());
    }

    #[test]
    fn a_version_that_is_not_spoken_is_refused_with_a_sentence() {
        let newer = Hello {
            versions: 2..=3,
            ..Hello::of(OWN)
        };
        let mut input = BytesMut::from(&newer.encode()[..HELLO_HEAD]);
        let refused = Hello::decode(&mut input).unwrap_err().to_string();
        assert_eq!(
            refused,
            "it speaks versions 2 to 3 of the protocol between nodes, and this program 1 to 1: \
             use a newer program here"
        );
    }

    #[test]
    fn strangers_are_refused() {
        let refused = |hello: Hello, certified| hello.check(OWN, certified).unwrap_err();
        let other = Hello {
            cluster: ClusterId(0xc2),
            ..Hello::of(OWN)
        };
        let cluster = refused(other, Certified::Nobody);
        assert!(matches!(cluster, HelloError::Cluster { .. }), "{cluster}");
        for shown in [None, Some(NodeId(0x11))] {
            let liar = refused(Hello::of(OWN), Certified::Node(shown));
            assert!(
                matches!(liar, HelloError::Certificate(NodeId(0x10))),
                "{liar}"
            );
        }
        let honest = Certified::Node(Some(OWN.node));
        assert!(Hello::of(OWN).check(OWN, honest).is_ok());
    }

    /// Frozen: every later version reads it.
    #[test]
    fn the_bytes_of_a_hello_are_those_of_version_1() {
        let hello = Hello {
            versions: 1..=1,
            cluster: ClusterId(0x0102),
            node: NodeId(0x0304),
            kinds: [1, 0x0506].into(),
        };
        let mut bytes = b"HYLK\x01\0\x01\0\x26\0".to_vec();
        bytes.extend(0x0102_u128.to_le_bytes());
        bytes.extend(0x0304_u128.to_le_bytes());
        bytes.extend([2, 0, 1, 0, 6, 5]);
        assert_eq!(hello.encode(), bytes);
    }
}
