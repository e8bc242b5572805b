//! The parser's messages as sentences that say what to write.

use std::ops::Range;

use crate::near;

/// For the keys of a `rack.toml`, how a value is written.
const EXAMPLES: [(&str, &str); 42] = [
    ("name", "name = \"attic\""),
    ("domain", "domain = \"example.org\""),
    ("network", "[network] with nodes and router"),
    ("nodes", "nodes = \"10.77.0.0/24\""),
    (
        "router",
        "[router] with model, lan and wan, or in [network] router = \"10.77.0.1\"",
    ),
    (
        "guests",
        "guests = { first = \"10.77.0.100\", last = \"10.77.0.199\" }",
    ),
    ("first", "first = \"10.77.0.100\""),
    ("last", "last = \"10.77.0.199\""),
    ("model", "model = \"pi5-8gb\""),
    ("lan", "lan = \"eth0\""),
    ("wan", "wan = { device = \"eth1\", address = \"dhcp\" }"),
    ("device", "device = \"eth1\""),
    ("address", "address = \"10.77.0.11\""),
    ("gateway", "gateway = \"198.51.100.1\""),
    (
        "dns",
        "in [acme] dns = \"dns_cf\", in wan dns = [\"198.51.100.1\"]",
    ),
    ("user", "user = \"name-at-the-provider\""),
    ("public", "[public] with tls and https_port"),
    ("tls", "tls = \"nodes\" or tls = \"router\""),
    ("https_port", "https_port = 443"),
    (
        "tunnel",
        "tunnel = { endpoint = \"…\", public_key = \"…\", network = \"10.9.0.0/30\" }",
    ),
    ("endpoint", "endpoint = \"203.0.113.7:51820\""),
    ("public_key", "public_key = \"…\", as `wg pubkey` prints it"),
    ("acme", "[acme] with email, directory and dns"),
    ("email", "email = \"ops@example.org\""),
    (
        "directory",
        "directory = \"https://acme-v02.api.letsencrypt.org/directory\"",
    ),
    ("switch", "[switch] with ports, poe and budget_watts"),
    ("ports", "ports = 8"),
    (
        "poe",
        "poe = \"802.3at\", or none, 802.3af, 802.3bt, 802.3bt-type4",
    ),
    ("budget_watts", "budget_watts = 120"),
    ("mount", "[mount] with units and printer"),
    ("units", "units = 2"),
    ("printer", "printer = { x_mm = 220, y_mm = 220 }"),
    ("x_mm", "x_mm = 220"),
    ("y_mm", "y_mm = 220"),
    ("slot", "slot = 1"),
    ("mac", "mac = \"dc:a6:32:01:02:03\""),
    (
        "disks",
        "disks = [{ model = \"sata-ssd\", capacity = \"1TB\" }]",
    ),
    ("capacity", "capacity = \"1TB\""),
    ("watts", "watts = 3.5"),
    ("power", "power = \"poe\" or power = \"supply\""),
    (
        "ssh",
        "ssh = \"ssh-ed25519 AAAA… name\", the line of the .pub file",
    ),
    ("age", "age = \"age1…\", as `age-keygen -y` prints it"),
];

/// The parser's message about the bytes `span` of `text`, as a sentence that says what to write.
pub fn of(message: &str, text: &str, span: &Range<usize>) -> String {
    let message = message.trim().replace('\n', "; ");
    if let Some(key) = quoted(&message, "missing field ") {
        return format!("`{key}` is missing here; write {}", example(key));
    }
    if let Some(key) = quoted(&message, "unknown field ") {
        let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        return format!("there is no `{key}` here; {}", near::proposal(key, &known));
    }
    // The sentences of this crate say it themselves.
    if message.contains("; write ") || message.contains("did you mean") {
        return message;
    }
    match key_before(text, span) {
        Some(key) if is_known(key) => format!("{message}; write {}", example(key)),
        _ => message,
    }
}

/// What stands in backticks after `start`, when the message begins with that.
fn quoted<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    message.strip_prefix(start)?.split('`').nth(1)
}

fn is_known(key: &str) -> bool {
    EXAMPLES.iter().any(|(known, _)| *known == key)
}

fn example(key: &str) -> String {
    let found = EXAMPLES.iter().find(|(known, _)| *known == key);
    found.map_or_else(
        || format!("{key} = …"),
        |(_, example)| (*example).to_owned(),
    )
}

/// The key whose value begins where `span` does.
fn key_before<'a>(text: &'a str, span: &Range<usize>) -> Option<&'a str> {
    let before = text.get(..span.start)?.trim_end().strip_suffix('=')?;
    before
        .trim_end()
        .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_shown_by_example() {
        assert_eq!(
            of("missing field `ports`", "", &(0..0)),
            "`ports` is missing here; write ports = 8"
        );
    }

    #[test]
    fn a_slip_in_a_key_is_answered_with_the_nearest() {
        let message = "unknown field `prots`, expected one of `ports`, `poe`, `budget_watts`";
        let sentence = of(message, "", &(0..0));
        assert!(
            sentence.contains("there is no `prots` here; did you mean ports?"),
            "{sentence}"
        );
    }

    #[test]
    fn a_value_of_another_kind_is_answered_with_one_that_fits() {
        let text = "ports = \"8\"";
        let sentence = of("invalid type: string \"8\", expected u8", text, &(8..11));
        assert!(
            sentence.ends_with("expected u8; write ports = 8"),
            "{sentence}"
        );
    }
}
