//! What `rack.toml` says: the one description of a rack that router, images and mount are made from.
//!
//! [`Rack::load`] reads a file and refuses it with every fault, each with its line and what to write there.

pub mod budget;
mod checks;
mod fault;
mod file;
pub mod keys;
mod load;
mod mac;
pub mod models;
mod mount;
pub mod names;
mod near;
mod network;
mod node;
mod operator;
mod place;
pub mod public;
mod rack;
pub mod router;
mod sentence;
mod switch;
mod watts;

pub use fault::{Fault, LoadError, Refusal};
pub use mac::Mac;
pub use mount::{Mount, Printer, RackUnits};
pub use network::{AddressRange, Network};
pub use node::{Disk, NoMac, Node, PowerSource};
pub use operator::Operator;
pub use rack::{Forge, Rack};
pub use switch::{PoeClass, Switch};
pub use watts::Watts;
