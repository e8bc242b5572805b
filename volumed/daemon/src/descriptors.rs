//! Open files of this process, and how many it may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files to what the administrator allows; answers the limit in force. The
/// usual soft limit is 1,024, for the sake of programs that use select(2).
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    descriptor_limit()
}

/// How many files this process may have open.
pub fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many files this process has open.
pub fn open_descriptors() -> std::io::Result<u64> {
    // One of them is the folder that is being read.
    Ok(std::fs::read_dir("/proc/self/fd")?.count() as u64 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(raise_descriptor_limit(), before.maximum.unwrap_or(u64::MAX));
    }

    #[test]
    fn an_open_file_counts() {
        assert!(open_descriptors().unwrap() >= 3);
    }
}
