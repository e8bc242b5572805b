//! A rectangle, in millimetres.

/// A rectangle on the plate or, with z for y, in the face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rectangle {
    /// The corner where both coordinates are least.
    pub at: [f64; 2],
    /// Its extent along both.
    pub size: [f64; 2],
}

impl Rectangle {
    /// The corner where both coordinates are greatest.
    pub fn end(&self) -> [f64; 2] {
        [self.at[0] + self.size[0], self.at[1] + self.size[1]]
    }
}
