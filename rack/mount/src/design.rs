//! What the design chooses: thicknesses, tolerances, screws. Lengths are millimetres.
//!
//! Walls are multiples of the nozzle, heights of the layers. [`NAMED`] is what the OpenSCAD files see.

/// Width of a printed line.
pub const NOZZLE: f64 = 0.4;
/// Height of a printed layer.
pub const LAYER: f64 = 0.2;
/// Between a tray and the frame, on each side: slides, does not rattle.
pub const PLAY: f64 = 0.3;
/// Between the body of the mount and the rails of the rack, on each side.
pub const RAIL_GAP: f64 = 0.5;

/// The wall at which segments of the frame are joined.
pub const JOINT_WALL: f64 = 4.0;
/// A wall between two bays.
pub const WALL: f64 = 2.4;
/// The least thickness of floor and ceiling.
pub const FLOOR_LEAST: f64 = 2.4;
/// The greatest: beyond it they cost plastic and add nothing.
pub const FLOOR_MOST: f64 = 4.0;
/// How deep the frame is.
pub const FRAME_DEPTH: f64 = 120.0;
/// Thickness of the ears.
pub const EAR: f64 = 5.0;
/// How deep the slots are that hold a tray's plate at both sides.
pub const GRIP: f64 = 3.2;
/// Between the slot of a standing tray and the bay before it.
pub const GUIDE: f64 = 2.0;
/// How high the tongue is that aligns two segments.
pub const TONGUE: f64 = 1.2;
/// How much wider its groove is, on each side.
pub const TONGUE_PLAY: f64 = 0.2;

/// Thickness of a tray's plate.
pub const PLATE: f64 = 3.0;
/// Thickness of a tray's face.
pub const FACE: f64 = 4.0;
/// Between the faces of two neighbours.
pub const FACE_GAP: f64 = 0.4;
/// How far a face covers the frame beside its bay.
pub const OVERLAP: f64 = 0.8;
/// Height of the standoffs that carry a board: room for what is soldered below it, and for an insert.
pub const STANDOFF: f64 = 5.0;
/// Diameter of the standoffs.
pub const STANDOFF_DIAMETER: f64 = 6.8;
/// Thickness of a printed circuit board at most.
pub const BOARD: f64 = 1.6;
/// Air above the highest part of a board.
pub const HEADROOM: f64 = 0.6;
/// Between a board, a disk or a case and what is beside it.
pub const MARGIN: f64 = 0.8;
/// Beside a board whose supply is plugged in at its side: takes an angled plug and its cable.
pub const CABLES: f64 = 16.8;
/// Around a connector in the face, on each side.
pub const CONNECTOR_PLAY: f64 = 0.6;
/// Height of the lips that hold a case.
pub const LIP: f64 = 10.0;

/// The block in a bay's corner that the tray is screwed to: width, height.
pub const BLOCK: f64 = 9.0;
/// The same block's depth.
pub const BLOCK_DEPTH: f64 = 10.0;
/// Diameter of a thumb screw's head, DIN 464 M3.
pub const THUMB_HEAD: f64 = 12.0;
/// Hole for a brass insert M3 × 5.7, set with heat.
pub const INSERT_M3: f64 = 4.0;
/// Hole for a brass insert M2.5 × 5.7, set with heat.
pub const INSERT_M2_5: f64 = 3.6;
/// How deep the hole of an insert is: its length and a millimetre for the plastic that it displaces.
pub const INSERT_DEPTH: f64 = 6.7;
/// Hole that an M3 screw passes.
pub const HOLE_M3: f64 = 3.4;
/// Sink for the head of a countersunk M3 screw, ISO 10642.
pub const SINK_M3: f64 = 6.6;
/// Pocket for an M3 nut, ISO 4032: across the flats.
pub const NUT_M3: f64 = 5.7;
/// The pocket's depth.
pub const NUT_DEPTH: f64 = 2.6;
/// Slot for the rack's own M6 screws: width and height.
pub const RACK_SLOT: [f64; 2] = [10.0, 6.8];
/// Diameter of an M6 screw's head.
pub const RACK_HEAD: f64 = 12.0;

