//! What records are found by, where a name of the model does not say it.

use std::fmt;
use std::str::FromStr;

use muster_resources::Digest;
use serde::{Deserialize, Serialize};

use crate::name::BadName;

/// The key of a record of which an estate or a model has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Only;

impl FromStr for Only {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text == "-" { Ok(Only) } else { Err(BadName::new("key", text, "it must be `-`")) }
    }
}

impl fmt::Display for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("-")
    }
}

/// Two names as one key, printed with a `:` between them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair<A, B>(pub A, pub B);

impl<A, B> FromStr for Pair<A, B>
where
    A: FromStr<Err = BadName>,
    B: FromStr<Err = BadName>,
{
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (first, second) =
            text.split_once(':').ok_or_else(|| BadName::new("key", text, "it has no `:`"))?;
        Ok(Pair(first.parse()?, second.parse()?))
    }
}

impl<A: fmt::Display, B: fmt::Display> fmt::Display for Pair<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

/// The hash of a token: what is kept in its place, and the key under which it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenHash(pub Digest);

impl FromStr for TokenHash {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        text.parse()
            .map(TokenHash)
            .map_err(|_| BadName::new("token hash", text, "it is not 64 hexadecimal digits"))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A client's own id for a request; a retry with the same id gets the first answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(String);

impl FromStr for RequestId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(fine) {
            return Err(BadName::new(
                "request id",
                text,
                "it must be 1 to 64 letters, digits, `-`",
            ));
        }
        Ok(RequestId(text.to_owned()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RequestId {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> String {
        id.0
    }
}
