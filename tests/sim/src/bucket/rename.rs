//! Renames by a client, and their repetition when the answer was lost.

use rand::RngExt;
use s3d_bucket::{ChangeError, Condition, CopySource, Key, RequestToken};

use super::client::{Client, End, KEYS, etag};
use super::model::Rename;

impl Client {
    /// Renames another of its keys to `key`, half of the time under a token.
    pub async fn rename(&mut self, key: &str) -> Result<(), End> {
        let from = format!("{}/{}", self.name, self.rng.random_range(0..KEYS));
        let (value, replaced) = {
            let model = self.model.borrow();
            (model.get(&from), model.get(key))
        };
        let Some(value) = value.filter(|_| from != key) else {
            return Ok(());
        };
        let token = RequestToken {
            token: self.rng.random(),
            parameters: self.rng.random(),
        };
        let rename = Rename {
            from,
            to: key.to_owned(),
            value,
            replaced,
            token: self.rng.random_bool(0.5).then_some(token),
        };
        self.make(&rename).await?;
        if rename.token.is_some() && self.rng.random_bool(0.3) {
            return self.repeat(&rename).await;
        }
        Ok(())
    }

    /// Repeats a rename that was in flight when the bucket closed or the power was cut: whether it
    /// was made or not, it is then.
    pub async fn repeat_rename(&mut self) -> Result<(), End> {
        let left = self.model.borrow_mut().end_rename(self.name);
        match left.filter(|rename| rename.token.is_some()) {
            Some(rename) => self.make(&rename).await,
            None => Ok(()),
        }
    }

    async fn make(&mut self, rename: &Rename) -> Result<(), End> {
        self.model
            .borrow_mut()
            .begin_rename(self.name, rename.clone());
        let done = self.ask(rename, rename.token).await;
        self.settle(&rename.from, None, done.clone())?;
        self.settle(&rename.to, Some(rename.value), done)?;
        self.model.borrow_mut().end_rename(self.name);
        Ok(())
    }

    /// What was made, or refused for want of space, is asked for again under its token; then
    /// something else is.
    async fn repeat(&mut self, rename: &Rename) -> Result<(), End> {
        if self.model.borrow().get(&rename.from).is_some() {
            return Ok(());
        }
        match self.ask(rename, rename.token).await {
            Ok(()) | Err(ChangeError::NoSpace) => {}
            Err(ChangeError::Closed(_)) => return Err(End::Closed),
            Err(error) => return Err(End::Wrong(format!("repeated {rename:?}: {error}"))),
        }
        let other = rename.token.map(|token| RequestToken {
            parameters: [0; 16],
            ..token
        });
        match self.ask(rename, other).await {
            Err(ChangeError::TokenReused | ChangeError::NoSpace) => Ok(()),
            Err(ChangeError::Closed(_)) => Err(End::Closed),
            other => Err(End::Wrong(format!("{other:?} for a token that was used"))),
        }
    }

    async fn ask(&self, rename: &Rename, token: Option<RequestToken>) -> Result<(), ChangeError> {
        let key = |name: &str| Key::new(name).expect("a short key");
        let source = CopySource {
            key: key(&rename.from),
            condition: Condition::etag(etag(rename.value)),
        };
        let to = key(&rename.to);
        let renamed = self.bucket.rename(source, to, Condition::default(), token);
        renamed.await
    }
}
