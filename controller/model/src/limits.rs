//! How much is kept of one thing: each number once, for the rule that refuses and for the hook tool that
//! says so before the hook ends.

use thiserror::Error;

use crate::effects::Settings;

/// Bytes of one record (reliability document, section 5).
const RECORD: usize = 1 << 20;
/// Bytes that a record has around its settings: names, versions, quotes.
const FRAME: usize = 16 << 10;

/// Bytes of all keys and values of one databag, of a leader's settings, of a unit's state. One value
/// may be as long as that: certificates and whole documents are passed this way, and the contract has no
/// limit of its own (hook contract, section 5.5).
pub const SETTINGS: usize = RECORD - FRAME;
/// Bytes of one key of a unit's state (hook contract, section 5.9).
pub const STATE_KEY: usize = 256;
/// Bytes of one value of a unit's state (hook contract, section 5.9).
pub const STATE_VALUE: usize = 64 << 10;

/// Why settings are not kept. The key is shown, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TooLarge {
    /// All together.
    #[error("all keys and values would have {0} bytes; {SETTINGS} are allowed")]
    Whole(usize),
    /// A key of a state.
    #[error("a key of the state has {0} bytes; {STATE_KEY} are allowed")]
    StateKey(usize),
    /// A value of a state.
    #[error("the value of {key:?} in the state has {bytes} bytes; {STATE_VALUE} are allowed")]
    StateValue {
        /// Its key.
        key: String,
        /// Its length.
        bytes: usize,
    },
}

/// Refuses a databag, or a leader's settings, of more than [`SETTINGS`].
///
/// # Errors
/// How large it is.
pub fn bag(settings: &Settings) -> Result<(), TooLarge> {
    let bytes = settings.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > SETTINGS { Err(TooLarge::Whole(bytes)) } else { Ok(()) }
}

/// Refuses a unit's state that is too large, as a whole or in a part.
///
/// # Errors
/// What of it is too large.
pub fn state(state: &Settings) -> Result<(), TooLarge> {
    for (key, value) in state {
        if key.len() > STATE_KEY {
            return Err(TooLarge::StateKey(key.len()));
        }
        if value.len() > STATE_VALUE {
            return Err(TooLarge::StateValue { key: key.clone(), bytes: value.len() });
        }
    }
    bag(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(usize, usize)]) -> Settings {
        let pair = |(number, (key, value)): (usize, &(usize, usize))| {
            (format!("{number:0>key$}"), "v".repeat(*value))
        };
        pairs.iter().enumerate().map(pair).collect()
    }

    /// Hook contract T32.
    #[test]
    fn one_value_may_fill_the_bag_and_one_byte_more_is_refused() {
        assert_eq!(bag(&of(&[(1, SETTINGS - 1)])), Ok(()));
        assert_eq!(bag(&of(&[(1, SETTINGS)])), Err(TooLarge::Whole(SETTINGS + 1)));
        assert_eq!(bag(&of(&[(1, SETTINGS - 2), (1, 0)])), Ok(()));
        assert_eq!(bag(&of(&[(1, SETTINGS - 2), (1, 1)])), Err(TooLarge::Whole(SETTINGS + 1)));
    }

    /// Hook contract T58.
    #[test]
    fn a_state_has_a_limit_for_a_key_for_a_value_and_for_the_whole() {
        assert_eq!(state(&of(&[(STATE_KEY, STATE_VALUE)])), Ok(()));
        assert_eq!(state(&of(&[(STATE_KEY + 1, 0)])), Err(TooLarge::StateKey(STATE_KEY + 1)));
        let bytes = STATE_VALUE + 1;
        assert_eq!(state(&of(&[(1, bytes)])), Err(TooLarge::StateValue { key: "0".into(), bytes }));
        let fifteen = vec![(16, STATE_VALUE); 15];
        let rest = SETTINGS - 15 * (16 + STATE_VALUE);
        let with = |last: usize| of(&[fifteen.as_slice(), &[(16, last)]].concat());
        assert_eq!(state(&with(rest - 16)), Ok(()));
        assert_eq!(state(&with(rest - 15)), Err(TooLarge::Whole(SETTINGS + 1)));
    }
}
