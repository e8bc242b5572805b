//! The files of secrets: `secrets/NAME.age` beside rack.toml, each encrypted for every operator. Nothing is ever
//! written that is not encrypted, and a file is replaced as a whole or not at all.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, Decryptor, EncryptError, Encryptor};
use rack_model::Operator;
use rack_model::names::Label;
use tempfile::NamedTempFile;

use super::identities::Identities;
use super::recipients::{self, NoRecipient};

/// The secrets of one rack.
pub struct Vault {
    folder: PathBuf,
}

/// Why a secret is not kept.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It would be for somebody who cannot read it.
    #[error(transparent)]
    Recipient(#[from] NoRecipient),
    /// It cannot be encrypted.
    #[error("cannot encrypt {name}: {source}")]
    Encrypt {
        /// Its name.
        name: Label,
        /// Why.
        source: Box<EncryptError>,
    },
    /// It cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One that is there cannot be read, so nothing was changed.
    #[error("nothing was changed: {0}")]
    Unread(#[from] UnsealError),
}

/// Why a secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// There is none.
    #[error("there is no secret {name}; `rack secrets set {name}` keeps one")]
    NotFound {
        /// Its name.
        name: Label,
    },
    /// The file or folder cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is for others.
    #[error(
        "{name} is not for this identity: an operator who can read it types `rack secrets rotate` once your key is in \
         rack.toml"
    )]
    NotForYou {
        /// Its name.
        name: Label,
    },
    /// The identity itself cannot be read.
    #[error(
        "the passphrase does not open the identity: type it again, or name another with --identity"
    )]
    Passphrase,
    /// It is damaged.
    #[error("{name} cannot be decrypted: {source}; take the file's last good version from git")]
    Damaged {
        /// Its name.
        name: Label,
        /// Why.
        source: DecryptError,
    },
}

impl Vault {
    /// The secrets of the rack with that file.
    pub fn beside(rack: &Path) -> Self {
        Self {
            folder: rack.with_file_name("secrets"),
        }
    }

    /// Keeps a secret, in place of the one of that name.
    pub fn set(
        &self,
        name: &Label,
        secret: &[u8],
        operators: &[Operator],
    ) -> Result<(), SealError> {
        let recipients = recipients::of(operators)?;
        let sealed = seal(secret, &recipients).map_err(|error| SealError::Encrypt {
            name: name.clone(),
            source: Box::new(error),
        })?;
        let path = self.path(name);
        self.write(&path, &sealed)
            .map_err(|source| SealError::Write { path, source })
    }

    /// A secret.
    pub fn get(&self, name: &Label, identities: &Identities) -> Result<Vec<u8>, UnsealError> {
        let path = self.path(name);
        let sealed = match fs::read(&path) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(UnsealError::NotFound { name: name.clone() });
            }
            Err(source) => return Err(UnsealError::Read { path, source }),
        };
        unseal(&sealed, identities).map_err(|error| match error {
            DecryptError::NoMatchingKeys => UnsealError::NotForYou { name: name.clone() },
            DecryptError::KeyDecryptionFailed => UnsealError::Passphrase,
            source => UnsealError::Damaged {
                name: name.clone(),
                source,
            },
        })
    }

    /// The names of the secrets that are kept, sorted.
    pub fn names(&self) -> Result<Vec<Label>, UnsealError> {
        let failed = |source| UnsealError::Read {
            path: self.folder.clone(),
            source,
        };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(failed)?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".age"));
            names.extend(name.and_then(|name| name.parse::<Label>().ok()));
        }
        names.sort();
        Ok(names)
    }

    /// Encrypts every secret anew for these operators. All are read before the first is written, so that an
    /// identity that cannot read one of them changes nothing.
    pub fn rotate(
        &self,
        identities: &Identities,
        operators: &[Operator],
    ) -> Result<Vec<Label>, SealError> {
        let names = self.names()?;
        let secrets: Result<Vec<Vec<u8>>, UnsealError> = names
            .iter()
            .map(|name| self.get(name, identities))
            .collect();
        for (name, secret) in names.iter().zip(secrets?) {
            self.set(name, &secret, operators)?;
        }
        Ok(names)
    }

    fn path(&self, name: &Label) -> PathBuf {
        self.folder.join(format!("{name}.age"))
    }

    fn write(&self, path: &Path, sealed: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(sealed)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }
}

fn seal(secret: &[u8], recipients: &[Box<dyn age::Recipient>]) -> Result<Vec<u8>, EncryptError> {
    let encryptor = Encryptor::with_recipients(recipients.iter().map(|recipient| &**recipient))?;
    let armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
    let mut writer = encryptor.wrap_output(armored)?;
    writer.write_all(secret)?;
    Ok(writer.finish()?.finish()?)
}

