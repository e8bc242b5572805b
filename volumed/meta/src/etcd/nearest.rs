//! Back to the nearest member, once it answers.
//!
//! A node that runs a member names that first. While it was away, or not there yet, the node asks another one; if
//! it stayed there, the member that lived longest would in time answer for all nodes.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::sleep;

use super::members::Members;

/// How often it is tried.
const EVERY: Duration = Duration::from_secs(10);

/// What it has for an answer; one that is slower is not asked for more.
const PATIENCE: Duration = Duration::from_millis(300);

/// Until the members are gone.
pub async fn return_to_nearest(members: Weak<Members>) {
    loop {
        sleep(EVERY).await;
        let Some(members) = members.upgrade() else {
            return;
        };
        members.try_nearest(PATIENCE).await;
    }
}
