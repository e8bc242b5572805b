//! The router and its uplink.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::models::RouterModel;
use crate::names::Device;

/// The router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// The machine.
    #[serde(serialize_with = "RouterModel::serialize_name")]
    #[serde(deserialize_with = "RouterModel::deserialize_name")]
    pub model: &'static RouterModel,
    /// The device at the switch.
    pub lan: Device,
    /// The uplink.
    pub wan: Wan,
}

/// The uplink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WanEntry")]
pub struct Wan {
    /// The device at the uplink.
    pub device: Device,
    /// Where its address comes from.
    pub address: WanAddress,
}

/// Where the router's outer address comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WanAddress {
    /// Whatever is there leases one.
    Dhcp,
    /// It is dialled for by PPPoE; the password is the secret `pppoe-password`.
    Pppoe {
        /// The user's name at the provider.
        user: String,
    },
    /// It is always the same.
    Static {
        /// The address and its network.
        address: Ipv4Net,
        /// Where everything else is reached.
        gateway: Ipv4Addr,
        /// Name servers, one at least.
        dns: Vec<Ipv4Addr>,
    },
}

/// The uplink as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WanEntry {
    device: Device,
    address: String,
    user: Option<String>,
    gateway: Option<Ipv4Addr>,
    #[serde(default)]
    dns: Vec<Ipv4Addr>,
}

/// Why an uplink is none.
#[derive(Debug, thiserror::Error)]
enum WanError {
    #[error(
        "{0:?} is no address; write \"dhcp\", \"pppoe\", or one with its network, like \"198.51.100.2/24\""
    )]
    Address(String),
    #[error("a fixed address needs a way out; write gateway = \"…\" and dns = [\"…\"] beside it")]
    NoWayOut,
    #[error("the gateway {0} is not in {1}; write the provider's gateway")]
    Gateway(Ipv4Addr, Ipv4Net),
    #[error(
        "PPPoE needs a user; write user = \"…\" as the provider gave it, and `rack secrets set pppoe-password`"
    )]
    NoUser,
    #[error(
        "an address by {0} comes with its gateway and name servers; take gateway, dns and user out"
    )]
    Needless(&'static str),
}

impl TryFrom<WanEntry> for Wan {
    type Error = WanError;

    fn try_from(entry: WanEntry) -> Result<Self, WanError> {
        let is_bare = entry.gateway.is_none() && entry.dns.is_empty();
        let address = match (entry.address.as_str(), entry.user) {
            ("dhcp", None) if is_bare => WanAddress::Dhcp,
            ("dhcp", _) => return Err(WanError::Needless("dhcp")),
            ("pppoe", Some(user)) if is_bare && !user.is_empty() => WanAddress::Pppoe { user },
            ("pppoe", Some(_)) if !is_bare => return Err(WanError::Needless("pppoe")),
            ("pppoe", _) => return Err(WanError::NoUser),
            (text, None) => fixed(text, entry.gateway, entry.dns)?,
            (_, Some(_)) => return Err(WanError::Needless("a fixed address")),
        };
        Ok(Self {
            device: entry.device,
            address,
        })
    }
}

fn fixed(
    text: &str,
    gateway: Option<Ipv4Addr>,
    dns: Vec<Ipv4Addr>,
) -> Result<WanAddress, WanError> {
    let malformed = |_| WanError::Address(text.to_owned());
    let address: Ipv4Net = text.parse().map_err(malformed)?;
    let gateway = gateway
        .filter(|_| !dns.is_empty())
        .ok_or(WanError::NoWayOut)?;
    if !address.contains(&gateway) || gateway == address.addr() {
        return Err(WanError::Gateway(gateway, address));
    }
    Ok(WanAddress::Static {
        address,
        gateway,
        dns,
    })
}