fn unseal(sealed: &[u8], identities: &Identities) -> Result<Vec<u8>, DecryptError> {
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(sealed))?;
    let mut reader = decryptor.decrypt(identities.iter())?;
    let mut secret = Vec::new();
    reader.read_to_end(&mut secret)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret as _;
    use age::x25519;
    use tempfile::TempDir;

    use super::*;

    struct Person {
        operator: Operator,
        identities: Identities,
    }

    /// Somebody with an identity of their own, kept in the folder.
    fn person(folder: &TempDir, name: &str) -> Person {
        let identity = x25519::Identity::generate();
        let file = folder.path().join(name);
        fs::write(&file, identity.to_string().expose_secret()).unwrap();
        let ssh =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
        Person {
            operator: Operator {
                name: name.parse().unwrap(),
                ssh: ssh.parse().unwrap(),
                age: Some(identity.to_public().to_string().parse().unwrap()),
            },
            identities: Identities::read(&file).unwrap(),
        }
    }

    fn label(text: &str) -> Label {
        text.parse().unwrap()
    }

    #[test]
    fn operators_read_what_was_kept_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let (ann, eve) = (person(&folder, "ann"), person(&folder, "eve"));
        let vault = Vault::beside(&folder.path().join("rack.toml"));
        let name = label("acme-dns");
        vault.set(&name, b"CF_Token=x\n", &[ann.operator]).unwrap();
        assert_eq!(vault.get(&name, &ann.identities).unwrap(), b"CF_Token=x\n");
        let refusal = vault.get(&name, &eve.identities).unwrap_err();
        assert!(
            matches!(refusal, UnsealError::NotForYou { .. }),
            "{refusal}"
        );
        let missing = vault.get(&label("other"), &ann.identities).unwrap_err();
        assert!(matches!(missing, UnsealError::NotFound { .. }), "{missing}");
        assert_eq!(vault.names().unwrap(), [name]);
    }

    #[test]
    fn nothing_in_the_folder_holds_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let ann = person(&folder, "ann");
        let vault = Vault::beside(&folder.path().join("rack.toml"));
        vault
            .set(&label("a"), b"plain-as-day", &[ann.operator])
            .unwrap();
        let files: Vec<_> = fs::read_dir(folder.path().join("secrets"))
            .unwrap()
            .collect();
        assert_eq!(files.len(), 1);
        let sealed = fs::read_to_string(vault.path(&label("a"))).unwrap();
        assert!(
            sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"),
            "{sealed}"
        );
        assert!(!sealed.contains("plain-as-day"), "{sealed}");
    }

    #[test]
    fn after_a_rotation_new_operators_read_and_old_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let (ann, bob) = (person(&folder, "ann"), person(&folder, "bob"));
        let vault = Vault::beside(&folder.path().join("rack.toml"));
        for name in ["a", "b"] {
            vault
                .set(
                    &label(name),
                    name.as_bytes(),
                    std::slice::from_ref(&ann.operator),
                )
                .unwrap();
        }
        let rotated = vault.rotate(&ann.identities, &[bob.operator]).unwrap();
        assert_eq!(rotated, [label("a"), label("b")]);
        assert_eq!(vault.get(&label("b"), &bob.identities).unwrap(), b"b");
        assert!(vault.get(&label("b"), &ann.identities).is_err());
    }

    #[test]
    fn a_rotation_that_cannot_read_everything_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (ann, bob) = (person(&folder, "ann"), person(&folder, "bob"));
        let vault = Vault::beside(&folder.path().join("rack.toml"));
        vault
            .set(&label("a"), b"a", std::slice::from_ref(&ann.operator))
            .unwrap();
        vault
            .set(&label("b"), b"b", std::slice::from_ref(&bob.operator))
            .unwrap();
        let refusal = vault
            .rotate(&ann.identities, &[ann.operator, bob.operator])
            .unwrap_err();
        assert!(
            refusal
                .to_string()
                .starts_with("nothing was changed: b is not for"),
            "{refusal}"
        );
        assert!(vault.get(&label("a"), &bob.identities).is_err());
    }

    #[test]
    fn a_damaged_file_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let ann = person(&folder, "ann");
        let vault = Vault::beside(&folder.path().join("rack.toml"));
        vault.set(&label("a"), &[7; 100], &[ann.operator]).unwrap();
        let sealed = fs::read_to_string(vault.path(&label("a"))).unwrap();
        fs::write(
            vault.path(&label("a")),
            sealed.replace("\n-----END", "AAAA\n-----END"),
        )
        .unwrap();
        assert!(vault.get(&label("a"), &ann.identities).is_err());
    }

    #[test]
    fn a_file_without_identity_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        fs::write(&file, "nothing").unwrap();
        let refusal = Identities::read(&file).err().unwrap().to_string();
        assert!(refusal.contains("holds no identity"), "{refusal}");
    }
}
