//! Sends letters, again if need be.

use std::path::Path;
use std::time::Duration;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::{Encryption, Letter, MailSettings, MailSettingsError};

/// How long the server may take for one step.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is waited before a letter is sent again. Servers that know a sender not yet refuse for minutes.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
];

/// Sends letters.
#[derive(Debug)]
pub struct Mailer {
    way: Option<Way>,
    pub(crate) pauses: [Duration; 4],
}

/// The way to the mail server.
#[derive(Debug)]
struct Way {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Mailbox,
}

/// Links go to the log.
impl Default for Mailer {
    fn default() -> Self {
        Self {
            way: None,
            pauses: PAUSES,
        }
    }
}

impl Mailer {
    /// What sends as the settings say; without settings links go to the log.
    pub fn new(settings: Option<&MailSettings>) -> Result<Self, MailSettingsError> {
        Ok(Self {
            way: settings.map(Way::new).transpose()?,
            ..Self::default()
        })
    }

    /// Whether letters are sent; else their links are in the log.
    pub fn sends(&self) -> bool {
        self.way.is_some()
    }

    /// Sends a letter, or writes its link into the log; what goes wrong is there, too. May take minutes.
    pub async fn send(&self, letter: &Letter) {
        let Letter {
            to, link, purpose, ..
        } = letter;
        let Some(way) = &self.way else {
            tracing::info!(%to, ?purpose, %link, "there is no mail server: hand this link on yourself");
            return;
        };
        let mut pauses = self.pauses.iter();
        while let Err(error) = way.send(letter).await {
            let pause = pauses.next().filter(|_| !error.is_permanent());
            let Some(pause) = pause else {
                tracing::error!(%to, ?purpose, %error, "a letter was not sent");
                return;
            };
            tracing::warn!(%to, ?purpose, %error, "a letter will be sent again");
            tokio::time::sleep(*pause).await;
        }
    }
}

impl Way {
    fn new(settings: &MailSettings) -> Result<Self, MailSettingsError> {
        let sender = settings.sender()?;
        let encryption = match settings.tls {
            Encryption::StartTls => Tls::Required(tls(settings)?),
            Encryption::Tls => Tls::Wrapper(tls(settings)?),
            Encryption::None => Tls::None,
        };
        let own_name = ClientId::Domain(sender.email.domain().to_owned());
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.server)
            .port(settings.port)
            .tls(encryption)
            .hello_name(own_name)
            .timeout(Some(PATIENCE));
        if let Some((user, file)) = settings.user.as_ref().zip(settings.password_file.as_ref()) {
            builder = builder.credentials(Credentials::new(user.clone(), password(file)?));
        }
        Ok(Self {
            transport: builder.build(),
            sender,
        })
    }

    async fn send(&self, letter: &Letter) -> Result<(), lettre::transport::smtp::Error> {
        let to = letter.to.as_str().parse().expect("an Email is an address");
        let message = Message::builder()
            .from(self.sender.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject())
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text())
            .expect("it has a sender and a recipient");
        self.transport.send(message).await?;
        Ok(())
    }
}

fn tls(settings: &MailSettings) -> Result<TlsParameters, MailSettingsError> {
    let refused =
        |error: lettre::transport::smtp::Error| MailSettingsError::Certificates(error.to_string());
    let mut builder = TlsParameters::builder(settings.server.clone());
    if let Some(path) = &settings.tls_ca {
        let pem = read("mail_tls_ca", path)?;
        let certificate = Certificate::from_pem(pem.as_bytes()).map_err(refused)?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(refused)
}

fn password(path: &Path) -> Result<String, MailSettingsError> {
    let text = read("mail_password_file", path)?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        _ => Err(MailSettingsError::NoPassword(path.to_owned())),
    }
}

fn read(setting: &'static str, path: &Path) -> Result<String, MailSettingsError> {
    std::fs::read_to_string(path).map_err(|source| MailSettingsError::Unreadable {
        setting,
        path: path.to_owned(),
        source,
    })
}
