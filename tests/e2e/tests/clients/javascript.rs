//! minio-js, which reads an upload id of digits as a number. The AWS SDK for JavaScript has a test of
//! its own, the reference client.

use hayrack_e2e::clients::{node, run};

use crate::{script, with_rack};

#[test]
fn minio_js_uploads_in_parts_copies_and_lists() {
    with_rack(|rack| {
        run(&mut script(rack, &node(), "js/minio.mjs"));
    });
}
