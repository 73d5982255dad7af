//! Words that operators of Juju know and that Muster does not do (yet): each is refused by name,
//! with what to do instead where there is something (CLI contract §3.11 and the P3 rows of §3).

/// Each word with what to do instead; empty where there is nothing.
const WORDS: &[(&str, &str)] = &[
    ("add-branch", ""),
    ("add-cloud", "The one cloud is \"localhost\"."),
    ("add-credential", "The cloud \"localhost\" needs none."),
    ("add-k8s", ""),
    ("add-secret", ""),
    ("add-space", "There is one space, \"alpha\"."),
    ("add-user", ""),
    ("agree", ""),
    ("agreements", ""),
    ("attach-plan", ""),
    ("autoload-credentials", "The cloud \"localhost\" needs none."),
    ("bind", "There is one space, \"alpha\"."),
    ("branch", ""),
    ("branches", ""),
    ("cached-images", ""),
    ("charm-resources", "\"muster resources <application>\" lists those of what is deployed."),
    ("clouds", "The one cloud is \"localhost\"."),
    ("collect-metrics", ""),
    ("commit", ""),
    ("consume", ""),
    ("controller-config", ""),
    ("create-backup", ""),
    ("credentials", "The cloud \"localhost\" needs none."),
    ("dashboard", ""),
    ("debug-code", ""),
    ("debug-hooks", ""),
    ("diff-bundle", "\"muster deploy <bundle> --dry-run\" lists what differs."),
    ("disable-command", ""),
    ("disable-user", ""),
    ("download", ""),
    ("dump-db", ""),
    ("dump-model", "\"muster status --format yaml\" shows all there is."),
    ("enable-command", ""),
    ("enable-ha", ""),
    ("export-bundle", ""),
    ("find", "There is no charm store; deploy from a path."),
    ("find-offers", ""),
    ("firewall-rules", ""),
    ("grant-cloud", ""),
    ("grant-secret", ""),
    ("import-ssh-key", "Keys are fetched from nowhere: muster add-ssh-key \"$(cat key.pub)\""),
    ("info", "There is no charm store; deploy from a path."),
    ("login", ""),
    ("logout", ""),
    ("metrics", ""),
    ("migrate", ""),
    (
        "model-defaults",
        "Give options to each model: \"muster add-model <name> --config key=value\".",
    ),
    ("offer", ""),
    ("offers", ""),
    ("payloads", ""),
    ("regions", "The one cloud is \"localhost\"."),
    ("register", ""),
    ("remove-offer", ""),
    ("remove-saas", ""),
    ("remove-secret", ""),
    ("remove-storage-pool", ""),
    ("remove-user", ""),
    ("resume-relation", ""),
    ("retry-provisioning", "Machines that could not be made are tried again by themselves."),
    ("secrets", ""),
    ("set-application-base", ""),
    ("set-meter-status", ""),
    ("show-cloud", "The one cloud is \"localhost\"."),
    ("show-offer", ""),
    ("show-secret", ""),
    ("show-status-log", "\"muster debug-log -i <unit>\" shows what a unit did."),
    ("show-user", ""),
    ("spaces", "There is one space, \"alpha\"."),
    ("subnets", "There is one space, \"alpha\"."),
    ("suspend-relation", ""),
    ("sync-agent-binary", "Agents have the controller's version."),
    ("update-cloud", "The one cloud is \"localhost\"."),
    ("update-credential", "The cloud \"localhost\" needs none."),
    ("update-k8s", ""),
    ("update-secret", ""),
    ("update-storage-pool", ""),
    ("upgrade-controller", ""),
    ("upgrade-machine", ""),
    ("upgrade-model", "Agents have the controller's version."),
    ("users", ""),
];

/// What to do instead of a word that is known and not offered.
#[must_use]
pub fn find(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_word_is_refused_that_is_a_command() {
        for (word, _) in super::WORDS {
            assert!(crate::commands::find(word).is_none(), "{word} is a command");
        }
    }
}
