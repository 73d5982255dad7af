//! What hooks do: by default they succeed, and now and then say something.

use std::collections::BTreeMap;

use muster_model::Effects;
use muster_model::name::{ModelId, UnitName};

/// What a hook does the next times it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// It fails so often before it succeeds.
    pub fails: u32,
    /// It writes this, each time.
    pub effects: Effects,
}

/// What hooks do, by unit and by the hook's name. What has no script succeeds.
#[derive(Clone, Debug, Default)]
pub struct Scripts {
    /// Whether hooks without a script say something by chance.
    pub talkative: bool,
    scripts: BTreeMap<(ModelId, UnitName, String), Script>,
}

impl Scripts {
    /// The script of a hook, made if there is none.
    pub fn of(&mut self, model: ModelId, unit: &UnitName, hook: &str) -> &mut Script {
        self.scripts.entry((model, unit.clone(), hook.to_owned())).or_default()
    }

    /// Whether this run fails, as its script has it.
    pub(crate) fn fails(&mut self, model: ModelId, unit: &UnitName, hook: &str) -> bool {
        let Some(script) = self.scripts.get_mut(&(model, unit.clone(), hook.to_owned())) else {
            return false;
        };
        let fails = script.fails > 0;
        script.fails = script.fails.saturating_sub(1);
        fails
    }

    /// What it writes, as its script has it.
    pub(crate) fn effects(&self, model: ModelId, unit: &UnitName, hook: &str) -> Effects {
        let key = (model, unit.clone(), hook.to_owned());
        self.scripts.get(&key).map(|script| script.effects.clone()).unwrap_or_default()
    }

    /// Nothing fails any more.
    pub fn heal(&mut self) {
        for script in self.scripts.values_mut() {
            script.fails = 0;
        }
    }
}
