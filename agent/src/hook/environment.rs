//! The environment of a run: exactly what the hook contract lists (sections 3.2 and 3.3), and
//! nothing of the agent's own.

use std::collections::BTreeMap;
use std::ffi::OsString;

use muster_charms::JUJU_VERSION;
use muster_model::Hook;
use muster_model::hook::{RelationHookKind, SecretHook, SecretHookKind};
use muster_model::name::StorageId;

use crate::facts;
use crate::hook::context::{About, Context};

/// The variables of a run, sorted by name.
pub(crate) fn variables(context: &Context) -> BTreeMap<&'static str, OsString> {
    let mut all = BTreeMap::new();
    let world = &context.world;
    let paths = &world.settings.paths;
    let unit = &context.unit;
    let mut set = |key, value: OsString| {
        all.insert(key, value);
    };
    let charm = paths.charm(unit).into_os_string();
    set("CHARM_DIR", charm.clone());
    set("JUJU_CHARM_DIR", charm);
    set("JUJU_CONTEXT_ID", context.id.clone().into());
    set("JUJU_HOOK_NAME", hook_name(&context.about).into());
    set("JUJU_AGENT_SOCKET_ADDRESS", paths.socket(unit).into_os_string());
    set("JUJU_AGENT_SOCKET_NETWORK", "unix".into());
    set("JUJU_UNIT_NAME", unit.to_string().into());
    set("JUJU_MODEL_UUID", context.goal.model.to_string().into());
    set("JUJU_MODEL_NAME", context.goal.model_name.to_string().into());
    set("JUJU_API_ADDRESSES", world.controller.addresses().into());
    set("JUJU_VERSION", JUJU_VERSION.to_string().into());
    set("JUJU_SLA", "unsupported".into());
    set("JUJU_MACHINE_ID", world.machine.to_string().into());
    let principal = context.wanted().and_then(|goal| goal.principal.as_ref());
    set("JUJU_PRINCIPAL_UNIT", principal.map(ToString::to_string).unwrap_or_default().into());
    set("JUJU_AVAILABILITY_ZONE", OsString::new());
    set("CLOUD_API_VERSION", OsString::new());
    let proxy = |key: &str| context.goal.settings.proxies.get(key).map(OsString::from);
    for (variable, key) in [
        ("JUJU_CHARM_HTTP_PROXY", "juju-http-proxy"),
        ("JUJU_CHARM_HTTPS_PROXY", "juju-https-proxy"),
        ("JUJU_CHARM_FTP_PROXY", "juju-ftp-proxy"),
        ("JUJU_CHARM_NO_PROXY", "juju-no-proxy"),
    ] {
        set(variable, proxy(key).unwrap_or_default());
    }
    // The older settings reach every child in both spellings, and only if they are set; `no-proxy`
    // alone, which has a default, would say nothing.
    let legacy = ["http-proxy", "https-proxy", "ftp-proxy"];
    if legacy.iter().any(|key| proxy(key).is_some()) {
        for (lower, upper, key) in [
            ("http_proxy", "HTTP_PROXY", "http-proxy"),
            ("https_proxy", "HTTPS_PROXY", "https-proxy"),
            ("ftp_proxy", "FTP_PROXY", "ftp-proxy"),
            ("no_proxy", "NO_PROXY", "no-proxy"),
        ] {
            if let Some(value) = proxy(key) {
                set(lower, value.clone());
                set(upper, value);
            }
        }
    }
    let mut path = paths.tools(unit).into_os_string();
    path.push(":");
    path.push(&world.settings.path);
    set("PATH", path);
    set("LANG", "C.UTF-8".into());
    set("TERM", facts::terminal(facts::own_base()).into());
    set("APT_LISTCHANGES_FRONTEND", "none".into());
    set("DEBIAN_FRONTEND", "noninteractive".into());
    about(context, &mut set);
    all
}

fn hook_name(about: &About) -> String {
    match about {
        About::Hook(hook) => hook.to_string(),
        About::Action { .. } | About::Command { .. } => String::new(),
    }
}

/// The part that depends on what runs (section 3.3).
fn about(context: &Context, set: &mut impl FnMut(&'static str, OsString)) {
    match &context.about {
        About::Hook(hook) => {
            set("JUJU_DISPATCH_PATH", format!("hooks/{hook}").into());
            if let Hook::Storage(hook) = hook {
                storage(context, &hook.storage, set);
            }
            if let Hook::Secret(hook) = hook {
                secret(hook, set);
            }
        }
        About::Action { task, name, .. } => {
            set("JUJU_DISPATCH_PATH", format!("actions/{name}").into());
            set("JUJU_ACTION_NAME", name.to_string().into());
            set("JUJU_ACTION_UUID", task.to_string().into());
            set("JUJU_ACTION_TAG", format!("action-{task}").into());
        }
        About::Command { .. } => {}
    }
    if let Some(hook) = context.about.relation() {
        set("JUJU_RELATION", hook.endpoint.to_string().into());
        set("JUJU_RELATION_ID", format!("{}:{}", hook.endpoint, hook.relation).into());
        set("JUJU_REMOTE_APP", hook.remote_application.to_string().into());
        let remote = hook.remote_unit.as_ref().map(ToString::to_string).unwrap_or_default();
        set("JUJU_REMOTE_UNIT", remote.into());
        if hook.kind == RelationHookKind::Departed
            && matches!(context.about, About::Hook(_))
            && let Some(unit) = &hook.departing_unit
        {
            set("JUJU_DEPARTING_UNIT", unit.to_string().into());
        }
    }
}

fn secret(hook: &SecretHook, set: &mut impl FnMut(&'static str, OsString)) {
    set("JUJU_SECRET_ID", format!("secret:{}", hook.secret).into());
    set("JUJU_SECRET_LABEL", hook.label.clone().into());
    if matches!(hook.kind, SecretHookKind::Expired | SecretHookKind::Remove)
        && let Some(revision) = hook.revision
    {
        set("JUJU_SECRET_REVISION", revision.to_string().into());
    }
}

fn storage(context: &Context, id: &StorageId, set: &mut impl FnMut(&'static str, OsString)) {
    set("JUJU_STORAGE_ID", id.to_string().into());
    let location = context.storage.get(id).cloned().unwrap_or_default();
    set("JUJU_STORAGE_LOCATION", location.into_os_string());
    let kind = context.wanted().and_then(|goal| goal.storage.get(id));
    set("JUJU_STORAGE_KIND", kind.map(|goal| kind_word(goal.kind)).unwrap_or_default().into());
}

/// `filesystem` or `block`.
pub(crate) fn kind_word(kind: muster_charms::StorageKind) -> &'static str {
    match kind {
        muster_charms::StorageKind::Filesystem => "filesystem",
        muster_charms::StorageKind::Block => "block",
    }
}
