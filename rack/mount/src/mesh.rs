//! A body as triangles, and whether it is one that can be printed.

use std::collections::HashMap;

/// x, y and z.
pub type Point = [f64; 3];
/// Three corners, counterclockwise when seen from outside.
pub type Triangle = [Point; 3];

/// A body as triangles.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mesh {
    triangles: Vec<Triangle>,
}

/// What is wrong with a mesh.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MeshError {
    /// There is nothing.
    #[error("it has no triangles")]
    Empty,
    /// A triangle is a line.
    #[error("triangle {0} has two corners in one place")]
    Degenerate(usize),
    /// The surface is open, or several bodies share an edge.
    #[error(
        "the edge from {from:?} to {to:?} is in {triangles} triangles, not two; edges like it: {alike}"
    )]
    Edge {
        /// One end.
        from: Point,
        /// The other.
        to: Point,
        /// How many have it.
        triangles: usize,
        /// How many edges have that fault.
        alike: usize,
    },
    /// Two neighbours disagree about which side is outside.
    #[error("the triangles at the edge from {from:?} to {to:?} are turned against each other")]
    Turned {
        /// One end.
        from: Point,
        /// The other.
        to: Point,
    },
    /// Its outside is inside.
    #[error("its volume is {0} mm³: it is turned inside out")]
    InsideOut(f64),
}

/// A point to a ten-thousandth of a millimetre: what STL's text writes in two ways is one place.
type Place = [i64; 3];

fn place(point: &Point) -> Place {
    point.map(|number| (number * 1e4).round() as i64)
}

fn point(place: Place) -> Point {
    place.map(|number| number as f64 / 1e4)
}

impl Mesh {
    /// A body of these triangles.
    pub fn new(triangles: Vec<Triangle>) -> Self {
        Self { triangles }
    }

    /// A box between two corners.
    pub fn cuboid(low: Point, high: Point) -> Self {
        let corner = |index: usize| {
            std::array::from_fn(|axis| {
                if index >> axis & 1 == 0 {
                    low[axis]
                } else {
                    high[axis]
                }
            })
        };
        let faces = [
            [0, 2, 3, 1],
            [4, 5, 7, 6],
            [0, 1, 5, 4],
            [2, 6, 7, 3],
            [0, 4, 6, 2],
            [1, 3, 7, 5],
        ];
        let halves = |[a, b, c, d]: [usize; 4]| [[a, b, c], [a, c, d]];
        let triangles = faces.into_iter().flat_map(halves);
        Self::new(triangles.map(|it| it.map(corner)).collect())
    }

    /// Its triangles.
    pub fn triangles(&self) -> &[Triangle] {
        &self.triangles
    }

    /// The least and greatest coordinates.
    pub fn bounds(&self) -> [Point; 2] {
        let corners = self.triangles.as_flattened().iter();
        let start = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
        corners.fold(start, |[low, high], point| {
            [
                std::array::from_fn(|axis| low[axis].min(point[axis])),
                std::array::from_fn(|axis| high[axis].max(point[axis])),
            ]
        })
    }

    /// Its extent along each axis.
    pub fn size(&self) -> Point {
        let [low, high] = self.bounds();
        std::array::from_fn(|axis| high[axis] - low[axis])
    }

    /// Its volume in mm³; negative if it is turned inside out.
    pub fn volume(&self) -> f64 {
        let tetrahedron = |[a, b, c]: &Triangle| dot(a, &cross(b, c)) / 6.0;
        self.triangles.iter().map(tetrahedron).sum()
    }

    /// Whether it is the closed surface of a body: watertight, manifold, its outside outside.
    pub fn check(&self) -> Result<(), MeshError> {
        if self.triangles.is_empty() {
            return Err(MeshError::Empty);
        }
        let places: Vec<[Place; 3]> = self
            .triangles
            .iter()
            .map(|it| it.each_ref().map(place))
            .collect();
        let degenerate = places
            .iter()
            .position(|[a, b, c]| a == b || b == c || c == a);
        if let Some(index) = degenerate {
            return Err(MeshError::Degenerate(index));
        }
        check_edges(&places)?;
        match self.volume() {
            volume if volume > 0.0 => Ok(()),
            volume => Err(MeshError::InsideOut(volume)),
        }
    }
}

