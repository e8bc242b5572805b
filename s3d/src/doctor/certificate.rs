//! Whether the certificate can be used, and for how long.

use std::time::{Duration, SystemTime};

use volumed_client::admin::Finding;

use crate::listener::{Tls, TlsFiles};

const DAY: Duration = Duration::from_hours(24);

/// Renewal is due: usual tools renew 30 days before the end.
const SOON: Duration = Duration::from_hours(21 * 24);

const CURE: &str = "Renew the certificate (for instance certbot renew), then systemctl reload s3d.";

pub(super) fn examine(files: &TlsFiles) -> Option<Finding> {
    match Tls::load(files) {
        Ok(tls) => of_expiry(tls.expires(), SystemTime::now()),
        Err(error) => Some(Finding::fault(
            "certificate_unusable",
            format!("TLS cannot be served: {error}."),
            "Correct tls_certificate and tls_key, then systemctl restart s3d.",
        )),
    }
}

fn of_expiry(expires: SystemTime, now: SystemTime) -> Option<Finding> {
    match expires.duration_since(now) {
        Err(_) => {
            let sentence = "The certificate has expired: clients refuse to connect.";
            Some(Finding::fault("certificate_expired", sentence, CURE))
        }
        Ok(left) if left < SOON => {
            let days = left.as_secs() / DAY.as_secs();
            let sentence = format!("The certificate expires in {days} days.");
            Some(Finding::warning("certificate_expires_soon", sentence, CURE))
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_near_or_past_is_found() {
        let now = SystemTime::now();
        let fault = |expires| of_expiry(expires, now).map(|found| found.fault);
        assert_eq!(fault(now + SOON), None);
        assert_eq!(
            fault(now + DAY).as_deref(),
            Some("certificate_expires_soon")
        );
        assert_eq!(fault(now - DAY).as_deref(), Some("certificate_expired"));
    }
}
