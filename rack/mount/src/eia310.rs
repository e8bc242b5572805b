//! The 19-inch rack, by EIA/ECA-310-E (IEC 60297-3-100 has the same numbers). Lengths are millimetres.

/// Height of one rack unit.
pub const UNIT: f64 = 44.45;
/// Width of a panel, ears included.
pub const PANEL: f64 = 482.6;
/// From the middle of the left holes to the middle of the right ones.
pub const HOLE_TO_HOLE: f64 = 465.1;
/// Width between the rails: what is behind the panel must pass through it.
pub const OPENING: f64 = 450.0;
/// What a panel lacks of its units, so that neighbours do not touch: 1/32 inch.
pub const PANEL_GAP: f64 = 0.79;
/// Distances between a unit's holes, from the bottom; the first is half of the last, 12.7, above the unit's edge.
pub const HOLE_SPACING: [f64; 3] = [15.875, 15.875, 12.7];

/// Height of a panel of that many units.
pub fn panel_height(units: u8) -> f64 {
    f64::from(units) * UNIT - PANEL_GAP
}

/// Heights of a panel's holes above its lower edge: the first of its lowest unit and the last of its highest.
pub fn hole_heights(units: u8) -> [f64; 2] {
    let edge = HOLE_SPACING[2] / 2.0;
    let panel = panel_height(units);
    [edge - PANEL_GAP / 2.0, panel - edge + PANEL_GAP / 2.0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_holes_add_up_to_the_unit() {
        let sum: f64 = HOLE_SPACING.iter().sum();
        assert!((sum - UNIT).abs() < 1e-9);
    }

    #[test]
    fn panels_have_the_heights_of_the_standard() {
        assert!((panel_height(1) - 43.66).abs() < 1e-9);
        assert!((panel_height(2) - 88.11).abs() < 1e-9);
    }

    #[test]
    fn two_panels_above_each_other_keep_the_pattern_of_the_holes() {
        let [low, high] = hole_heights(1);
        assert!((high - low - HOLE_SPACING[0] - HOLE_SPACING[1]).abs() < 1e-9);
        let [low, high] = hole_heights(2);
        assert!((high - low - (2.0 * UNIT - HOLE_SPACING[2])).abs() < 1e-9);
    }
}
