//! Carrying the steps of a bundle out.

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::bundle::{Bundle, check};
use muster_model::command::{Deploy, ModelCommand, Refresh};
use muster_model::name::ApplicationName;
use muster_model::record::Placement;
use muster_model::reply::Outcome;
use muster_model::view::ViewRequest;

use super::super::deploy::{make_known, send_resources, until_units};
use super::super::session::{Focus, Session};
use super::Charms;
use super::place::{resolve, target};
use super::step::{Plan, Step, constraints, files, typed};
use crate::failure::Failure;

impl Plan {
    pub(super) async fn carry_out(
        mut self,
        session: &mut Session<'_>,
        focus: &Focus,
        bundle: &Bundle,
        charms: &Charms,
    ) -> Result<(), Failure> {
        let mut waiting: Vec<(ApplicationName, usize, usize)> = Vec::new();
        let steps = std::mem::take(&mut self.steps);
        let (relations, others): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| matches!(step, Step::Relate(..)));
        for step in others {
            let what = step.to_string();
            session.desk.detail(&what);
            let failed = |failure: Failure| failure.while_trying(format!("cannot {what}"));
            match step {
                Step::Units(name, from, to) => waiting.push((name, from, to)),
                other => self.one(session, focus, bundle, charms, other).await.map_err(failed)?,
            }
        }
        self.units(session, focus, bundle, waiting).await?;
        for step in relations {
            let failed = |failure: Failure| failure.while_trying(format!("cannot {step}"));
            if let Step::Relate(one, other) = &step {
                let command = ModelCommand::Integrate { one: one.clone(), other: other.clone() };
                focus.tell(command).await.map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Adds units, those first whose places are known; each round sees what the one before made.
    async fn units(
        &mut self,
        session: &mut Session<'_>,
        focus: &Focus,
        bundle: &Bundle,
        mut waiting: Vec<(ApplicationName, usize, usize)>,
    ) -> Result<(), Failure> {
        while !waiting.is_empty() {
            let view = focus.view(&ViewRequest::default()).await?;
            let mut later = Vec::new();
            let before = waiting.len();
            let mut needs = String::new();
            for (name, from, to) in waiting {
                let places: Result<Vec<Placement>, ApplicationName> = (from..to)
                    .map(|index| {
                        let target = target(bundle, &name, index);
                        resolve(target.as_ref(), index, &self.machines, &view)
                    })
                    .collect();
                let placements = match places {
                    Ok(placements) => placements,
                    Err(first) => {
                        needs = format!(
                            "units of {name} go beside those of {first}, which has too few"
                        );
                        later.push((name, from, to));
                        continue;
                    }
                };
                let trying = format!("cannot add units of {name}");
                let command = ModelCommand::AddUnits {
                    application: name.clone(),
                    placements,
                    attach_storage: Vec::new(),
                };
                focus.tell(command).await.map_err(|failure| failure.while_trying(trying))?;
                until_units(session, focus, &name, to).await?;
            }
            if later.len() == before {
                return Err(Failure::new(format!("cannot deploy bundle: {needs}")));
            }
            waiting = later;
        }
        Ok(())
    }

    async fn one(
        &mut self,
        session: &mut Session<'_>,
        focus: &Focus,
        bundle: &Bundle,
        charms: &Charms,
        step: Step,
    ) -> Result<(), Failure> {
        let command = match step {
            Step::Machine(number) => return self.machine(focus, bundle, number).await,
            Step::Deploy(name, _) => {
                let (Some(local), Some(spec)) = (charms.get(&name), bundle.applications.get(&name))
                else {
                    return Ok(());
                };
                let charm = make_known(session, focus, local).await?;
                let resources = send_resources(session, &focus.on, &files(spec)).await?;
                let options = check::options(spec, &local.charm)
                    .map_err(|problems| Failure::new(problems.join("; ")))?;
                let config =
                    options.into_iter().filter_map(|(key, value)| Some((key, typed(&value?))));
                ModelCommand::Deploy(Deploy {
                    application: name,
                    charm,
                    channel: None,
                    // Units come in steps of their own, once their places are known.
                    placements: Vec::new(),
                    config: config.collect(),
                    trust: spec.trust,
                    constraints: constraints(spec)?,
                    base: spec.base.clone().or_else(|| bundle.default_base.clone()),
                    storage: spec.storage.clone(),
                    attach_storage: Vec::new(),
                    resources,
                    bindings: BTreeMap::new(),
                    force: false,
                })
            }
            Step::Refresh(name, _) => {
                let Some(local) = charms.get(&name) else { return Ok(()) };
                let charm = make_known(session, focus, local).await?;
                ModelCommand::Refresh(Refresh { charm: Some(charm), ..Refresh::of(name) })
            }
            Step::Configure(application, set, reset) => {
                ModelCommand::Configure { application, set, reset, trust: None }
            }
            Step::Trust(application) => ModelCommand::Configure {
                application,
                set: BTreeMap::new(),
                reset: BTreeSet::new(),
                trust: Some(true),
            },
            Step::Constrain(application, constraints) => {
                ModelCommand::Constrain { application, constraints }
            }
            Step::Attach(application, name, path) => {
                let one = BTreeMap::from([(name.clone(), path)]);
                let sent = send_resources(session, &focus.on, &one).await?;
                let Some(file) = sent.get(&name).cloned() else { return Ok(()) };
                ModelCommand::AttachResource { application, name, file }
            }
            Step::Expose(application, exposure) => {
                ModelCommand::Expose { application, exposure: Some(exposure) }
            }
            Step::Units(..) | Step::Relate(..) => return Ok(()),
        };
        let reply = focus.tell(command).await?;
        if let Outcome::Application { name, base: Some(on), .. } = reply.outcome {
            if let Some(notice) = on.notice().filter(|_| self.told.insert(on.base.release())) {
                session.desk.say(&notice);
            }
            self.bases.insert(name, on.base);
        }
        Ok(())
    }

    async fn machine(
        &mut self,
        focus: &Focus,
        bundle: &Bundle,
        number: String,
    ) -> Result<(), Failure> {
        let spec = bundle.machines.get(&number);
        let text = spec.and_then(|spec| spec.constraints.as_deref()).unwrap_or_default();
        let command = ModelCommand::AddMachines {
            count: 1,
            constraints: text
                .parse()
                .map_err(|error| Failure::tried("cannot read constraints", &error))?,
            base: spec
                .and_then(|spec| spec.base.clone())
                .or_else(|| bundle.default_base.clone())
                .or_else(|| self.base_on(bundle, &number)),
            host: false,
        };
        if let Outcome::Machines(made) = focus.tell(command).await?.outcome
            && let Some(id) = made.first()
        {
            self.machines.insert(number, *id);
        }
        Ok(())
    }
}