/// From the back of the face to the end of the plate of a blank.
pub const BLANK_DEPTH: f64 = 30.0;

/// Height of a label at its base, in the bottom of its channel.
pub const LABEL_BASE: f64 = 6.4;
/// Height of its visible front.
pub const LABEL_FRONT: f64 = 4.8;
/// Thickness of a label.
pub const LABEL: f64 = 1.6;
/// Between a label and its channel, on each side.
pub const LABEL_PLAY: f64 = 0.15;
/// How far its text is raised.
pub const RAISED: f64 = 0.4;
/// Between the upper edge of a face and a label.
pub const ABOVE_LABEL: f64 = 0.8;
/// What a label takes of a face, from its upper edge.
pub const LABEL_HEIGHT: f64 = ABOVE_LABEL + LABEL_BASE + LABEL_PLAY;
/// Of a face between its openings and the channel of its label.
pub const BELOW_CHANNEL: f64 = 2.0 * NOZZLE;
/// Height of the text at most.
pub const TEXT: f64 = 3.4;
/// Width of one character of the font, which is monospaced, by the height of its capitals.
pub const TEXT_ADVANCE: f64 = 0.84;

/// All of them by name.
pub const NAMED: &[(&str, f64)] = &[
    ("play", PLAY),
    ("joint_wall", JOINT_WALL),
    ("wall", WALL),
    ("frame_depth", FRAME_DEPTH),
    ("ear", EAR),
    ("guide", GUIDE),
    ("grip", GRIP),
    ("tongue", TONGUE),
    ("tongue_play", TONGUE_PLAY),
    ("rail_gap", RAIL_GAP),
    ("plate", PLATE),
    ("face", FACE),
    ("overlap", OVERLAP),
    ("standoff", STANDOFF),
    ("standoff_diameter", STANDOFF_DIAMETER),
    ("margin", MARGIN),
    ("lip", LIP),
    ("block", BLOCK),
    ("block_depth", BLOCK_DEPTH),
    ("insert_m3", INSERT_M3),
    ("insert_m2_5", INSERT_M2_5),
    ("insert_depth", INSERT_DEPTH),
    ("hole_m3", HOLE_M3),
    ("sink_m3", SINK_M3),
    ("nut_m3", NUT_M3),
    ("nut_depth", NUT_DEPTH),
    ("label_base", LABEL_BASE),
    ("label_front", LABEL_FRONT),
    ("label_depth", LABEL),
    ("label_play", LABEL_PLAY),
    ("above_label", ABOVE_LABEL),
    ("raised", RAISED),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn is_multiple(length: f64, of: f64) -> bool {
        (length / of - (length / of).round()).abs() < 1e-9
    }

    #[test]
    fn walls_are_whole_lines_and_plates_whole_layers() {
        for wall in [JOINT_WALL, WALL, FLOOR_LEAST, FLOOR_MOST, FACE, GUIDE] {
            assert!(is_multiple(wall, NOZZLE), "{wall}");
        }
        for plate in [PLATE, EAR, STANDOFF, LABEL] {
            assert!(is_multiple(plate, LAYER), "{plate}");
        }
    }

    #[test]
    fn walls_hold_what_is_sunk_into_them() {
        let line = 3.0 * NOZZLE;
        assert!(JOINT_WALL - NUT_DEPTH >= line, "below a nut");
        assert!(
            JOINT_WALL - TONGUE - TONGUE_PLAY >= line,
            "below the groove"
        );
        assert!((BLOCK - INSERT_M3) / 2.0 >= line, "around an insert M3");
        assert!(
            (STANDOFF_DIAMETER - INSERT_M2_5) / 2.0 >= line,
            "around an insert M2.5"
        );
        assert!(
            STANDOFF + PLATE - INSERT_DEPTH >= line,
            "below an insert M2.5"
        );
        assert!(BLOCK_DEPTH - INSERT_DEPTH >= line, "behind an insert M3");
        assert!(FACE - LABEL - LABEL_PLAY >= line, "behind a label");
    }
}
