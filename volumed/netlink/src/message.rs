use crate::Malformed;
use crate::attribute::{Attributes, Writer, aligned};

/// Length, kind, flags, sequence number, port.
const HEADER: usize = 16;
/// Command, version, two bytes that mean nothing.
const GENERIC_HEADER: usize = 4;
/// `NLM_F_REQUEST | NLM_F_ACK`: whatever else is answered, it ends with an acknowledgement or an error.
const REQUEST_AND_ACK: u16 = 1 | 4;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// The first kind that a family may have; those below are netlink's own.
const FIRST_FAMILY: u16 = 16;

/// What the kernel is asked.
#[derive(Debug)]
pub struct Request {
    /// The family's id.
    pub family: u16,
    /// One of the family's commands.
    pub command: u8,
    /// What the command needs.
    pub attributes: Writer,
}

impl Request {
    /// The message; its answers carry `sequence`.
    pub fn encode(self, sequence: u32) -> Vec<u8> {
        let attributes = self.attributes.into_bytes();
        let length = (HEADER + GENERIC_HEADER + attributes.len()) as u32;
        let mut bytes = Vec::with_capacity(length as usize);
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&self.family.to_ne_bytes());
        bytes.extend_from_slice(&REQUEST_AND_ACK.to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        // The kernel fills in the port.
        bytes.extend_from_slice(&0u32.to_ne_bytes());
        // Every family here has version 1, and so has the control family at least that.
        bytes.extend_from_slice(&[self.command, 1, 0, 0]);
        bytes.extend_from_slice(&attributes);
        bytes
    }
}

/// One message from the kernel.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// Of the request that it answers; an event has 0.
    pub sequence: u32,
    /// What it says.
    pub body: Body<'a>,
}

/// What a message from the kernel says.
#[derive(Debug, Clone)]
pub enum Body<'a> {
    /// The request is done.
    Done,
    /// The request is refused with this `errno`, above 0.
    Refused(i32),
    /// What a family answers or tells.
    Family {
        /// The family's id.
        family: u16,
        /// One of its commands.
        command: u8,
        /// What it says.
        attributes: Attributes<'a>,
    },
    /// Netlink's own, which say nothing here.
    Other,
}

/// Reads the messages of a datagram; ends after the first that is malformed.
#[derive(Debug, Clone)]
pub struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    /// Those in a datagram.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }

    fn take(&mut self) -> Option<Message<'a>> {
        let header: &[u8; HEADER] = self.0.first_chunk()?;
        let length = u32_at(header, 0)? as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let sequence = u32_at(header, 8)?;
        let payload = self.0.get(HEADER..length)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        let body = match kind {
            ERROR => match u32_at(payload, 0)?.cast_signed() {
                0 => Body::Done,
                negated => Body::Refused(negated.checked_neg().filter(|errno| *errno > 0)?),
            },
            FIRST_FAMILY.. => Body::Family {
                family: kind,
                command: *payload.first()?,
                attributes: Attributes::new(payload.get(GENERIC_HEADER..)?),
            },
            _ => Body::Other,
        };
        Some(Message { sequence, body })
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let message = self.take().ok_or(Malformed);
        if message.is_err() {
            self.0 = &[];
        }
        Some(message)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}
