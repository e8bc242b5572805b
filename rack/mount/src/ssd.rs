//! A 2.5-inch disk, by SFF-8201. Lengths are millimetres.

/// Its width.
pub const WIDTH: f64 = 69.85;
/// Its length at most.
pub const LENGTH: f64 = 100.45;
/// Its height at most, of those that are SSDs.
pub const HEIGHT: f64 = 9.5;
/// Between the holes in its bottom, across; the same margin is left on both sides.
pub const HOLES_ACROSS: f64 = 61.72;
/// Its holes' distances from the end with the connector.
pub const HOLES_ALONG: [f64; 2] = [14.0, 90.6];
/// How far a screw may go into it.
pub const THREAD: f64 = 3.0;

/// The holes in its bottom, seen from above, from its corner; the connector is at the far end.
pub fn holes() -> [[f64; 2]; 4] {
    let left = (WIDTH - HOLES_ACROSS) / 2.0;
    let right = left + HOLES_ACROSS;
    let [far, near] = HOLES_ALONG.map(|along| LENGTH - along);
    [[left, near], [right, near], [left, far], [right, far]]
}
