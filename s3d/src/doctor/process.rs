//! Whether the process that runs has what it needs of the system.

use std::path::Path;

use volumed_client::admin::Finding;

/// Each client, and each open bucket four times, needs a descriptor.
const FEW_DESCRIPTORS: u64 = 4096;

pub(super) fn examine(data: &Path) -> Option<Finding> {
    let pid = std::fs::read_to_string(data.join("lock")).ok()?;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", pid.trim())).ok()?;
    of_limit(soft_limit(&limits)?)
}

/// The soft limit of open files in the text of proc_pid_limits(5).
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn of_limit(limit: u64) -> Option<Finding> {
    (limit < FEW_DESCRIPTORS).then(|| {
        Finding::warning(
            "few_descriptors",
            format!("s3d may have only {limit} files open: it refuses clients beyond that."),
            "Set LimitNOFILE=1048576 in the unit (systemctl edit s3d), or ulimit -Hn in the shell.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_a_process_is_read() {
        let own = std::fs::read_to_string("/proc/self/limits").unwrap();
        assert!(soft_limit(&own).is_some_and(|limit| limit > 0));
        assert_eq!(of_limit(FEW_DESCRIPTORS), None);
        assert_eq!(of_limit(1024).unwrap().fault, "few_descriptors");
    }
}
