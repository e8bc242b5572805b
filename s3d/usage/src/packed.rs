//! A history as it is stored: base64 of each point's distance from the one before, in three numbers.
//!
//! The numbers are hours, bytes and objects; the first point's distance is from 1970 and nothing. A number is in bytes
//! of seven bits, the lowest first, all but the last with the high bit set (LEB128); bytes and objects, which may become
//! less, are folded so that small numbers stay small whatever their sign (zigzag).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use s3d_bucket::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::history::{HOUR, History, Point};
use crate::sample::Sample;

/// What is stored is no history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no history of points")]
pub struct NoHistory;

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(pack(&self.points)))
    }
}

impl<'de> Deserialize<'de> for History {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(D::Error::custom)?;
        let points = unpack(&bytes).map_err(D::Error::custom)?;
        Ok(Self { points })
    }
}

fn pack(points: &[Point]) -> Vec<u8> {
    let mut packed = Vec::new();
    let (mut hour, mut held) = (0, Sample::default());
    for Point { time, sample } in points {
        let next = time.0 / HOUR;
        put(&mut packed, next - hour);
        put(&mut packed, folded(sample.bytes.wrapping_sub(held.bytes)));
        put(
            &mut packed,
            folded(sample.objects.wrapping_sub(held.objects)),
        );
        (hour, held) = (next, *sample);
    }
    packed
}

fn unpack(mut packed: &[u8]) -> Result<Vec<Point>, NoHistory> {
    let mut points = Vec::new();
    let (mut hour, mut held) = (0_u64, Sample::default());
    while !packed.is_empty() {
        hour = hour.checked_add(take(&mut packed)?).ok_or(NoHistory)?;
        held.bytes = held.bytes.wrapping_add(unfolded(take(&mut packed)?));
        held.objects = held.objects.wrapping_add(unfolded(take(&mut packed)?));
        points.push(Point {
            time: Timestamp(hour.checked_mul(HOUR).ok_or(NoHistory)?),
            sample: held,
        });
    }
    Ok(points)
}

fn put(packed: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        packed.push(number as u8 | 0x80);
        number >>= 7;
    }
    packed.push(number as u8);
}

fn take(packed: &mut &[u8]) -> Result<u64, NoHistory> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = packed.split_first().ok_or(NoHistory)?;
        *packed = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(NoHistory)
}

/// A difference modulo 2^64, as a number that is small if the difference is near 0 on either side.
fn folded(difference: u64) -> u64 {
    let signed = difference.cast_signed();
    ((signed << 1) ^ (signed >> 63)).cast_unsigned()
}

fn unfolded(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEARS: u64 = 2 * 365 * 24;

    /// A number below `end` that looks random and is the same at each run.
    fn noise(number: u64, end: u64) -> u64 {
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) % end
    }

    /// A bucket that gets or loses up to a GiB and up to a thousand objects in each hour of two years.
    fn busy() -> History {
        let mut history = History::default();
        let mut sample = Sample {
            bytes: 1 << 50,
            objects: 1 << 30,
        };
        for hour in 0..YEARS {
            sample.bytes += noise(2 * hour, 1 << 31);
            sample.bytes -= 1 << 30;
            sample.objects += noise(2 * hour + 1, 2_000);
            sample.objects -= 1_000;
            history.add(Timestamp((500_000 + hour) * HOUR), sample);
        }
        history
    }

    #[test]
    fn a_history_reads_back() {
        for history in [History::default(), busy()] {
            let json = serde_json::to_string(&history).unwrap();
            assert_eq!(serde_json::from_str::<History>(&json).unwrap(), history);
        }
    }

    #[test]
    fn numbers_of_any_size_and_sign_read_back() {
        let sizes = [0, u64::MAX, 1, 1 << 63, (1 << 63) - 1, 127, 128, 0];
        let points = sizes.iter().zip(0..).map(|(size, hour)| Point {
            time: Timestamp(hour * HOUR),
            sample: Sample {
                bytes: *size,
                objects: u64::MAX - size,
            },
        });
        let points: Vec<_> = points.collect();
        assert_eq!(unpack(&pack(&points)).unwrap(), points);
    }

    #[test]
    fn two_busy_years_are_five_kilobytes() {
        let history = busy();
        let json = serde_json::to_string(&history).unwrap();
        let (points, bytes) = (history.points.len(), json.len());
        assert!(
            points > 400 && bytes < 5_000,
            "{points} points, {bytes} bytes"
        );
    }

    #[test]
    fn what_is_cut_or_no_history_is_refused() {
        let packed = pack(&busy().points);
        assert_eq!(unpack(&packed[..packed.len() - 1]), Err(NoHistory));
        assert_eq!(unpack(&[0xff; 11]), Err(NoHistory));
        assert!(serde_json::from_str::<History>("\"no history!\"").is_err());
    }
}
