//! Letters over real connections, to a small mail server.

mod server;

use std::path::PathBuf;
use std::time::Duration;

use s3d_names::Email;
use tempfile::TempDir;

use super::*;
use server::{Heard, MailServer};

fn letter(language: Language) -> Letter {
    Letter {
        to: Email::new("ada@example.com").unwrap(),
        language,
        purpose: Purpose::Reset,
        link: format!(
            "https://console.example.com/console/reset#{}",
            "a1".repeat(32)
        ),
    }
}

fn parts(server: &MailServer) -> MailParts {
    MailParts {
        server: Some("localhost".into()),
        port: Some(server.port),
        tls: Some(Encryption::None),
        from: Some("Hayrack <hayrack@example.org>".into()),
        ..MailParts::default()
    }
}

/// The same, over TLS and with a login.
fn encrypted(server: &MailServer, folder: &TempDir, tls: Encryption) -> MailParts {
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    MailParts {
        tls: Some(tls),
        tls_ca: Some(file("ca.pem", &server.certificate)),
        user: Some("hayrack".into()),
        password_file: Some(file("password", "secret\n")),
        ..parts(server)
    }
}

fn mailer(parts: MailParts) -> Mailer {
    let settings = MailSettings::of(parts).unwrap();
    let mut mailer = Mailer::new(settings.as_ref()).unwrap();
    mailer.pauses = [Duration::from_millis(1); 4];
    mailer
}

/// Sends a letter with these settings; answers what the server heard.
async fn sent(server: MailServer, parts: MailParts) -> Heard {
    mailer(parts).send(&letter(Language::English)).await;
    server.heard()
}

#[tokio::test]
async fn a_letter_arrives_with_its_link_unbroken() {
    let server = MailServer::start(Encryption::None, &[]).await;
    let mailer = mailer(parts(&server));
    for language in [Language::English, Language::German] {
        mailer.send(&letter(language)).await;
    }
    let heard = server.heard();
    assert_eq!(heard.recipients, ["<ada@example.com>"; 2]);
    assert!(heard.letters[0].contains(&letter(Language::English).link));
    assert!(heard.letters[0].contains("From: Hayrack <hayrack@example.org>"));
    assert!(heard.letters[1].contains(&letter(Language::German).link));
}

#[tokio::test]
async fn a_letter_goes_over_tls_and_logs_in() {
    let folder = tempfile::tempdir().unwrap();
    for tls in [Encryption::StartTls, Encryption::Tls] {
        let server = MailServer::start(tls, &[]).await;
        let parts = encrypted(&server, &folder, tls);
        let heard = sent(server, parts).await;
        assert_eq!(heard.letters.len(), 1, "{tls:?}");
        // "\0hayrack\0secret"
        assert_eq!(heard.logins, ["AGhheXJhY2sAc2VjcmV0"], "{tls:?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_without_tls_or_with_another_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let plain = MailServer::start(Encryption::None, &[]).await;
    let settings = encrypted(&plain, &folder, Encryption::StartTls);
    let heard = sent(plain, settings).await;
    assert_eq!((heard.letters.len(), heard.logins.len()), (0, 0));

    let trusted = MailServer::start(Encryption::StartTls, &[]).await;
    let other = MailServer::start(Encryption::StartTls, &[]).await;
    let settings = MailParts {
        port: Some(other.port),
        ..encrypted(&trusted, &folder, Encryption::StartTls)
    };
    let heard = sent(other, settings).await;
    assert_eq!((heard.letters.len(), heard.logins.len()), (0, 0));
}

#[tokio::test]
async fn what_is_refused_for_now_is_sent_again_and_what_is_refused_for_good_is_not() {
    let busy = MailServer::start(Encryption::None, &["451 greylisted", "421 busy"]).await;
    let settings = parts(&busy);
    let heard = sent(busy, settings).await;
    assert_eq!((heard.recipients.len(), heard.letters.len()), (3, 1));

    let never = MailServer::start(Encryption::None, &["550 no such user"]).await;
    let settings = parts(&never);
    let heard = sent(never, settings).await;
    assert_eq!((heard.recipients.len(), heard.letters.len()), (1, 0));
}

#[tokio::test]
async fn settings_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = MailServer::start(Encryption::None, &[]).await;
    let good = || encrypted(&server, &folder, Encryption::StartTls);
    let refused = |parts: MailParts| MailSettings::of(parts).unwrap_err().to_string();
    assert!(MailSettings::of(good()).unwrap().is_some());
    assert!(MailSettings::of(MailParts::default()).unwrap().is_none());
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let absent = Some(folder.path().join("absent"));
    for (parts, sentence) in [
        (
            MailParts {
                server: None,
                ..good()
            },
            "mail_server is missing",
        ),
        (
            MailParts {
                from: None,
                ..good()
            },
            "mail_from is missing",
        ),
        (
            MailParts {
                from: Some("hayrack".into()),
                ..good()
            },
            "mail_from is \"hayrack\"",
        ),
        (
            MailParts {
                user: None,
                ..good()
            },
            "belong together",
        ),
        (
            MailParts {
                tls: Some(Encryption::None),
                ..good()
            },
            "mail_tls is none",
        ),
        (
            MailParts {
                password_file: absent.clone(),
                ..good()
            },
            "mail_password_file: cannot read",
        ),
        (
            MailParts {
                password_file: Some(empty.clone()),
                ..good()
            },
            "is empty",
        ),
        (
            MailParts {
                tls_ca: absent,
                ..good()
            },
            "mail_tls_ca: cannot read",
        ),
    ] {
        let found = refused(parts);
        assert!(found.contains(sentence), "{found}");
    }
}
