//! Whether the clock can be right: signatures are refused when it is 15 minutes off.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use volumed_client::admin::Finding;

/// 1 January 2026, since 1970: no server of this version ran before.
const EARLIEST: Duration = Duration::from_hours(20_454 * 24);

/// systemd-timesyncd(8) makes the second once the clock was set from the network.
const TIMESYNC: (&str, &str) = (
    "/run/systemd/timesync",
    "/run/systemd/timesync/synchronized",
);

const CURE: &str = "timedatectl set-ntp true, then timedatectl timesync-status.";

pub(super) fn examine() -> Option<Finding> {
    let [runs, synchronised] = [TIMESYNC.0, TIMESYNC.1].map(|path| Path::new(path).exists());
    of_clock(SystemTime::now(), runs && !synchronised)
}

fn of_clock(now: SystemTime, unsynchronised: bool) -> Option<Finding> {
    if now < UNIX_EPOCH + EARLIEST {
        let sentence = "The clock is years behind: every signed request is refused.";
        return Some(Finding::fault("clock_wrong", sentence, CURE));
    }
    unsynchronised.then(|| {
        let sentence = "The clock was not set from the network yet: when it is 15 minutes off, signed \
                        requests are refused.";
        Finding::warning("clock_not_synchronised", sentence, CURE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_behind_or_not_set_is_found() {
        let fault = |now, unsynchronised| of_clock(now, unsynchronised).map(|found| found.fault);
        assert_eq!(fault(UNIX_EPOCH, false).as_deref(), Some("clock_wrong"));
        let now = SystemTime::now();
        assert_eq!(fault(now, true).as_deref(), Some("clock_not_synchronised"));
        assert_eq!(fault(now, false), None);
    }
}
