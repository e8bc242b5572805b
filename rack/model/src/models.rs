//! The machines that Hayrack knows, from `models.toml`: measures, power, what their images need.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::near;
use crate::watts::Watts;

/// What a machine takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// When it does nothing.
    pub idle: Watts,
    /// At most.
    pub max: Watts,
    /// Who says so, where and when.
    pub source: String,
    /// Whether it is derived from the source, not stated or measured there.
    #[serde(default)]
    pub estimate: bool,
}

/// A machine that can be a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeModel {
    /// What `rack.toml` calls it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What its processor runs.
    pub arch: Arch,
    /// How it starts.
    pub boot: Boot,
    /// Cores of its processor.
    pub cores: u8,
    /// Memory, in GiB.
    pub memory_gib: u16,
    /// Its board's name in [`board`].
    pub board: String,
    /// What it needs to be fed by the switch; none when it cannot be.
    pub poe_part: Option<String>,
    /// What feeds it otherwise.
    pub supply_part: String,
    /// Its power.
    pub watts: Power,
}

/// What a processor runs, by Debian's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit Arm.
    Arm64,
    /// 64-bit x86.
    Amd64,
}

impl Arch {
    /// Debian's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::Amd64 => "amd64",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Arch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Arm64, Self::Amd64]
            .into_iter()
            .find(|arch| arch.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no kind of machine; write arm64 or amd64"))
    }
}

/// How a machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// The Raspberry Pi's own firmware.
    RaspberryPi,
    /// UEFI.
    Uefi,
}

/// A board's measures, in millimetres; `models.toml` says from where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Along x.
    pub length_mm: f64,
    /// Along y.
    pub width_mm: f64,
    /// The room that it needs above itself, for what is put on it; a case's height.
    pub above_mm: f64,
    /// Middles of the mounting holes, x and y; empty when no source gives them, or when it is in a case.
    #[serde(default)]
    pub holes_mm: Vec<[f64; 2]>,
    /// The holes' diameter.
    pub hole_mm: Option<f64>,
    /// What needs a way out of the mount.
    #[serde(default)]
    pub connectors: Vec<Connector>,
    /// Who says so.
    pub source: String,
    /// Whether it is derived from the source, not stated or measured there.
    #[serde(default)]
    pub estimate: bool,
}

/// A connector at an edge of a board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// What is connected.
    pub kind: ConnectorKind,
    /// The edge.
    pub side: Side,
    /// Its middle along the edge, when a source gives it.
    pub at_mm: Option<f64>,
}

/// What is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectorKind {
    /// The network.
    Ethernet,
    /// USB, as for a disk.
    Usb,
    /// A supply.
    Power,
    /// A memory card.
    Card,
}

/// An edge of a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// x = 0.
    Left,
    /// x = length.
    Right,
    /// y = 0.
    Front,
    /// y = width.
    Back,
}

/// A kind of disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskModel {
    /// What `rack.toml` calls it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What connects it to a board that has no socket for it.
    pub adapter_part: String,
    /// Its power.
    pub watts: Power,
}

/// A machine that can be the router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterModel {
    /// What `rack.toml` calls it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// OpenWrt's target and subtarget.
    pub target: String,
    /// OpenWrt's profile.
    pub profile: String,
    /// What OpenWrt calls its packages' architecture.
    pub arch: String,
    /// Its power.
    pub watts: Power,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Models {
    board: BTreeMap<String, Board>,
    node: Vec<NodeModel>,
    disk: Vec<DiskModel>,
    router: Vec<RouterModel>,
}

static MODELS: LazyLock<Models> = LazyLock::new(|| {
    toml::from_str(include_str!("../models.toml")).expect("a test reads models.toml")
});

/// Every machine that can be a node.
pub fn nodes() -> &'static [NodeModel] {
    &MODELS.node
}

/// Every kind of disk.
pub fn disks() -> &'static [DiskModel] {
    &MODELS.disk
}

/// Every machine that can be the router.
pub fn routers() -> &'static [RouterModel] {
    &MODELS.router
}

/// The measures of a board.
pub fn board(name: &str) -> Option<&'static Board> {
    MODELS.board.get(name)
}

/// No model of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {kind} model is called {written:?}; {proposal}")]
pub struct UnknownModel {
    kind: &'static str,
    written: String,
    proposal: String,
}

macro_rules! by_name {
    ($model:ident, $all:ident, $kind:literal) => {
        impl $model {
            /// The model of that name; else the error names those that are like it.
            pub fn find(name: &str) -> Result<&'static Self, UnknownModel> {
                let found = $all().iter().find(|model| model.name == name);
                found.ok_or_else(|| {
                    let names: Vec<&str> = $all().iter().map(|model| model.name.as_str()).collect();
                    UnknownModel {
                        kind: $kind,
                        written: name.to_owned(),
                        proposal: near::proposal(name, &names),
                    }
                })
            }

            pub(crate) fn deserialize_name<'de, D>(
                deserializer: D,
            ) -> Result<&'static Self, D::Error>
            where
                D: Deserializer<'de>,
            {
                let name = String::deserialize(deserializer)?;
                Self::find(&name).map_err(de::Error::custom)
            }

            pub(crate) fn serialize_name<S>(
                model: &&'static Self,
                serializer: S,
            ) -> Result<S::Ok, S::Error>
            where
                S: Serializer,
            {
                serializer.serialize_str(&model.name)
            }
        }
    };
}

by_name!(NodeModel, nodes, "node");
by_name!(DiskModel, disks, "disk");
by_name!(RouterModel, routers, "router");

impl NodeModel {
    /// The measures of its board.
    pub fn board(&self) -> &'static Board {
        board(&self.board).expect("a test finds every board")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_its_board_and_a_source() {
        for model in nodes() {
            assert!(board(&model.board).is_some(), "{}", model.name);
        }
        let powers = nodes().iter().map(|model| &model.watts);
        let powers = powers
            .chain(disks().iter().map(|model| &model.watts))
            .chain(routers().iter().map(|model| &model.watts));
        for power in powers {
            assert!(
                !power.source.is_empty() && power.idle <= power.max,
                "{power:?}"
            );
        }
    }

    #[test]
    fn holes_and_connectors_are_on_their_board() {
        for (name, board) in &MODELS.board {
            assert!(!board.source.is_empty(), "{name}");
            let holes_fit = board.holes_mm.iter().all(|[x, y]| {
                (0.0..board.length_mm).contains(x) && (0.0..board.width_mm).contains(y)
            });
            assert!(holes_fit, "{name}");
            assert_eq!(board.holes_mm.is_empty(), board.hole_mm.is_none(), "{name}");
            for connector in &board.connectors {
                let edge = match connector.side {
                    Side::Left | Side::Right => board.width_mm,
                    Side::Front | Side::Back => board.length_mm,
                };
                let fits = connector.at_mm.is_none_or(|at| (0.0..edge).contains(&at));
                assert!(fits, "{name}: {connector:?}");
            }
        }
    }

    #[test]
    fn an_unknown_model_names_those_like_it() {
        let refusal = NodeModel::find("pi5").unwrap_err().to_string();
        assert!(
            refusal.contains("did you mean pi5-8gb or pi5-16gb"),
            "{refusal}"
        );
        let refusal = RouterModel::find("vax").unwrap_err().to_string();
        assert!(refusal.contains("write one of pi4,"), "{refusal}");
    }
}
