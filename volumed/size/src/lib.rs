//! Sizes as people write them, in settings, commands and answers.

const UNITS: [(&str, u64); 7] = [
    ("EiB", 1 << 60),
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

const DECIMAL_UNITS: [(&str, u64); 6] = [
    ("EB", 1_000_000_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
];

/// Why a size cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// No number, or something after the unit.
    #[error("write a size as a number and a unit, like 500MiB, 1.5TiB or 1EiB")]
    Malformed,
    /// Not a unit.
    #[error(
        "{0:?} is no unit: use B, KiB, MiB, GiB, TiB, PiB, EiB (or KB, MB, … for powers of 1000)"
    )]
    UnknownUnit(String),
    /// More than 64 bits.
    #[error("the size is too large")]
    TooLarge,
    /// Not a whole number of bytes.
    #[error("the size is not a whole number of bytes")]
    NotWhole,
}

/// Reads `1GiB`, `1.5 TiB`, `4096` (bytes), `10G` (as GiB), in bytes. Case does not matter.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let text = text.trim();
    let number_ends = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(number_ends);
    let unit = unit_bytes(unit.trim())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 9 || fraction.contains('.') {
        return Err(SizeError::Malformed);
    }
    let whole: u64 = whole.parse().map_err(|_| SizeError::TooLarge)?;
    let bytes = u128::from(whole) * u128::from(unit) + fraction_bytes(fraction, unit)?;
    u64::try_from(bytes).map_err(|_| SizeError::TooLarge)
}

fn unit_bytes(unit: &str) -> Result<u64, SizeError> {
    if unit.is_empty() {
        return Ok(1);
    }
    let matches = |name: &str| {
        name.eq_ignore_ascii_case(unit) || name.len() == 3 && name[..1].eq_ignore_ascii_case(unit)
    };
    let found = UNITS
        .iter()
        .chain(&DECIMAL_UNITS)
        .find(|(name, _)| matches(name));
    found
        .map(|(_, bytes)| *bytes)
        .ok_or_else(|| SizeError::UnknownUnit(unit.to_owned()))
}

fn fraction_bytes(digits: &str, unit: u64) -> Result<u128, SizeError> {
    if digits.is_empty() {
        return Ok(0);
    }
    let value: u128 = digits.parse().map_err(|_| SizeError::Malformed)?;
    let scale = 10_u128.pow(digits.len() as u32);
    let scaled = value * u128::from(unit);
    if scaled.is_multiple_of(scale) {
        Ok(scaled / scale)
    } else {
        Err(SizeError::NotWhole)
    }
}

/// Writes a size in the largest unit that leaves at least one, with one decimal where needed.
pub fn display(bytes: u64) -> String {
    let (name, unit) = UNITS
        .iter()
        .copied()
        .find(|(_, unit)| bytes >= *unit)
        .unwrap_or(("B", 1));
    let tenths = u128::from(bytes % unit) * 10 / u128::from(unit);
    if bytes.is_multiple_of(unit) {
        format!("{} {name}", bytes / unit)
    } else {
        format!("{}.{tenths} {name}", bytes / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("4096", 4096),
            ("1GiB", 1 << 30),
            ("1 gib", 1 << 30),
            ("10G", 10 << 30),
            ("1.5TiB", 3 << 39),
            ("1EiB", 1 << 60),
            ("2kb", 2000),
            ("7B", 7),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_told_apart() {
        assert_eq!(parse(""), Err(SizeError::Malformed));
        assert_eq!(parse("GiB"), Err(SizeError::Malformed));
        assert_eq!(
            parse("-1GiB"),
            Err(SizeError::UnknownUnit("-1GiB".to_owned()))
        );
        assert_eq!(parse("1..5GiB"), Err(SizeError::Malformed));
        assert_eq!(
            parse("1 cow"),
            Err(SizeError::UnknownUnit("cow".to_owned()))
        );
        assert_eq!(parse("16EiB"), Err(SizeError::TooLarge));
        assert_eq!(parse("99999999999999999999"), Err(SizeError::TooLarge));
        assert_eq!(parse("0.3B"), Err(SizeError::NotWhole));
    }

    #[test]
    fn sizes_are_written_in_the_unit_that_fits() {
        assert_eq!(display(0), "0 B");
        assert_eq!(display(1023), "1023 B");
        assert_eq!(display(1 << 60), "1 EiB");
        assert_eq!(display(1536), "1.5 KiB");
        assert_eq!(display(u64::MAX), "15.9 EiB");
    }
}
