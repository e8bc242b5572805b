use super::*;

const MODIFIED: Timestamp = Timestamp(1_767_225_599_000);

fn member(zip: &mut Zip, name: &str, content: &[u8]) -> Vec<u8> {
    let (mut member, mut bytes) = zip.begin(name, content.len() as u64, MODIFIED);
    member.add(content);
    bytes.extend(content);
    bytes.extend(zip.end(&member));
    bytes
}

#[test]
fn an_archive_is_what_the_format_says() {
    let mut zip = Zip::default();
    let mut bytes = member(&mut zip, "a/ä", b"hello");
    bytes.extend(zip.finish());
    let crc = 0x3610_a686_u32.to_le_bytes();
    let local = b"PK\x03\x04\x14\0\x08\x08\0\0\x7d\xbf\x9f\x5b\0\0\0\0\0\0\0\0\0\0\0\0\x04\0\0\0";
    let central = b"PK\x01\x02\x2d\x03\x14\0\x08\x08\0\0\x7d\xbf\x9f\x5b";
    let sizes = b"\x05\0\0\0\x05\0\0\0";
    let rest = b"\x04\0\0\0\0\0\0\0\0\0\0\0\xa4\x81\0\0\0\0";
    let end = b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x32\0\0\0\x37\0\0\0\0\0";
    let name = "a/ä".as_bytes();
    let expected = [
        &local[..],
        name,
        b"hello",
        b"PK\x07\x08",
        &crc,
        sizes,
        central,
        &crc,
        sizes,
        rest,
        name,
        end,
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn what_32_bits_do_not_hold_has_64() {
    let mut zip = Zip {
        position: 1 << 33,
        ..Zip::default()
    };
    let size = 5 << 30;
    let (mut member, header) = zip.begin("big", size, MODIFIED);
    assert_eq!(header[4..6], [45, 0]);
    assert_eq!(header[18..26], [0xff; 8]);
    assert_eq!(header[33..37], [1, 0, 16, 0]);
    // As if that many bytes had come.
    member.length = size;
    let descriptor = zip.end(&member);
    assert_eq!(
        descriptor[8..24],
        [size.to_le_bytes(), size.to_le_bytes()].concat()
    );
    let wide = [size, size, 1 << 33].map(u64::to_le_bytes).concat();
    assert_eq!(
        zip.directory[46 + 3..],
        [&[1, 0, 24, 0][..], &wide].concat()
    );
    let start = zip.position;
    let end = zip.finish();
    let zip64 = &end[46 + 3 + 28..];
    assert_eq!(zip64[..4], *b"PK\x06\x06");
    assert_eq!(zip64[48..56], start.to_le_bytes());
    assert_eq!(zip64[56..60], *b"PK\x06\x07");
    assert_eq!(zip64[64..72], (start + 46 + 3 + 28).to_le_bytes());
    assert_eq!(zip64[76..80], *b"PK\x05\x06");
    assert_eq!(zip64[92..96], [0xff; 4]);
}

#[test]
fn more_members_than_16_bits_count_are_counted_by_64() {
    let mut zip = Zip::default();
    for _ in 0..0xffff {
        member(&mut zip, "x", b"");
    }
    let end = zip.finish();
    let last = &end[end.len() - 22..];
    assert_eq!(last[8..12], [0xff; 4]);
    let zip64 = &end[end.len() - 22 - 20 - 56..];
    assert_eq!(zip64[24..32], 0xffff_u64.to_le_bytes());
}

#[test]
fn times_are_those_that_dos_knows() {
    let of = |seconds: u64| Stamp::of(Timestamp(seconds * 1_000));
    assert_eq!(
        of(0),
        Stamp {
            time: 0,
            date: 0x21
        }
    );
    assert_eq!(
        of(5_000_000_000),
        of(LATEST.unix_timestamp().cast_unsigned())
    );
}
