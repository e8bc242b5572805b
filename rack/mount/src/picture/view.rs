//! From where a scene is seen.

use crate::mesh::{Point, cross, dot};

/// A parallel projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    right: Point,
    up: Point,
    forward: Point,
}

impl View {
    /// Seen by someone in front of the rack who looks so far to the right, and so far down. Degrees.
    pub fn new(right: f64, down: f64) -> Self {
        let (turn, tilt) = (right.to_radians(), down.to_radians());
        let right = [turn.cos(), -turn.sin(), 0.0];
        let forward = [
            turn.sin() * tilt.cos(),
            turn.cos() * tilt.cos(),
            -tilt.sin(),
        ];
        let up = cross(&right, &forward);
        Self { right, up, forward }
    }

    /// To the right, down, and away from the viewer.
    pub fn project(&self, point: &Point) -> Point {
        [
            dot(point, &self.right),
            -dot(point, &self.up),
            dot(point, &self.forward),
        ]
    }

    /// How bright a surface with that normal is, from 0 to 1: light comes over the viewer's left shoulder.
    pub fn brightness(&self, normal: &Point) -> f64 {
        let facing = -dot(normal, &self.forward);
        let above = dot(normal, &self.up);
        let left = -dot(normal, &self.right);
        (0.6 + 0.26 * facing + 0.2 * above + 0.08 * left).clamp(0.2, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_from_the_front_nothing_is_turned() {
        let seen = View::new(0.0, 0.0).project(&[1.0, 2.0, 3.0]);
        assert!(
            seen.iter()
                .zip([1.0, -3.0, 2.0])
                .all(|(is, should)| (is - should).abs() < 1e-9)
        );
    }

    #[test]
    fn seen_from_above_what_is_higher_is_nearer() {
        let view = View::new(30.0, 30.0);
        assert!(view.project(&[0.0, 0.0, 1.0])[2] < view.project(&[0.0; 3])[2]);
    }
}
