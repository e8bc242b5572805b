//! Who calls: from which address, with which program.

use std::net::IpAddr;

/// Characters of a program's name that are kept.
const AGENT_LENGTH: usize = 200;

/// From where, and with which program, somebody calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The address at the other end of the connection.
    pub address: IpAddr,
    /// What the program calls itself (`User-Agent`), cut at 200 characters; nobody checks it.
    pub agent: String,
}

impl Client {
    /// A client at an address; what cannot be printed is left out of the program's name.
    pub fn new(address: IpAddr, agent: &str) -> Self {
        let printable = agent.chars().filter(|letter| !letter.is_control());
        Self {
            address,
            agent: printable.take(AGENT_LENGTH).collect(),
        }
    }
}
