//! Reads STL, text or binary.

use crate::mesh::{Mesh, Point, Triangle};

/// Why a file is no STL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StlError {
    /// A line of a text file is not one of STL.
    #[error("line {line} is {text:?}, which is no vertex of three numbers")]
    NoVertex {
        /// Which, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// A text file ends inside a triangle.
    #[error("its {0} vertices are no whole triangles")]
    Unfinished(usize),
    /// A binary file is not as long as it says.
    #[error(
        "it says that it has {triangles} triangles, which are {expected} bytes, and has {bytes}"
    )]
    Length {
        /// Its count.
        triangles: u32,
        /// What that takes.
        expected: usize,
        /// What there is.
        bytes: usize,
    },
    /// It is too short for anything.
    #[error("it is neither a text that begins with \"solid\" nor as long as a binary header")]
    Neither,
}

const HEADER: usize = 84;
const RECORD: usize = 50;

/// Reads a file's bytes.
pub fn read(bytes: &[u8]) -> Result<Mesh, StlError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.trim_start().starts_with("solid") => read_text(text),
        _ => read_binary(bytes),
    }
}

fn read_text(text: &str) -> Result<Mesh, StlError> {
    let mut points = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(numbers) = line.trim_start().strip_prefix("vertex") {
            points.push(vertex(numbers).ok_or_else(|| StlError::NoVertex {
                line: index + 1,
                text: line.trim().to_owned(),
            })?);
        }
    }
    let (triangles, []) = points.as_chunks::<3>() else {
        return Err(StlError::Unfinished(points.len()));
    };
    Ok(Mesh::new(triangles.to_vec()))
}

fn vertex(numbers: &str) -> Option<Point> {
    let numbers: Result<Vec<f64>, _> = numbers.split_whitespace().map(str::parse).collect();
    let point: Point = numbers.ok()?.try_into().ok()?;
    point
        .iter()
        .all(|number| number.is_finite())
        .then_some(point)
}

fn read_binary(bytes: &[u8]) -> Result<Mesh, StlError> {
    let (Some(count), Some(body)) = (bytes.get(80..HEADER), bytes.get(HEADER..)) else {
        return Err(StlError::Neither);
    };
    let triangles = u32::from_le_bytes(count.try_into().expect("four bytes"));
    let expected = triangles as usize * RECORD;
    if body.len() != expected {
        return Err(StlError::Length {
            triangles,
            expected: HEADER + expected,
            bytes: bytes.len(),
        });
    }
    Ok(Mesh::new(body.chunks_exact(RECORD).map(triangle).collect()))
}

/// A normal, three vertices, two bytes that nobody uses.
fn triangle(record: &[u8]) -> Triangle {
    let number = |index: usize| {
        let bytes = &record[12 + 4 * index..][..4];
        f64::from(f32::from_le_bytes(bytes.try_into().expect("four bytes")))
    };
    [0, 3, 6].map(|first| [number(first), number(first + 1), number(first + 2)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "solid x\n facet normal 0 0 1\n  outer loop\n   vertex 0 0 0\n   vertex 1 0 0\n   \
        vertex 0 1e0 0\n  endloop\n endfacet\nendsolid x\n";
    const TRIANGLE: Triangle = [[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];

    fn binary(count: u32) -> Vec<u8> {
        let mut bytes = vec![0; 80];
        bytes.extend(count.to_le_bytes());
        bytes.extend([0; 12]);
        for number in TRIANGLE.as_flattened() {
            bytes.extend((*number as f32).to_le_bytes());
        }
        bytes.extend([0; 2]);
        bytes
    }

    #[test]
    fn text_and_binary_are_read() {
        assert_eq!(read(TEXT.as_bytes()).unwrap().triangles(), [TRIANGLE]);
        assert_eq!(read(&binary(1)).unwrap().triangles(), [TRIANGLE]);
    }

    #[test]
    fn what_is_no_stl_is_refused() {
        let cut = TEXT.replace("   vertex 1 0 0\n", "");
        assert_eq!(read(cut.as_bytes()).unwrap_err(), StlError::Unfinished(2));
        let wrong = TEXT.replace("1e0", "one");
        let refusal = read(wrong.as_bytes()).unwrap_err().to_string();
        assert!(
            refusal.starts_with("line 6 is \"vertex 0 one 0\""),
            "{refusal}"
        );
        assert!(matches!(
            read(&binary(2)),
            Err(StlError::Length {
                expected: 184,
                bytes: 134,
                ..
            })
        ));
        assert_eq!(read(b"\xff").unwrap_err(), StlError::Neither);
    }
}
