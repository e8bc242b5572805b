//! s3fs for Python: S3 as a file system of pandas, dask and the like.

use hayrack_e2e::clients::{run, venv};

use crate::{script, with_rack};

#[test]
fn s3fs_reads_writes_copies_and_moves() {
    with_rack(|rack| {
        run(&mut script(
            rack,
            &venv("s3fs-venv", "python3"),
            "python/file_system.py",
        ));
    });
}
