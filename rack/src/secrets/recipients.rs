//! Who can read a secret: the operators, each by their recipient of age, or else by their SSH key.

use age::{ssh, x25519};
use rack_model::Operator;
use rack_model::names::Label;

/// Somebody who cannot be a recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "nothing can be encrypted for {0}'s SSH key: age takes ssh-ed25519 and ssh-rsa; give {0} an age = \"age1…\" in \
     rack.toml"
)]
pub struct NoRecipient(pub Label);

/// A recipient for each operator.
pub fn of(operators: &[Operator]) -> Result<Vec<Box<dyn age::Recipient>>, NoRecipient> {
    operators.iter().map(recipient).collect()
}

fn recipient(operator: &Operator) -> Result<Box<dyn age::Recipient>, NoRecipient> {
    let none = || NoRecipient(operator.name.clone());
    if let Some(age) = &operator.age {
        let recipient: x25519::Recipient = age.as_str().parse().map_err(|_| none())?;
        return Ok(Box::new(recipient));
    }
    let recipient: ssh::Recipient = operator.ssh.as_str().parse().map_err(|_| none())?;
    Ok(Box::new(recipient))
}
