//! Secrets at the desk: what the command does with them, where there is no vault.

use std::fmt::Write as _;

use muster::commands::secrets::{Content, Secret as Asked};
use muster_charms::secret::{Given, SecretId};
use muster_model::command::{ModelCommand, SecretCommand};
use muster_model::record::{Sealed, Secret, SecretOwner};
use muster_model::report::{SecretHow, SecretWant};
use muster_tests::world::named;

use super::Desk;

impl Desk {
    /// A unit reads a secret, as its charm would by `secret-get`.
    pub(super) fn read(&mut self, unit: &str, name: &str, how: SecretHow) -> String {
        let Some(id) = self.named(name) else {
            return format!("ERROR secret \"{name}\" not found");
        };
        let want = SecretWant { id: Some(id), label: None, how };
        let found = self.world.read_secret(self.current, &named(unit), want);
        match found.expect("an invariant broke") {
            Ok(found) => format!("{unit} reads revision {}", found.revision),
            Err(refusal) => format!("ERROR {refusal}"),
        }
    }

    /// An operator's secret by its name.
    fn named(&self, name: &str) -> Option<SecretId> {
        let own = |secret: &Secret| secret.owner == SecretOwner::Model && secret.label == name;
        let mut all = self.model().table::<Secret>().values();
        all.find(|secret| secret.is_kept() && own(secret)).map(|secret| secret.id.clone())
    }

    /// What a line asks of secrets.
    pub(super) fn secret(&mut self, asked: Asked) -> String {
        let find = |desk: &Desk, name: &str| {
            desk.named(name).ok_or_else(|| format!("ERROR secret \"{name}\" not found"))
        };
        let command = match asked {
            Asked::List { .. } => return self.secrets(),
            Asked::Add { name, info, content } => {
                let id = self.world.secret_id();
                let content = self.sealed(&id, content);
                Ok(SecretCommand::Add { id, name, description: info, content })
            }
            Asked::Update { secret, name, info, auto_prune, content } => {
                find(self, &secret).map(|id| SecretCommand::Update {
                    content: content.map(|content| self.sealed(&id, content)),
                    id,
                    name,
                    description: info,
                    auto_prune,
                })
            }
            Asked::Remove { secret, revision } => {
                find(self, &secret).map(|id| SecretCommand::Remove { id, revision })
            }
            Asked::Grant { secret, applications, granted } => {
                find(self, &secret).map(|id| SecretCommand::Grant { id, applications, granted })
            }
            other => panic!("no story has needed {other:?} so far"),
        };
        match command {
            Ok(command) => self.give(self.current, vec![ModelCommand::Secret(command)]),
            Err(said) => said,
        }
    }

    fn sealed(&self, id: &SecretId, content: Content) -> Sealed {
        let Content::Words(words) = content else { panic!("a story has no files") };
        let mut text = String::new();
        for (key, given) in words {
            let Given::Value(value) = given else { panic!("a story has no files") };
            let value = value.expose_text().expect("a story holds text");
            writeln!(text, "{key}={value}").expect("text");
        }
        self.world.sealed(self.current, id, &text)
    }

    fn secrets(&self) -> String {
        let mut text = String::new();
        for secret in self.model().table::<Secret>().values().filter(|secret| secret.is_kept()) {
            let revisions: Vec<String> = secret.revisions.keys().map(u32::to_string).collect();
            let readers: Vec<String> = secret.grants.keys().map(ToString::to_string).collect();
            writeln!(
                text,
                "{} ({}): revisions {}, granted to [{}]",
                secret.label,
                secret.description,
                revisions.join(", "),
                readers.join(", ")
            )
            .expect("text");
        }
        if text.is_empty() { "no secrets".to_owned() } else { text }
    }
}
