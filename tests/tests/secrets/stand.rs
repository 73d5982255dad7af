//! A model with a wiki of two units, a database of two and a hub of one; wiki and database are related.

use muster_model::Refusal;
use muster_model::command::{Deploy, EndpointRef, ModelCommand, RelationRef, SecretCommand};
use muster_model::effects::{Effects, SecretChange};
use muster_model::name::{ModelId, RelationId, UnitName};
use muster_model::record::{ModelRecord, Placement, Relation, RotatePolicy, Sealed, Secret};
use muster_model::reply::Outcome;
use muster_model::report::{SecretHow, SecretWant};
use muster_model::secret::SecretId;
use muster_model::table::Table;
use muster_tests::fixture::add_charm;
use muster_tests::world::{World, named, uuid};
use std::time::Duration;

/// What a hook does to one secret.
pub(crate) type Change = (Option<SecretId>, SecretChange);

pub(crate) struct Stand {
    pub(crate) world: World,
    pub(crate) model: ModelId,
    /// Of the wiki and the database.
    pub(crate) relation: RelationId,
    count: u32,
}

/// Long enough for any chain of hooks, and shorter than what a test waits for.
const SPAN: Duration = Duration::from_secs(40);

impl Stand {
    pub(crate) fn new() -> Stand {
        let mut world = World::new(7).unwrap();
        let model = world.add_model(1, "one").unwrap().unwrap();
        assert_eq!(model, uuid(1));
        for (name, units) in [("wiki", 2), ("db", 2), ("hub", 1)] {
            let charm = ModelCommand::AddCharm(add_charm(name, 1));
            let Ok(Outcome::Charm(charm)) = world.command(model, charm).unwrap() else {
                panic!("{name} is made known")
            };
            let asked = Deploy {
                application: named(name),
                charm,
                channel: None,
                placements: vec![Placement::Anywhere; units],
                config: Default::default(),
                trust: false,
                constraints: Default::default(),
                base: None,
                storage: Default::default(),
                attach_storage: Vec::new(),
                resources: Default::default(),
                bindings: Default::default(),
                force: false,
            };
            world.command(model, ModelCommand::Deploy(asked)).unwrap().unwrap();
        }
        let end = |name: &str| EndpointRef { application: named(name), endpoint: None };
        let relate = ModelCommand::Integrate { one: end("wiki"), other: end("db") };
        world.command(model, relate).unwrap().unwrap();
        let mut stand = Stand { world, model, relation: RelationId(0), count: 0 };
        stand.world.settle(Duration::from_secs(600)).unwrap();
        let relations = stand.table::<Relation>().values();
        let two = relations.filter(|relation| !relation.is_peer()).map(|relation| relation.id);
        stand.relation = two.max().unwrap();
        for unit in ["wiki/0", "wiki/1", "db/0", "db/1", "hub/0"] {
            stand.hooks(unit);
        }
        stand
    }

    pub(crate) fn table<R: ModelRecord>(&self) -> &Table<R::Name, R> {
        self.world.estate.model(self.model).unwrap().table::<R>()
    }

    pub(crate) fn id(&mut self) -> SecretId {
        self.world.secret_id()
    }

    pub(crate) fn secret(&self, id: &SecretId) -> Option<&Secret> {
        self.world.estate.model(self.model).unwrap().secret(id).filter(|secret| secret.is_kept())
    }

    pub(crate) fn settle(&mut self) {
        self.world.settle(SPAN).unwrap();
    }

    pub(crate) fn advance(&mut self, seconds: u64) {
        self.world.advance(Duration::from_secs(seconds)).unwrap();
        self.settle();
    }

    /// What a hook of this name does from now on.
    pub(crate) fn script(&mut self, unit: &str, hook: &str, (id, change): Change) {
        let secrets = id.map(|id| (id, change)).into_iter().collect();
        let effects = Effects { secrets, ..Effects::default() };
        self.world.scripts.of(self.model, &named(unit), hook).effects = effects;
    }

    /// Has a unit run a hook that does this; a commit that is refused is told as the hook's failure.
    pub(crate) fn hook(&mut self, unit: &str, change: Change) -> Result<(), String> {
        let name: UnitName = named(unit);
        self.count += 1;
        self.script(unit, "config-changed", change);
        let key = match name.application.as_str() {
            "wiki" => "title",
            "db" => "cache-mib",
            _ => "days",
        };
        let set = [(named(key), self.count.to_string())].into();
        let application = name.application.clone();
        let reset = Default::default();
        let ask = ModelCommand::Configure { application, set, reset, trust: None };
        self.world.command(self.model, ask).unwrap().unwrap();
        // A hook takes three seconds at most, and one that failed runs again after five.
        self.world.settle(Duration::from_secs(4)).unwrap();
        self.script(unit, "config-changed", Default::default());
        let progress = self.world.estate.model(self.model).unwrap().progress(&name).unwrap();
        let failed = progress.failure.as_ref().map(|failure| failure.reason.clone());
        self.settle();
        failed.map_or(Ok(()), Err)
    }

    /// The hooks that were committed since this was last asked.
    pub(crate) fn hooks(&mut self, unit: &str) -> Vec<String> {
        self.settle();
        self.world.committed(self.model, &named(unit))
    }

