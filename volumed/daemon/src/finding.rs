//! What `doctor` finds: a fault, and the command that cures it.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use volumed_client::admin::{AdminClient, AdminError};

pub use volumed_client::admin::{Finding, Severity};

/// What volumed finds wrong with itself, or why it cannot be asked on its admin socket.
pub async fn volumed_findings(socket: &Path) -> Vec<Finding> {
    match AdminClient::new(socket).findings().await {
        Ok(findings) => findings,
        Err(error) => vec![unreachable(socket, &error)],
    }
}

fn unreachable(socket: &Path, error: &AdminError) -> Finding {
    let kind = match error {
        AdminError::Unreachable { source, .. } => source.kind(),
        _ => io::ErrorKind::Other,
    };
    let place = socket.display();
    match kind {
        io::ErrorKind::NotFound => Finding::fault(
            "volumed_not_running",
            format!(
                "There is no socket {place}: volumed does not run, or with another --admin-socket."
            ),
            "systemctl start volumed, or volumed serve; then give doctor the socket with --socket.",
        ),
        io::ErrorKind::ConnectionRefused => Finding::fault(
            "volumed_not_running",
            format!("Nobody answers on {place}: volumed has ended without cleaning up."),
            "journalctl -u volumed says why; systemctl start volumed.",
        ),
        io::ErrorKind::PermissionDenied => Finding::fault(
            "socket_permission",
            format!("This user may not open {place}."),
            "Run doctor as the user of the daemon: sudo -u hayrack volumed doctor.",
        ),
        _ => Finding::fault(
            "volumed_not_answering",
            format!("volumed does not answer: {error}."),
            "journalctl -u volumed says why; systemctl restart volumed.",
        ),
    }
}

/// The exit code of `doctor`: 0 when nothing is wrong, 1 with a fault, 6 with warnings only.
pub fn exit_code(findings: &[Finding]) -> u8 {
    match findings.iter().map(|finding| finding.severity).max() {
        None => 0,
        Some(Severity::Warning) => 6,
        Some(Severity::Fault) => 1,
    }
}

/// The findings for people; the worst come first.
pub fn report(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "Nothing is wrong.\n".to_owned();
    }
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut text = String::new();
    for Finding {
        severity,
        fault,
        sentence,
        cure,
    } in sorted
    {
        let severity = match severity {
            Severity::Fault => "FAULT",
            Severity::Warning => "WARNING",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{severity} {fault}: {sentence}\n    {cure}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, fault: &str) -> Finding {
        Finding {
            severity,
            fault: fault.to_owned(),
            sentence: "It is so.".to_owned(),
            cure: "Do this.".to_owned(),
        }
    }

    #[test]
    fn the_worst_finding_decides_and_comes_first() {
        let warning = finding(Severity::Warning, "small");
        let fault = finding(Severity::Fault, "large");
        assert_eq!(exit_code(&[]), 0);
        assert_eq!(exit_code(std::slice::from_ref(&warning)), 6);
        let both = [warning, fault];
        assert_eq!(exit_code(&both), 1);
        let text = "FAULT large: It is so.\n    Do this.\nWARNING small: It is so.\n    Do this.\n";
        assert_eq!(report(&both), text);
    }

    #[test]
    fn why_nobody_answers_is_told_apart() {
        let because = |kind: io::ErrorKind| {
            let error = AdminError::Unreachable {
                socket: "/s".into(),
                source: kind.into(),
            };
            unreachable(Path::new("/s"), &error).fault
        };
        assert_eq!(because(io::ErrorKind::NotFound), "volumed_not_running");
        assert_eq!(
            because(io::ErrorKind::ConnectionRefused),
            "volumed_not_running"
        );
        assert_eq!(
            because(io::ErrorKind::PermissionDenied),
            "socket_permission"
        );
        assert_eq!(because(io::ErrorKind::TimedOut), "volumed_not_answering");
    }
}
