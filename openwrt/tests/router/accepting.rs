//! What a node makes of certificates that come to it. It needs no root.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hayrack_rack::network::output;
use tempfile::TempDir;

/// A node's folder.
struct Node(TempDir);

impl Node {
    fn new() -> Self {
        let node = Self(tempfile::tempdir().expect("a folder"));
        fs::write(node.path("accept"), openwrt::ACCEPT_CERTIFICATE).expect("a program");
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A certificate, good for so many days, and its key.
    fn pair(&self, name: &str, days: i8) -> (String, String) {
        let make = format!(
            "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout key -out request && \
             openssl x509 -req -in request -signkey key -days {days} -out certificate"
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &make]).current_dir(self.0.path());
        output(&mut shell, "").expect("openssl makes it");
        let [certificate, key] = ["certificate", "key"]
            .map(|name| fs::read_to_string(self.path(name)).expect("it is made"));
        (certificate, key)
    }

    /// Has it take these.
    fn take(&self, certificates: &str) -> anyhow::Result<String> {
        let mut accept = Command::new("sh");
        accept.arg(self.path("accept")).arg(self.path("tls.pem"));
        let group = output(Command::new("id").arg("-gn"), "")?;
        accept.args([group.trim(), "sh", "-c", "echo >>\"$0\""]);
        output(accept.arg(self.path("reloads")), certificates)
    }

    fn has(&self) -> String {
        fs::read_to_string(self.path("tls.pem")).unwrap_or_default()
    }

    fn reloads(&self) -> usize {
        fs::read(self.path("reloads")).map_or(0, |lines| lines.len())
    }

    #[track_caller]
    fn refuses(&self, certificates: &str, why: &str) {
        let before = self.has();
        let refused = format!("{:#}", self.take(certificates).expect_err(why));
        assert!(refused.contains(why), "{refused}");
        assert_eq!(self.has(), before);
    }
}

#[test]
fn several_certificates_become_one_file_at_once() {
    let node = Node::new();
    let ((own, own_key), (home, home_key)) = (node.pair("own", 2), node.pair("home", 2));
    let all = [own.clone(), own_key.clone(), home, home_key].concat();
    node.take(&all).unwrap();
    assert_eq!((node.has(), node.reloads()), (all.clone(), 1));
    node.take(&all).unwrap();
    assert_eq!(node.reloads(), 1, "it has them already");
    node.take(&(own.clone() + &own_key)).unwrap();
    assert_eq!((node.has(), node.reloads()), (own + &own_key, 2));
    let left: Vec<_> = fs::read_dir(node.0.path()).unwrap().flatten().collect();
    let stray = left.iter().find(|entry| entry.path().is_dir());
    assert!(stray.is_none(), "{stray:?}");
}

#[test]
fn one_that_expired_takes_no_other_with_it_unless_it_is_the_first() {
    let node = Node::new();
    let ((own, own_key), (old, old_key)) = (node.pair("own", 2), node.pair("old", -1));
    let (own, old) = (own + &own_key, old + &old_key);
    node.take(&format!("{own}{old}")).unwrap();
    assert_eq!(node.has(), own);
    node.refuses(&format!("{old}{own}"), "the certificate has expired");
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let node = Node::new();
    let ((own, own_key), (other, other_key)) = (node.pair("own", 2), node.pair("other", 2));
    node.refuses("", "no certificate came");
    node.refuses("nonsense", "no certificate came");
    node.refuses(&own, "no key came");
    node.refuses(
        &(own.clone() + &other_key),
        "the key is another certificate's",
    );
    let mixed = [own, own_key.clone(), other, own_key].concat();
    node.refuses(&mixed, "the key is another certificate's");
    assert_eq!(node.reloads(), 0);
}
