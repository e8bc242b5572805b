//! The printed 19-inch mount of a rack: `rack.toml` and the table of models say what it must hold, [`Layout`] where
//! that goes, the OpenSCAD files beside this crate what it looks like. [`parts`] are printed; [`mesh`] and
//! [`clearance`] check them by numbers.
//!
//! Every length is in millimetres.

mod cell;
pub mod clearance;
pub mod connector;
pub mod design;
pub mod eia310;
mod face;
mod fastener;
mod layout;
mod load;
pub mod mesh;
mod openscad;
mod parameters;
mod part;
pub mod picture;
mod placement;
mod rectangle;
mod refusal;
pub mod ssd;
pub mod stl;
pub mod tray;

pub use cell::Posture;
pub use fastener::{Fastener, fasteners};
pub use layout::{Bay, Layout, Segment};
pub use load::Load;
pub use openscad::{OpenScad, RenderError};
pub use part::{Part, PartError, Shape, parts};
pub use placement::{Apart, Placed, Placement, placed};
pub use rectangle::Rectangle;
pub use refusal::LayoutError;
