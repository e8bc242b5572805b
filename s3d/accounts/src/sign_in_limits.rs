//! Limits on sign-ins, sign-ups and letters.
//!
//! Failed sign-ins are counted three times: for an address and an account together, which stops
//! guessing one password; for an address, which stops trying one password on many accounts; for an
//! account, which slows guessing from many addresses. The last one does not bind the addresses from
//! which the account's owner has signed in before, and one address alone cannot use it up: so no
//! stranger locks an owner out.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quick_cache::unsync::Cache;
use s3d_names::Email;

use super::throttle::{Throttle, Throttled};

/// Addresses, accounts and pairs of them that are remembered, some 100 bytes each.
const REMEMBERED: usize = 10_000;

const MINUTE: Duration = Duration::from_mins(1);

/// An address as limits count it: in IPv6 a whole /64, which is what one subscriber has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from(network))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// A sign-in whose outcome is not known yet; it counts as a failure.
#[derive(Debug)]
#[must_use]
pub struct Attempt {
    origin: Origin,
    account: String,
}

/// The limits of this process.
#[derive(Debug)]
pub struct SignInLimits {
    pairs: Throttle<(Origin, String)>,
    origins: Throttle<Origin>,
    accounts: Throttle<String>,
    /// From where an account was signed in to.
    familiar: Mutex<Cache<(Origin, String), ()>>,
    sign_ups: Throttle<Origin>,
    letters_from: Throttle<Origin>,
    letters_to: Throttle<String>,
}

impl Default for SignInLimits {
    fn default() -> Self {
        Self {
            pairs: Throttle::new(10, 5 * MINUTE, REMEMBERED),
            origins: Throttle::new(100, 5 * MINUTE, REMEMBERED),
            // Faster than a pair, in burst and refill: one address alone cannot use it up.
            accounts: Throttle::new(50, 15 * MINUTE, REMEMBERED),
            familiar: Mutex::new(Cache::new(REMEMBERED)),
            sign_ups: Throttle::new(20, 10 * MINUTE, REMEMBERED),
            letters_from: Throttle::new(20, 10 * MINUTE, REMEMBERED),
            letters_to: Throttle::new(3, 60 * MINUTE, REMEMBERED),
        }
    }
}

impl SignInLimits {
    /// Begins a sign-in to an account; `None` is one that cannot exist.
    pub fn begin(
        &self,
        from: IpAddr,
        account: Option<&Email>,
        now: Instant,
    ) -> Result<Attempt, Throttled> {
        let origin = Origin::from(from);
        let account = account.map_or_else(String::new, |email| email.as_str().to_owned());
        let pair = (origin, account);
        self.pairs.take(&pair, now)?;
        self.origins.take(&origin, now)?;
        if self.familiar.lock().get(&pair).is_none() {
            self.accounts.take(&pair.1, now)?;
        }
        let (origin, account) = pair;
        Ok(Attempt { origin, account })
    }

    /// The password was right: the attempt does not count.
    pub fn succeeded(&self, attempt: Attempt) {
        let pair = (attempt.origin, attempt.account);
        self.pairs.give_back(&pair);
        self.origins.give_back(&pair.0);
        let mut familiar = self.familiar.lock();
        if familiar.get(&pair).is_none() {
            self.accounts.give_back(&pair.1);
            familiar.insert(pair, ());
        }
    }

    /// Counts a sign-up.
    pub fn sign_up(&self, from: IpAddr, now: Instant) -> Result<(), Throttled> {
        self.sign_ups.take(&from.into(), now)
    }

    /// Counts a letter to an account, whether or not there is such an account.
    pub fn letter(&self, from: IpAddr, to: &Email, now: Instant) -> Result<(), Throttled> {
        self.letters_from.take(&from.into(), now)?;
        self.letters_to.take(&to.as_str().to_owned(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn ada() -> Email {
        Email::new("ada@example.com").unwrap()
    }

    /// Fails from an address until it is refused; answers how often.
    fn guess(limits: &SignInLimits, from: &str, now: Instant) -> usize {
        (0..1_000)
            .take_while(|_| limits.begin(address(from), Some(&ada()), now).is_ok())
            .count()
    }

    #[test]
    fn a_stranger_locks_only_the_own_address() {
        let (limits, start) = (SignInLimits::default(), Instant::now());
        assert_eq!(guess(&limits, "203.0.113.7", start), 10);
        let owner = address("198.51.100.1");
        assert!(limits.begin(owner, Some(&ada()), start).is_ok());
    }

    #[test]
    fn one_address_never_uses_up_what_all_strangers_share() {
        let (limits, start) = (SignInLimits::default(), Instant::now());
        for second in 0..100_000 {
            let now = start + Duration::from_secs(second);
            let _ = limits.begin(address("203.0.113.7"), Some(&ada()), now);
        }
        let now = start + Duration::from_secs(100_000);
        assert!(
            limits
                .begin(address("198.51.100.1"), Some(&ada()), now)
                .is_ok()
        );
    }

    #[test]
    fn many_strangers_are_slowed_and_the_owner_is_not() {
        let (limits, start) = (SignInLimits::default(), Instant::now());
        let home = address("198.51.100.1");
        let attempt = limits.begin(home, Some(&ada()), start).unwrap();
        limits.succeeded(attempt);
        let guesses: usize = (0..100)
            .map(|host| guess(&limits, &format!("203.0.113.{host}"), start))
            .sum();
        assert_eq!(guesses, 50);
        assert!(limits.begin(home, Some(&ada()), start).is_ok());
    }

    #[test]
    fn right_passwords_do_not_count() {
        let (limits, start) = (SignInLimits::default(), Instant::now());
        for _ in 0..1_000 {
            let attempt = limits.begin(address("::1"), Some(&ada()), start).unwrap();
            limits.succeeded(attempt);
        }
    }

    #[test]
    fn a_subscriber_is_one_origin() {
        let origin = |text| Origin::from(address(text));
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:1"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_eq!(origin("::ffff:203.0.113.7"), origin("203.0.113.7"));
        assert_ne!(origin("203.0.113.7"), origin("203.0.113.8"));
    }

    #[test]
    fn letters_to_one_account_and_from_one_address_run_out() {
        let (limits, start) = (SignInLimits::default(), Instant::now());
        let ask = |from: String, to: &Email| limits.letter(address(&from), to, start).is_ok();
        let to_ada = (0..50).filter(|host| ask(format!("203.0.113.{host}"), &ada()));
        assert_eq!(to_ada.count(), 3);
        let to_others = (0..50).filter(|number| {
            let other = Email::new(format!("user{number}@example.com")).unwrap();
            ask("198.51.100.1".into(), &other)
        });
        assert_eq!(to_others.count(), 20);
    }

    #[test]
    fn sign_ups_from_one_address_run_out() {
        let (limits, start) = (SignInLimits::default(), Instant::now());
        let tries = (0..60).filter(|_| limits.sign_up(address("::1"), start).is_ok());
        assert_eq!(tries.count(), 20);
        assert!(limits.sign_up(address("203.0.113.7"), start).is_ok());
    }
}
