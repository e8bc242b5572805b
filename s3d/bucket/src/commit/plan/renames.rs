//! Renaming objects: no byte moves, and no reference is counted.

use super::{BatchPlanner, Planned};
use crate::commit::change::Done;
use crate::commit::view::RowView;
use crate::condition::{Condition, Precondition, Unmet};
use crate::errors::ChangeError;
use crate::format::rows::{MAX_TOKENS, Row, Table, Tokens, object_key, tokens_key};
use crate::object::{Key, Object};
use crate::requests::{CopySource, RequestToken};

impl<V: RowView> BatchPlanner<'_, V> {
    pub(super) fn rename(
        &mut self,
        source: &CopySource,
        key: &Key,
        condition: &Condition,
        token: Option<&RequestToken>,
    ) -> Planned<Done> {
        if self.is_repeated(token)? {
            return Ok(Done::Nothing);
        }
        let object = self.source(source)?;
        let row = object_key(key);
        let old = self.object(&row)?;
        check_destination(condition, old.as_ref())?;
        if self.context.full && (old.is_none() || source.key == *key) {
            return Err(ChangeError::NoSpace.into());
        }
        if source.key != *key {
            self.count_object(old.as_ref(), None)?;
            let object = Object {
                sequence: self.sequence(),
                upload: None,
                ..object
            };
            self.replace(row, old, object)?;
            // What comes is a record of its own, because it is an event of its own of the change
            // feed; one group holds both. Whoever looks meanwhile may find the object under both
            // keys, and never under none.
            self.records.push(std::mem::take(&mut self.draft));
            self.set(Table::Objects, object_key(&source.key), None);
        }
        self.remember(token)?;
        Ok(Done::Nothing)
    }

    /// Whether this very request was made before.
    fn is_repeated(&self, token: Option<&RequestToken>) -> Planned<bool> {
        let Some(token) = token else {
            return Ok(false);
        };
        let row = self.get::<Tokens>(Table::Tokens, &tokens_key(&token.token))?;
        match row.unwrap_or_default().parameters(&token.token) {
            None => Ok(false),
            Some(parameters) if parameters == token.parameters => Ok(true),
            Some(_) => Err(ChangeError::TokenReused.into()),
        }
    }

    fn remember(&mut self, token: Option<&RequestToken>) -> Planned<()> {
        let Some(token) = token else {
            return Ok(());
        };
        let row = tokens_key(&token.token);
        let mut tokens = self.get::<Tokens>(Table::Tokens, &row)?.unwrap_or_default();
        tokens.0.insert(0, *token);
        tokens.0.truncate(MAX_TOKENS);
        self.set(Table::Tokens, row, Some(tokens.encode()));
        Ok(())
    }
}

/// A key that has no object is no reason for a 404, which would mean the source.
fn check_destination(condition: &Condition, old: Option<&Object>) -> Result<(), ChangeError> {
    condition.check(old).map_err(|unmet| {
        ChangeError::ConditionFailed(match unmet {
            Unmet::NoObject => Precondition::IfMatch,
            Unmet::Precondition(precondition) => precondition,
        })
    })
}
