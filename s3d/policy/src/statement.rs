//! One statement of a policy.

use crate::action::Actions;
use crate::condition::Condition;
use crate::document;
use crate::error::PolicyError;
use crate::one_or_many::OneOrMany;
use crate::principal::{Principals, Requester};
use crate::question::Question;
use crate::resource::Resources;

/// Allows or denies some principals some actions on some resources, under conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub effect: Effect,
    principals: Maybe<Principals>,
    actions: Maybe<Actions>,
    resources: Maybe<Resources>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// What an element names, or everything but that.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Maybe<T> {
    Named(T),
    AllBut(T),
}

impl<T> Maybe<T> {
    /// Of an element and its negation, just one must be there.
    fn read<W>(
        element: &'static str,
        named: Option<W>,
        all_but: Option<W>,
        read: impl Fn(W) -> Result<T, PolicyError>,
    ) -> Result<Self, PolicyError> {
        match (named, all_but) {
            (Some(named), None) => read(named).map(Self::Named),
            (None, Some(all_but)) => read(all_but).map(Self::AllBut),
            _ => Err(PolicyError::Either(element)),
        }
    }

    fn includes(&self, is_named: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Named(named) => is_named(named),
            Self::AllBut(named) => !is_named(named),
        }
    }
}

impl Statement {
    pub fn read(written: document::Statement) -> Result<Self, PolicyError> {
        let effect = match written.effect.as_str() {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            _ => return Err(PolicyError::Effect(written.effect)),
        };
        if effect == Effect::Allow && written.not_principal.is_some() {
            return Err(PolicyError::AllowedByExclusion);
        }
        let statement = Self {
            effect,
            principals: Maybe::read(
                "Principal",
                written.principal,
                written.not_principal,
                principals,
            )?,
            actions: Maybe::read(
                "Action",
                written.action,
                written.not_action,
                listed("Action", Actions::read),
            )?,
            resources: Maybe::read(
                "Resource",
                written.resource,
                written.not_resource,
                listed("Resource", Resources::read),
            )?,
            conditions: Condition::read(written.condition)?,
        };
        if statement.conditions.iter().any(Condition::is_on_tags) && !statement.finds_objects() {
            return Err(PolicyError::NoTags);
        }
        Ok(statement)
    }

    /// Whether the resources are this bucket, or in it.
    pub fn check_bucket(&self, bucket: &str) -> Result<(), PolicyError> {
        match &self.resources {
            Maybe::Named(resources) | Maybe::AllBut(resources) => resources.check_bucket(bucket),
        }
    }

    /// Whether it looks at the tags of the object that is there.
    pub fn looks_at_tags(&self) -> bool {
        self.conditions.iter().any(Condition::is_on_tags)
    }

    /// Whether it is about a request.
    pub fn applies(&self, question: &Question<'_>, path: &str) -> bool {
        let resource = |resources: &Resources| resources.include(path);
        self.is_about(question.who, question.action)
            && self.resources.includes(resource)
            && self.conditions.iter().all(|it| it.holds(question.facts))
    }

    /// Whether it may be about somebody's action on something whose path begins so, whatever else is
    /// known of the request.
    pub fn may_apply_below(&self, who: Requester<'_>, action: &str, beginning: &str) -> bool {
        let resource = match &self.resources {
            Maybe::Named(resources) => resources.include_below(beginning),
            Maybe::AllBut(_) => true,
        };
        resource && self.is_about(who, action)
    }

    fn is_about(&self, who: Requester<'_>, action: &str) -> bool {
        let concerned = match (&self.principals, self.effect) {
            (Maybe::Named(named), Effect::Allow) => named.allow(who),
            (Maybe::Named(named), Effect::Deny) => named.concern(who),
            // Only a key that acts for an excepted namespace is excepted.
            (Maybe::AllBut(excepted), _) => !excepted.allow(who),
        };
        concerned && self.actions.includes(|actions| actions.include(action))
    }

    /// Whether it allows something to everyone, wherever they come from. The rule is that of "The
    /// meaning of public" in the Amazon S3 User Guide.
    pub fn is_public(&self) -> bool {
        let Maybe::Named(principals) = &self.principals else {
            return false;
        };
        self.effect == Effect::Allow
            && principals.include_everyone()
            && !self.conditions.iter().any(Condition::restricts_to_a_few)
    }

    fn finds_objects(&self) -> bool {
        match &self.actions {
            Maybe::Named(actions) => actions.look_at_tags(),
            Maybe::AllBut(_) => true,
        }
    }
}

fn principals(written: document::Principal) -> Result<Principals, PolicyError> {
    match written {
        document::Principal::Text(text) if text == "*" => Ok(Principals::everyone()),
        document::Principal::Text(text) => Err(PolicyError::Principal(text)),
        document::Principal::Types(types) => {
            let types = types.0.into_iter().map(|(kind, names)| (kind, names.0));
            Principals::read(&types.collect::<Vec<_>>())
        }
    }
}

fn listed<T>(
    element: &'static str,
    read: impl Fn(&[String]) -> Result<T, PolicyError>,
) -> impl Fn(OneOrMany<String>) -> Result<T, PolicyError> {
    move |written| match &written.0[..] {
        [] => Err(PolicyError::Either(element)),
        names => read(names),
    }
}
