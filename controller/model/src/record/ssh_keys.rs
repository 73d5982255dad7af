//! The keys that let their bearers in on the machines of a model.

use serde::{Deserialize, Serialize};

use crate::ssh_key::SshKey;

/// The keys of a model, in the order in which they were added. Its machines look again when they change;
/// its units do not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SshKeys {
    /// The keys, each once.
    pub keys: Vec<SshKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_the_lines_themselves() {
        let line =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPAxaOCGQkPsDZPXTZVRpIoQYKb/SOxzqWFQUTWLRr7S ann";
        let keys = SshKeys { keys: vec![line.parse().unwrap()] };
        let text = serde_json::to_string(&keys).unwrap();
        assert_eq!(text, format!("{{\"keys\":[\"{line}\"]}}"));
        assert_eq!(serde_json::from_str::<SshKeys>(&text).unwrap(), keys);
    }
}
