//! A mail server as small as one can be, which notes what it hears.

use std::io;
use std::sync::{Arc, Mutex};

use rcgen::CertifiedKey;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::Encryption;

/// What the server heard.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// The words of `AUTH PLAIN`.
    pub logins: Vec<String>,
    /// The recipients, also those that were refused.
    pub recipients: Vec<String>,
    /// The letters, decoded as far as lines were broken.
    pub letters: Vec<String>,
}

/// A server on loopback, until the test ends.
pub struct MailServer {
    pub port: u16,
    /// In PEM form; it is its own authority.
    pub certificate: String,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Clone)]
struct Rules {
    encryption: Encryption,
    tls: TlsAcceptor,
    /// What recipients are answered, before the server takes them.
    refusals: Arc<Mutex<Vec<&'static str>>>,
    heard: Arc<Mutex<Heard>>,
}

impl MailServer {
    pub async fn start(encryption: Encryption, refusals: &[&'static str]) -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let refusals = refusals.iter().rev().copied().collect();
        let rules = Rules {
            encryption,
            tls: TlsAcceptor::from(Arc::new(config)),
            refusals: Arc::new(Mutex::new(refusals)),
            heard: heard.clone(),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(rules.clone().serve(stream));
            }
        });
        Self {
            port,
            certificate: cert.pem(),
            heard,
        }
    }

    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }
}

impl Rules {
    async fn serve(self, stream: TcpStream) -> io::Result<()> {
        match self.encryption {
            Encryption::Tls => self
                .talk(self.tls.accept(stream).await?, "")
                .await
                .map(drop),
            Encryption::None => self.talk(stream, "").await.map(drop),
            Encryption::StartTls => {
                let Some(stream) = self.talk(stream, "250-STARTTLS\r\n").await? else {
                    return Ok(());
                };
                let mut stream = self.tls.accept(stream).await?;
                // Behind STARTTLS nobody greets.
                self.converse(&mut BufReader::new(&mut stream), "")
                    .await
                    .map(drop)
            }
        }
    }

    /// Greets and converses; answers the stream if it is to be encrypted from now on.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        offer: &str,
    ) -> io::Result<Option<S>> {
        stream.write_all(b"220 localhost\r\n").await?;
        let mut reader = BufReader::new(stream);
        let encrypt = self.converse(&mut reader, offer).await?;
        Ok(encrypt.then(|| reader.into_inner()))
    }

    /// Until the client leaves, or asks for encryption.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        offer: &str,
    ) -> io::Result<bool> {
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(false);
            }
            let (verb, rest) = line
                .trim_end()
                .split_once([' ', ':'])
                .unwrap_or((line.trim_end(), ""));
            let answer = match verb {
                "EHLO" => format!("250-localhost\r\n{offer}250 AUTH PLAIN\r\n"),
                "STARTTLS" => "220 go on\r\n".to_owned(),
                "AUTH" => self.log_in(rest),
                "RCPT" => self.recipient(rest),
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let letter = read_letter(stream).await?;
                    self.heard.lock().unwrap().letters.push(letter);
                    "250 taken\r\n".to_owned()
                }
                _ => "250 fine\r\n".to_owned(),
            };
            stream.write_all(answer.as_bytes()).await?;
            if verb == "STARTTLS" {
                return Ok(true);
            }
        }
    }

    fn log_in(&self, rest: &str) -> String {
        let word = rest.strip_prefix("PLAIN ").unwrap_or(rest);
        self.heard.lock().unwrap().logins.push(word.to_owned());
        "235 welcome\r\n".to_owned()
    }

    fn recipient(&self, rest: &str) -> String {
        let recipient = rest.strip_prefix("TO:").unwrap_or(rest);
        self.heard
            .lock()
            .unwrap()
            .recipients
            .push(recipient.to_owned());
        let refusal = self.refusals.lock().unwrap().pop();
        format!("{}\r\n", refusal.unwrap_or("250 fine"))
    }
}

/// Lines that quoted-printable broke are whole again.
async fn read_letter<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<String> {
    let (mut letter, mut line) = (String::new(), String::new());
    while stream.read_line(&mut line).await? > 0 && line != ".\r\n" {
        letter.push_str(&line);
        line.clear();
    }
    Ok(letter.replace("=\r\n", "").replace("=3D", "="))
}
