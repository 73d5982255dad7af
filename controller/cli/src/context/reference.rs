//! What a person writes for a model: `[<controller>:][<user>/]<model>`, or a UUID (CLI contract
//! §1.2).

use std::fmt;

use thiserror::Error;

/// A reference to a controller, a model, or a model on a controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// Before the colon.
    pub controller: Option<String>,
    /// Before the slash.
    pub user: Option<String>,
    /// The model's name or UUID.
    pub model: Option<String>,
}

/// Why a text refers to no model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadReference {
    /// Nothing at all.
    #[error("empty model name")]
    Empty,
    /// A part with characters that no name has.
    #[error("{part} name {name:?} not valid")]
    Name {
        /// Which part.
        part: &'static str,
        /// What stands there.
        name: String,
    },
}

impl Reference {
    /// Reads a model reference. `ctl:` alone refers to the controller's current model.
    ///
    /// # Errors
    /// When a part cannot be a name.
    pub fn parse(text: &str) -> Result<Reference, BadReference> {
        if text.is_empty() {
            return Err(BadReference::Empty);
        }
        let (controller, rest) = match text.split_once(':') {
            Some((controller, rest)) => (Some(controller).filter(|name| !name.is_empty()), rest),
            None => (None, text),
        };
        let (user, model) = match rest.split_once('/') {
            Some((user, model)) => (Some(user), Some(model)),
            None => (None, Some(rest).filter(|name| !name.is_empty())),
        };
        if let Some(name) = controller {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            check("controller", name, fits)?;
        }
        if let Some(name) = user {
            check("user", name, |c| c.is_ascii_alphanumeric() || "-_.+@".contains(c))?;
        }
        if let Some(name) = model {
            check("model", name, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')?;
        }
        Ok(Reference {
            controller: controller.map(str::to_owned),
            user: user.map(str::to_owned),
            model: model.map(str::to_owned),
        })
    }

    /// Whether the model is named by its UUID.
    #[must_use]
    pub fn is_uuid(&self) -> bool {
        self.user.is_none()
            && self.model.as_deref().is_some_and(|m| uuid::Uuid::try_parse(m).is_ok())
    }

    /// `user/model`, with `me` where no user is named.
    #[must_use]
    pub fn qualified(&self, me: &str) -> Option<String> {
        let model = self.model.as_deref()?;
        Some(format!("{}/{model}", self.user.as_deref().unwrap_or(me)))
    }
}

fn check(part: &'static str, name: &str, fits: impl Fn(char) -> bool) -> Result<(), BadReference> {
    let good = name.chars().all(fits) && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if good { Ok(()) } else { Err(BadReference::Name { part, name: name.to_owned() }) }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(controller) = &self.controller {
            write!(f, "{controller}:")?;
        }
        if let Some(user) = &self.user {
            write!(f, "{user}/")?;
        }
        f.write_str(self.model.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, String) {
        let reference = Reference::parse(text).unwrap();
        assert_eq!(reference.to_string(), text.strip_prefix(':').unwrap_or(text));
        let text = |part: Option<String>| part.unwrap_or_default();
        (text(reference.controller), text(reference.user), text(reference.model))
    }

    #[test]
    fn every_form_is_read() {
        let own = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(parts("m"), own("", "", "m"));
        assert_eq!(parts("ctl:m"), own("ctl", "", "m"));
        assert_eq!(parts("ann/m"), own("", "ann", "m"));
        assert_eq!(parts("ctl:ann@ext/m-1"), own("ctl", "ann@ext", "m-1"));
        assert_eq!(parts("ctl:"), own("ctl", "", ""));
        assert_eq!(parts(":m"), own("", "", "m"));
        assert!(Reference::parse("7e1f7a3c-5b0e-4c0a-8b8e-0a1b2c3d4e5f").unwrap().is_uuid());
        assert!(!Reference::parse("m").unwrap().is_uuid());
    }

    #[test]
    fn what_cannot_be_a_name_is_named() {
        for (text, said) in [
            ("", "empty model name"),
            ("Big", "model name \"Big\" not valid"),
            ("a/b/c", "model name \"b/c\" not valid"),
            ("a/", "model name \"\" not valid"),
            ("c c:m", "controller name \"c c\" not valid"),
            ("/m", "user name \"\" not valid"),
            ("-m", "model name \"-m\" not valid"),
        ] {
            assert_eq!(Reference::parse(text).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn the_logged_in_user_is_the_default() {
        assert_eq!(Reference::parse("m").unwrap().qualified("ann"), Some("ann/m".to_owned()));
        assert_eq!(Reference::parse("bob/m").unwrap().qualified("ann"), Some("bob/m".to_owned()));
        assert_eq!(Reference::parse("c:").unwrap().qualified("ann"), None);
    }
}