    /// Those about secrets.
    pub(crate) fn secret_hooks(&mut self, unit: &str) -> String {
        let hooks = self.hooks(unit).into_iter();
        hooks.filter(|hook| hook.starts_with("secret-")).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn read(
        &mut self,
        unit: &str,
        id: &SecretId,
        how: SecretHow,
    ) -> Result<u32, String> {
        let want = SecretWant { id: Some(id.clone()), label: None, how };
        let found = self.world.read_secret(self.model, &named(unit), want).unwrap();
        self.settle();
        found.map(|found| found.revision).map_err(|refusal| refusal.message)
    }

    pub(crate) fn read_as(
        &mut self,
        unit: &str,
        id: Option<&SecretId>,
        label: Option<&str>,
    ) -> Result<(SecretId, u32), String> {
        let label = label.map(str::to_owned);
        let want = SecretWant { id: id.cloned(), label, how: SecretHow::Tracked };
        let found = self.world.read_secret(self.model, &named(unit), want).unwrap();
        found.map(|found| (found.id, found.revision)).map_err(|refusal| refusal.message)
    }

    pub(crate) fn user(&mut self, command: SecretCommand) -> Result<Outcome, Refusal> {
        self.world.command(self.model, ModelCommand::Secret(command)).unwrap()
    }

    pub(crate) fn seal(&self, id: &SecretId, text: &str) -> Sealed {
        self.world.sealed(self.model, id, text)
    }

    /// A secret of this owner.
    pub(crate) fn owned(&mut self, owner: &str, text: &str) -> SecretId {
        let id = self.id();
        let unit = if owner.contains('/') { owner.to_owned() } else { format!("{owner}/0") };
        let added = self.added(&id, owner, text);
        self.hook(&unit, added).unwrap();
        id
    }

    /// A secret of the wiki's that the database may read.
    pub(crate) fn shared(&mut self, text: &str) -> SecretId {
        let id = self.owned("wiki", text);
        let granted = grant(&id, "db", self.relation);
        self.hook("wiki/0", granted).unwrap();
        id
    }

    pub(crate) fn added(&self, id: &SecretId, owner: &str, text: &str) -> Change {
        let content = Some(self.seal(id, text));
        let add = Some(owner.parse().unwrap());
        (Some(id.clone()), SecretChange { add, content, ..SecretChange::default() })
    }

    pub(crate) fn content(&self, id: &SecretId, text: &str) -> Change {
        let content = Some(self.seal(id, text));
        (Some(id.clone()), SecretChange { content, ..SecretChange::default() })
    }

    pub(crate) fn labelled(&self, id: &SecretId, label: &str) -> Change {
        let label = Some(label.to_owned());
        (Some(id.clone()), SecretChange { label, ..SecretChange::default() })
    }

    pub(crate) fn rotated(&self, id: &SecretId, policy: &str) -> Change {
        let rotate = RotatePolicy::of(policy);
        (Some(id.clone()), SecretChange { rotate, ..SecretChange::default() })
    }

    pub(crate) fn ending(&self, id: &SecretId, seconds: u64) -> Change {
        let expires = Some(self.world.now + Duration::from_secs(seconds));
        (Some(id.clone()), SecretChange { expires, ..SecretChange::default() })
    }

    pub(crate) fn without(&self, id: &SecretId, revision: u32) -> Change {
        let remove_revisions = [revision].into();
        (Some(id.clone()), SecretChange { remove_revisions, ..SecretChange::default() })
    }

    pub(crate) fn removed(&self, id: &SecretId) -> Change {
        (Some(id.clone()), SecretChange { remove: true, ..SecretChange::default() })
    }

    pub(crate) fn unrelate(&mut self) {
        let relation = RelationRef::Id(self.relation);
        let command = ModelCommand::RemoveRelation { relation, force: false };
        self.world.command(self.model, command).unwrap().unwrap();
        self.world.settle(Duration::from_secs(600)).unwrap();
    }

    pub(crate) fn remove_unit(&mut self, unit: &str) {
        let units = [named(unit)].into();
        let command = ModelCommand::RemoveUnits { units, destroy_storage: true, force: false };
        self.world.command(self.model, command).unwrap().unwrap();
        self.world.settle(Duration::from_secs(600)).unwrap();
    }

    pub(crate) fn remove_application(&mut self, name: &str) {
        let (application, destroy_storage) = (named(name), true);
        let command =
            ModelCommand::RemoveApplication { application, destroy_storage, force: false };
        self.world.command(self.model, command).unwrap().unwrap();
        self.world.settle(Duration::from_secs(600)).unwrap();
    }
}

/// A right for as long as a relation lasts.
pub(crate) fn grant(id: &SecretId, to: &str, relation: RelationId) -> Change {
    let grants = [(named(to), Some(relation))].into();
    (Some(id.clone()), SecretChange { grants, ..SecretChange::default() })
}

/// Its end.
pub(crate) fn revoke(id: &SecretId, from: &str) -> Change {
    let grants = [(named(from), None)].into();
    (Some(id.clone()), SecretChange { grants, ..SecretChange::default() })
}
