//! Sizes as people write them.

/// The bytes of a size: `500`, `500K`, `500M`, `10G` or `2T`, in powers of 1,024. A sentence when it is
/// none.
pub fn bytes(text: &str) -> Result<u64, String> {
    let refusal = || "it has to be a size such as 500M or 10G".to_owned();
    let short = text.strip_suffix("iB").unwrap_or(text);
    let unit = short.chars().last().ok_or_else(refusal)?;
    let (number, shift) = match unit.to_ascii_uppercase() {
        'K' => (&short[..short.len() - 1], 10),
        'M' => (&short[..short.len() - 1], 20),
        'G' => (&short[..short.len() - 1], 30),
        'T' => (&short[..short.len() - 1], 40),
        _ => (text, 0),
    };
    let number: u64 = number.parse().map_err(|_| refusal())?;
    number.checked_mul(1 << shift).ok_or_else(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let read = [
            ("0", 0),
            ("512", 512),
            ("4K", 4096),
            ("500m", 500 << 20),
            ("10G", 10 << 30),
            ("10GiB", 10 << 30),
            ("2T", 2 << 40),
        ];
        for (text, size) in read {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "G", "1.5G", "-1", "10X", "10iB", "99999999T", "ü"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
