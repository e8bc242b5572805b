use std::borrow::Cow;

/// The errors that a request can be answered with; the protocol knows no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NbdError {
    /// EPERM.
    #[error("operation not permitted")]
    Permission,
    /// EIO.
    #[error("input/output error")]
    Io,
    /// ENOMEM.
    #[error("out of memory")]
    NoMemory,
    /// EINVAL, and every number that is not the protocol's.
    #[error("invalid request")]
    Invalid,
    /// ENOSPC.
    #[error("no space left")]
    NoSpace,
    /// EOVERFLOW.
    #[error("request too large")]
    Overflow,
    /// ENOTSUP.
    #[error("not supported")]
    Unsupported,
    /// ESHUTDOWN.
    #[error("the server is shutting down")]
    Shutdown,
}

impl NbdError {
    /// The number on the wire.
    pub fn to_wire(self) -> u32 {
        match self {
            Self::Permission => 1,
            Self::Io => 5,
            Self::NoMemory => 12,
            Self::Invalid => 22,
            Self::NoSpace => 28,
            Self::Overflow => 75,
            Self::Unsupported => 95,
            Self::Shutdown => 108,
        }
    }

    /// Reads a number other than 0.
    pub fn from_wire(number: u32) -> Self {
        match number {
            1 => Self::Permission,
            5 => Self::Io,
            12 => Self::NoMemory,
            28 => Self::NoSpace,
            75 => Self::Overflow,
            95 => Self::Unsupported,
            108 => Self::Shutdown,
            _ => Self::Invalid,
        }
    }

    /// What a structured reply says beside the number.
    fn sentence(self) -> &'static str {
        match self {
            Self::Permission => "this is not permitted",
            Self::Io => "the volume could not be read or written",
            Self::NoMemory => "the server is out of memory",
            Self::Invalid => "the request is malformed or reaches beyond the end",
            Self::NoSpace => "no space is left",
            Self::Overflow => "the request is too large",
            Self::Unsupported => "this is not supported",
            Self::Shutdown => "the server is shutting down",
        }
    }
}

/// Why a request failed: a number for programs, and a sentence for people that structured replies
/// carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What programs see.
    pub error: NbdError,
    /// What happened, and what to do about it; at most 4,096 bytes of it are sent.
    pub sentence: Cow<'static, str>,
}

impl From<NbdError> for Failure {
    fn from(error: NbdError) -> Self {
        Self {
            error,
            sentence: Cow::Borrowed(error.sentence()),
        }
    }
}

/// The peer broke the protocol in a way that leaves nothing but to drop the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A message does not start with the number that it must start with.
    #[error("the peer does not speak NBD: a magic number is wrong")]
    Magic,
    /// The peer set flags that were not offered.
    #[error("the peer set handshake flags that were not offered")]
    HandshakeFlags,
    /// The peer is older than fixed newstyle.
    #[error("the peer does not speak fixed newstyle NBD")]
    NotFixedNewstyle,
    /// EXPORT_NAME, which has no way to answer an error, named what cannot be opened.
    #[error("the peer asked in the old way for an export that cannot be opened")]
    ExportName,
    /// Something came after STARTTLS that the encryption does not cover: it could be anybody's.
    #[error("the peer went on before TLS began")]
    BeforeTls,
    /// A reply to a request that is not in flight.
    #[error("the peer answered a request that was not sent")]
    UnknownCookie,
    /// A reply to another option, an over-long one, or one that says nothing of the export.
    #[error("the peer's answer to an option is malformed")]
    OptionReply,
}

#[cfg(test)]
mod tests {
    use super::NbdError;

    #[test]
    fn numbers_survive_the_wire_and_strange_ones_are_invalid() {
        for number in 0..200 {
            let error = NbdError::from_wire(number);
            assert!(error.to_wire() == number || error == NbdError::Invalid);
        }
        assert_eq!(NbdError::from_wire(u32::MAX), NbdError::Invalid);
    }
}
