//! pyarrow, with the AWS SDK for C++ inside: a partitioned Parquet data set.

use hayrack_e2e::clients::{newest, run};

use crate::{script, with_rack};

#[test]
fn a_parquet_data_set_is_written_and_queried() {
    with_rack(|rack| {
        run(&mut script(rack, &newest("python3"), "python/parquet.py"));
    });
}
