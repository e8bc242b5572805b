//! Why there is no mount for a rack.

/// Why there is no mount for a rack.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LayoutError {
    /// There is nothing to carry.
    #[error("rack.toml has no [[node]], so the mount has nothing to carry; add one")]
    NoNodes,
    /// A node is too tall.
    #[error(
        "the tray of {node} needs {needed:.1} mm, and a mount of {units}U has {least:.1} mm between floor and \
         ceiling; {advice}"
    )]
    TooTall {
        /// The node.
        node: String,
        /// The height that its bay would need.
        needed: f64,
        /// The height that there is.
        least: f64,
        /// The mount's height.
        units: u8,
        /// What to do.
        advice: &'static str,
    },
    /// No segment with a single bay can be printed.
    #[error(
        "one bay of the frame is {width:.1} mm × {height:.1} mm, and the printer takes {x} mm × {y} mm; print it on \
         a larger one and write its size in [mount] printer"
    )]
    PrinterTooSmall {
        /// Width of a segment with one bay.
        width: f64,
        /// Its height.
        height: f64,
        /// The bed's width.
        x: f64,
        /// The bed's depth.
        y: f64,
    },
    /// There are more slots in use than bays.
    #[error(
        "{node} is in slot {slot}, and a mount of {units}U with trays of {width:.1} mm has {bays}; give it a slot \
         from 1 to {bays}, or put it into a rack of its own"
    )]
    NoBay {
        /// The node.
        node: String,
        /// Its slot.
        slot: u8,
        /// The mount's height.
        units: u8,
        /// Width of a tray.
        width: f64,
        /// How many bays there are.
        bays: usize,
    },
}
