//! Whatever is in a file, reading it ends in a rack or a refusal whose lines can be shown.

use proptest::prelude::*;
use rack_model::Rack;

const ATTIC: &str = include_str!("../../rack.toml");

/// Reads it, and shows what is wrong with it.
fn read(text: &str) -> Option<String> {
    Rack::parse("rack.toml", text)
        .err()
        .map(|refusal| refusal.to_string())
}

/// The example with some of its bytes' ranges replaced, on boundaries of characters.
fn damaged() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[0-9a-f:./\"\\[\\]{}=, \\n-]{0,8}",
        Just("\"802.3bt\"".to_owned()),
        Just("255.255.255.255/0".to_owned()),
        Just("0".to_owned()),
        Just("1e400".to_owned()),
        "\\PC{0,4}",
    ];
    let cut = (0..ATTIC.len(), 0_usize..24, value);
    prop::collection::vec(cut, 1..4).prop_map(|cuts| {
        let mut text = ATTIC.to_owned();
        for (start, length, value) in cuts {
            let start = text.floor_char_boundary(start);
            let end = text.floor_char_boundary(start + length).max(start);
            text.replace_range(start..end.min(text.len()), &value);
        }
        text
    })
}

/// A tunnel through a network of that many bits.
fn tunnel(prefix: u8) -> String {
    let key = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";
    format!(
        "tunnel = {{ endpoint = \"203.0.113.7:51820\", public_key = \"{key}\", network = \"10.9.0.0/{prefix}\" }}"
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}|[a-z\\[\\]={}\"\\n ]{0,200}") {
        prop_assert!(read(&text).is_some_and(|refusal| refusal.starts_with("rack.toml:")));
    }

    #[test]
    fn a_damaged_rack_is_read_or_refused(text in damaged()) {
        if let Some(refusal) = read(&text) {
            prop_assert!(refusal.starts_with("rack.toml:"), "{}", refusal);
            prop_assert!(refusal.contains('^'), "{}", refusal);
        }
    }

    #[test]
    fn any_values_of_the_right_type_are_read_or_refused(
        bits: u8, prefix in 0_u8..=32, slot: u8, ports: u8, watts in 0.0..1e6_f64
    ) {
        let text = ATTIC
            .replace("10.77.0.0/24", &format!("{bits}.77.0.0/{prefix}"))
            .replace("slot = 3", &format!("slot = {slot}"))
            .replace("ports = 8", &format!("ports = {ports}"))
            .replace("https_port = 443", &format!("https_port = 443\n{}", tunnel(prefix)))
            .replace("budget_watts = 120", &format!("budget_watts = {watts}"));
        read(&text);
    }
}