/// Every edge is in exactly two triangles, once in each direction.
fn check_edges(triangles: &[[Place; 3]]) -> Result<(), MeshError> {
    let mut directed: HashMap<[Place; 2], usize> = HashMap::new();
    for [a, b, c] in triangles {
        for edge in [[*a, *b], [*b, *c], [*c, *a]] {
            *directed.entry(edge).or_default() += 1;
        }
    }
    let back = |[from, to]: &[Place; 2]| directed.get(&[*to, *from]).copied().unwrap_or(0);
    let wrong = |(edge, there): &(&[Place; 2], &usize)| **there + back(edge) != 2;
    let mut faults: Vec<_> = directed.iter().filter(wrong).collect();
    faults.sort();
    if let Some((edge, there)) = faults.first() {
        return Err(MeshError::Edge {
            from: point(edge[0]),
            to: point(edge[1]),
            triangles: *there + back(edge),
            alike: faults.len(),
        });
    }
    match directed.iter().filter(|(_, there)| **there == 2).min() {
        None => Ok(()),
        Some(([from, to], _)) => Err(MeshError::Turned {
            from: point(*from),
            to: point(*to),
        }),
    }
}

/// a − b.
pub fn minus(a: &Point, b: &Point) -> Point {
    std::array::from_fn(|axis| a[axis] - b[axis])
}

/// The sum of the products.
pub fn dot(a: &Point, b: &Point) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The vector product.
pub fn cross(a: &Point, b: &Point) -> Point {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cube() -> Mesh {
        Mesh::cuboid([1.0, 2.0, 3.0], [3.0, 5.0, 7.0])
    }

    fn without(index: usize) -> Mesh {
        let mut triangles = cube().triangles;
        triangles.remove(index);
        Mesh::new(triangles)
    }

    #[test]
    fn a_box_is_a_body() {
        assert_eq!(cube().check(), Ok(()));
        assert!((cube().volume() - 24.0).abs() < 1e-9);
        let is = cube().size();
        assert!(
            is.iter()
                .zip([2.0, 3.0, 4.0])
                .all(|(is, should)| (is - should).abs() < 1e-9)
        );
    }

    #[test]
    fn a_missing_triangle_is_a_hole() {
        for index in 0..12 {
            let fault = without(index).check().unwrap_err();
            assert!(
                matches!(
                    fault,
                    MeshError::Edge {
                        triangles: 1,
                        alike: 3,
                        ..
                    }
                ),
                "{fault}"
            );
        }
    }

    #[test]
    fn two_bodies_that_share_an_edge_are_none() {
        let mut triangles = cube().triangles;
        triangles.extend(Mesh::cuboid([3.0, 5.0, 3.0], [4.0, 6.0, 7.0]).triangles);
        let fault = Mesh::new(triangles).check().unwrap_err();
        assert!(
            matches!(fault, MeshError::Edge { triangles: 4, .. }),
            "{fault}"
        );
    }

    #[test]
    fn turned_triangles_are_found() {
        let mut one = cube();
        one.triangles[5].swap(0, 1);
        assert!(matches!(one.check(), Err(MeshError::Turned { .. })));
        let mut all = cube();
        all.triangles
            .iter_mut()
            .for_each(|triangle| triangle.swap(0, 1));
        assert!(matches!(all.check(), Err(MeshError::InsideOut(_))));
    }

    #[test]
    fn nothing_and_lines_are_no_bodies() {
        assert_eq!(Mesh::default().check(), Err(MeshError::Empty));
        let mut flat = cube();
        flat.triangles[3][0] = flat.triangles[3][1];
        assert_eq!(flat.check(), Err(MeshError::Degenerate(3)));
    }
}
