//! `ssh-keys`.

use muster_model::view::ViewRequest;

use super::session::Session;
use crate::commands::ssh_keys::SshKeys;
use crate::failure::Failure;

pub(super) async fn list(session: &mut Session<'_>, act: SshKeys) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let what = ViewRequest { ssh_keys: true, ..ViewRequest::default() };
    let view = focus.view(&what).await?;
    if view.ssh_keys.is_empty() {
        session.desk.say("No keys to display.");
        return Ok(());
    }
    let mut text = format!("Keys used in model: {}\n", focus.name);
    for key in &view.ssh_keys {
        let line = match (act.full, key.comment()) {
            (true, _) => key.to_string(),
            (false, "") => key.fingerprint(),
            (false, comment) => format!("{} ({comment})", key.fingerprint()),
        };
        text.push_str(&format!("{line}\n"));
    }
    session.desk.data(&text)
}
