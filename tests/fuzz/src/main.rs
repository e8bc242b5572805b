//! One target under libFuzzer: `HAYRACK_FUZZ_TARGET` names it.
#![no_main]

use std::sync::OnceLock;

use hayrack_fuzz::{Target, target};
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let run = TARGET.get_or_init(|| {
        let name = std::env::var("HAYRACK_FUZZ_TARGET").unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("HAYRACK_FUZZ_TARGET={name:?} names no target"))
    });
    run(data);
});
