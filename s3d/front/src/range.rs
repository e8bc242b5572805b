//! Which bytes of an object are asked for.

use std::ops::Range;

use s3d_bucket::Object;

use super::range_header::ByteRange;

/// Why there are no such bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The range begins behind the end, or holds no byte.
    #[error("the requested range is not satisfiable: the object has {size} bytes")]
    Unsatisfiable {
        /// What was asked for.
        range: ByteRange,
        /// Length of the object in bytes.
        size: u64,
    },
    /// The object has no such part.
    #[error("the object has no part {0}")]
    NoSuchPart(i32),
    /// A range and a part were asked for.
    #[error("ask for a range or for a part number, not for both")]
    Both,
}

/// What is asked for of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The bytes.
    pub bytes: Range<u64>,
    /// Whether the answer is 206 with a `Content-Range`.
    pub partial: bool,
    /// How many parts the object has, if a part was asked for and it has parts.
    pub parts: Option<i32>,
    /// The number of the part that was asked for, if the object has parts.
    pub part: Option<u16>,
}

impl Wanted {
    /// What a `Range` and a `partNumber` ask of an object.
    pub fn of(
        object: &Object,
        range: Option<ByteRange>,
        part: Option<i32>,
    ) -> Result<Self, RangeError> {
        match (range, part) {
            (Some(_), Some(_)) => Err(RangeError::Both),
            (Some(range), None) => {
                let size = object.size;
                let none = RangeError::Unsatisfiable { range, size };
                let bytes = range.of(size).ok_or(none)?;
                Ok(Self {
                    bytes,
                    partial: true,
                    parts: None,
                    part: None,
                })
            }
            (None, Some(number)) => part_of(object, number),
            (None, None) => Ok(Self {
                bytes: 0..object.size,
                partial: false,
                parts: None,
                part: None,
            }),
        }
    }

    /// The `Content-Range` of the answer.
    pub fn content_range(&self, size: u64) -> Option<String> {
        let Range { start, end } = self.bytes;
        (self.partial && end > start).then(|| format!("bytes {start}-{}/{size}", end - 1))
    }
}

fn part_of(object: &Object, number: i32) -> Result<Wanted, RangeError> {
    if object.parts.is_empty() && number == 1 {
        return Ok(Wanted {
            bytes: 0..object.size,
            partial: object.size > 0,
            parts: None,
            part: None,
        });
    }
    let mut start = 0;
    for part in &object.parts {
        if i32::from(part.number) == number {
            let parts = i32::try_from(object.parts.len()).ok();
            return Ok(Wanted {
                bytes: start..start + part.size,
                partial: true,
                parts,
                part: Some(part.number),
            });
        }
        start += part.size;
    }
    Err(RangeError::NoSuchPart(number))
}

#[cfg(test)]
mod tests {
    use s3d_bucket::ObjectPart;

    use super::*;

    fn object(size: u64, parts: &[u64]) -> Object {
        let parts = (1..)
            .zip(parts)
            .map(|(number, size)| ObjectPart {
                number,
                size: *size,
                checksum: None,
            })
            .collect();
        Object {
            size,
            parts,
            ..Object::default()
        }
    }

    #[test]
    fn a_range_and_a_part_exclude_each_other() {
        let range = ByteRange::read("bytes=0-");
        let both = Wanted::of(&object(1, &[]), range, Some(1));
        assert_eq!(both, Err(RangeError::Both));
        let range = range.expect("a range");
        let none = Wanted::of(&object(0, &[]), Some(range), None);
        assert_eq!(none, Err(RangeError::Unsatisfiable { range, size: 0 }));
    }

    #[test]
    fn parts_are_found_by_number() {
        let object = object(12, &[5, 5, 2]);
        let of = |part| Wanted::of(&object, None, Some(part));
        let second = of(2).expect("there is a second part");
        assert_eq!((second.bytes.clone(), second.parts), (5..10, Some(3)));
        assert_eq!(second.content_range(12).as_deref(), Some("bytes 5-9/12"));
        assert_eq!(of(4), Err(RangeError::NoSuchPart(4)));
        assert_eq!(of(-1), Err(RangeError::NoSuchPart(-1)));
    }
}
