//! Which base an application's machines have, and onto which machines its units may go.
//!
//! A base means an image, which the controller's settings name ([`Bases`]). A machine that is there
//! already has the base that its agent tells, whatever there are images of.

use muster_charms::{Base, Charm};

use crate::command::Deploy;
use crate::name::{ApplicationName, MachineId};
use crate::record::{
    Application, Bases, Machine, MachineFacts, ModelInfo, OfferedBase, Only, Placement,
};
use crate::refusal::{Code, Refusal};

use super::Deciding;

/// What a deploy says of its base, and what it depends on.
struct Wish<'a> {
    application: &'a ApplicationName,
    charm: &'a Charm,
    /// What the operator named.
    named: Option<&'a Base>,
    /// Whether it may be one that the charm does not name, and machines of another.
    force: bool,
    /// The model's own.
    usual: Option<Base>,
    /// Whether machines are made for it.
    makes: bool,
    /// The machines that were named, with their bases as far as they are known.
    homes: Vec<(MachineId, Option<Base>)>,
}

/// The base of an application that is deployed, with what its machines are in truth: what the
/// operator named, else that of the machines that were named, else the model's, else the first that
/// the charm names. Of what was not named, a base without an image comes last.
pub(super) fn choose(
    d: &mut Deciding<'_>,
    info: &ModelInfo,
    charm: &Charm,
    asked: &Deploy,
) -> Result<Option<OfferedBase>, Refusal> {
    let bases = d.draft.get::<Bases>(Only);
    let makes = asked.placements.is_empty()
        || asked.placements.iter().any(|place| !matches!(place, Placement::Machine(_)));
    let wish = Wish {
        application: &asked.application,
        charm,
        named: asked.base.as_ref(),
        force: asked.force,
        usual: info.option("default-base").parse().ok(),
        // A subordinate goes where its principal is.
        makes: makes && !charm.metadata.subordinate,
        homes: homes(d, &asked.placements),
    };
    let base = wish.granted(bases.as_ref())?;
    Ok(base.map(|base| {
        let offered = bases.as_ref().and_then(|bases| bases.of(&base));
        let stands_on = offered.and_then(|offered| offered.stands_on.clone());
        OfferedBase { base, stands_on }
    }))
}

/// Refuses more units of an application where there is no image for their machines, or where the
/// machines that were named have another base. A charm that names no base runs on any.
pub(super) fn admits(
    d: &mut Deciding<'_>,
    application: &Application,
    placements: &[Placement],
) -> Result<(), Refusal> {
    let Some(base) = &application.base else { return Ok(()) };
    let anywhere = d.charm_of(application)?.charm.bases.is_empty();
    if placements.iter().any(|place| !matches!(place, Placement::Machine(_))) {
        has_image(d, base)?;
    }
    for (id, has) in homes(d, placements).into_iter().filter(|_| !anywhere) {
        same(&application.name, base, id, has.as_ref())
            .map_err(|refusal| refusal.hint("name a machine of that base, or \"new\""))?;
    }
    Ok(())
}

/// Refuses a machine that there is no image for.
pub(super) fn has_image(d: &mut Deciding<'_>, base: &Base) -> Result<(), Refusal> {
    match d.draft.get::<Bases>(Only) {
        Some(bases) if bases.of(base).is_none() => {
            let what = format!("the controller has no image of base {}", base.release());
            Err(no_image(what, base, &bases, ""))
        }
        _ => Ok(()),
    }
}

/// The base of a machine: what its agent tells, else what was asked for.
pub(crate) fn of_machine(d: &mut Deciding<'_>, machine: &Machine) -> Option<Base> {
    let told = d.get::<MachineFacts>(machine.id).and_then(|facts| facts.base);
    told.or_else(|| machine.base.clone())
}

fn homes(d: &mut Deciding<'_>, placements: &[Placement]) -> Vec<(MachineId, Option<Base>)> {
    let mut homes = Vec::new();
    for placement in placements {
        if let Placement::Machine(id) = placement
            && let Some(machine) = d.get::<Machine>(*id)
        {
            homes.push((*id, of_machine(d, &machine)));
        }
    }
    homes
}

impl Wish<'_> {
    fn granted(&self, bases: Option<&Bases>) -> Result<Option<Base>, Refusal> {
        let imaged =
            |base: &Base| !self.makes || bases.is_none_or(|bases| bases.of(base).is_some());
        let base = match self.named {
            Some(base) if self.fits(base) || self.force => base.clone(),
            Some(base) => return Err(self.unnamed(base)),
            None => {
                let fitting = self.fitting();
                let Some(first) = fitting.first() else { return Ok(None) };
                fitting.iter().find(|base| imaged(base)).unwrap_or(first).clone()
            }
        };
        if let Some(bases) = bases.filter(|_| !imaged(&base)) {
            return Err(self.without_image(&base, bases));
        }
        let anywhere = self.named.is_none() && self.charm.bases.is_empty();
        for (id, has) in self.homes.iter().filter(|_| !self.force && !anywhere) {
            same(self.application, &base, *id, has.as_ref()).map_err(|refusal| {
                match has.as_ref().filter(|has| self.fits(has)) {
                    Some(has) => refusal.hint(format!("say --base {}", has.release())),
                    None => refusal.hint("--force deploys it all the same"),
                }
            })?;
        }
        Ok(Some(base))
    }

    /// Whether the charm runs on this base; one that names none runs anywhere.
    fn fits(&self, base: &Base) -> bool {
        self.charm.bases.is_empty() || self.charm.bases.iter().any(|own| own.same_release(base))
    }

    /// What it may be where the operator named none, the best first.
    fn fitting(&self) -> Vec<Base> {
        let home = self.homes.iter().find_map(|(_, base)| base.as_ref());
        let better = home.into_iter().chain(&self.usual).filter(|base| self.fits(base));
        better.chain(&self.charm.bases).cloned().collect()
    }

    fn unnamed(&self, base: &Base) -> Refusal {
        let (charm, bases) = (&self.charm.metadata.name, releases(&self.charm.bases));
        let base = base.release();
        Refusal::new(Code::Unsuitable, format!("charm \"{charm}\" does not name base {base}"))
            .hint(format!("it names {bases}; --force deploys it all the same"))
    }

    fn without_image(&self, base: &Base, bases: &Bases) -> Refusal {
        let what = if self.named.is_some() || self.charm.bases.is_empty() {
            format!("the controller has no image of base {}", base.release())
        } else {
            let (charm, own) = (&self.charm.metadata.name, releases(&self.charm.bases));
            format!("charm \"{charm}\" names {own}, and the controller has no image of that")
        };
        let force = if self.charm.bases.is_empty() { "" } else { " --force" };
        no_image(what, base, bases, force)
    }
}

fn releases<'a>(bases: impl IntoIterator<Item = &'a Base>) -> String {
    let mut names: Vec<String> = Vec::new();
    for base in bases {
        let name = base.release();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// The way out names the setting, and the nearest base that there is an image of.
fn no_image(what: String, base: &Base, bases: &Bases, force: &str) -> Refusal {
    let all = || bases.offered.iter().map(|offered| &offered.base);
    let near = all().find(|offered| offered.name == base.name).or_else(|| all().next());
    let near = near.map(|near| format!(", or say --base {}{force}", near.release()));
    Refusal::new(Code::Unsuitable, what).hint(format!(
        "give it one in its controller.toml, section [image.\"{}\"]{}; it has {}",
        base.release(),
        near.unwrap_or_default(),
        releases(all())
    ))
}

/// Refuses a machine of another release, in the words of Juju.
fn same(
    application: &ApplicationName,
    wants: &Base,
    machine: MachineId,
    has: Option<&Base>,
) -> Result<(), Refusal> {
    match has {
        Some(has) if !has.same_release(wants) => Err(Refusal::new(
            Code::Unsuitable,
            format!(
                "cannot assign \"{application}\" to machine {machine}: base does not match: unit has \
                 \"{}\", machine has \"{}\"",
                wants.release(),
                has.release()
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const METADATA: &str = "name: wiki\nsummary: A charm.\ndescription: It.\n";

    fn base(text: &str) -> Base {
        text.parse().unwrap()
    }

    fn charm(bases: &str) -> Charm {
        let mut files =
            BTreeMap::from([("metadata.yaml".to_owned(), METADATA.as_bytes().to_vec())]);
        if !bases.is_empty() {
            let each = bases.split(' ').map(|text| {
                let base = base(text);
                format!("  - {{name: {}, channel: \"{}\"}}\n", base.name, base.track())
            });
            let manifest = format!("bases:\n{}", each.collect::<String>());
            files.insert("manifest.yaml".to_owned(), manifest.into_bytes());
        }
        Charm::read(&files).unwrap()
    }

    /// The base that is chosen, or the refusal with its way out. `flags` are an operator's: `--base B`,
    /// `--force`, `--to BASE` for a machine of that base, `--new` for one more that is to be made.
    fn chosen(bases: &str, flags: &str) -> String {
        let offer = |text: &str| OfferedBase { base: base(text), stands_on: None };
        let offered = ["debian@12", "debian@13", "ubuntu@22.04"].map(offer).to_vec();
        let (charm, application) = (charm(bases), "wiki".parse().unwrap());
        let (mut named, mut force, mut new, mut homes) = (None, false, false, Vec::new());
        let mut words = flags.split_whitespace();
        while let Some(flag) = words.next() {
            match flag {
                "--force" => force = true,
                "--new" => new = true,
                "--base" => named = words.next().map(base),
                "--to" => homes.push((MachineId(7), words.next().map(base))),
                _ => panic!("no such flag: {flag}"),
            }
        }
        let wish = Wish {
            application: &application,
            charm: &charm,
            named: named.as_ref(),
            force,
            usual: Some(base("debian@12")),
            makes: new || homes.is_empty(),
            homes,
        };
        match wish.granted(Some(&Bases { offered })) {
            Ok(base) => base.map_or("none".to_owned(), |base| base.release()),
            Err(refusal) => format!("{refusal} / {}", refusal.hint.as_deref().unwrap_or_default()),
        }
    }

    #[test]
    fn a_base_that_nobody_named_is_one_with_an_image() {
        assert_eq!(chosen("", ""), "debian@12");
        assert_eq!(chosen("ubuntu@22.04 debian@12", ""), "debian@12", "the model's own fits");
        assert_eq!(chosen("ubuntu@18.04 ubuntu@22.04", ""), "ubuntu@22.04");
        assert_eq!(chosen("ubuntu@22.04", "--base ubuntu@22.04/edge"), "ubuntu@22.04");
    }

    #[test]
    fn a_charm_without_an_image_is_refused_with_the_way_out() {
        assert_eq!(
            chosen("ubuntu@18.04 ubuntu@16.04", ""),
            "charm \"wiki\" names ubuntu@18.04, ubuntu@16.04, and the controller has no image of \
             that / give it one in its controller.toml, section [image.\"ubuntu@18.04\"], or say \
             --base ubuntu@22.04 --force; it has debian@12, debian@13, ubuntu@22.04"
        );
        assert_eq!(
            chosen("", "--base centos@9"),
            "the controller has no image of base centos@9 / give it one in its controller.toml, \
             section [image.\"centos@9\"], or say --base debian@12; it has debian@12, debian@13, \
             ubuntu@22.04"
        );
        assert!(chosen("", "--base centos@9 --force").starts_with("the controller has no image"));
        let unnamed = chosen("ubuntu@22.04", "--base debian@13");
        assert_eq!(
            unnamed,
            "charm \"wiki\" does not name base debian@13 / it names ubuntu@22.04; --force deploys it \
             all the same"
        );
        assert_eq!(chosen("ubuntu@22.04", "--base debian@13 --force"), "debian@13");
    }

    #[test]
    fn a_machine_that_is_there_needs_no_image_but_the_same_base() {
        assert_eq!(chosen("", "--to ubuntu@18.04"), "ubuntu@18.04");
        assert_eq!(chosen("ubuntu@18.04", "--to ubuntu@18.04"), "ubuntu@18.04");
        let words = "cannot assign \"wiki\" to machine 7: base does not match: unit has ";
        assert_eq!(
            chosen("ubuntu@22.04", "--to debian@12"),
            format!(
                "{words}\"ubuntu@22.04\", machine has \"debian@12\" / --force deploys it all the same"
            )
        );
        assert_eq!(
            chosen("", "--base ubuntu@22.04 --to debian@12"),
            format!("{words}\"ubuntu@22.04\", machine has \"debian@12\" / say --base debian@12")
        );
        assert_eq!(chosen("ubuntu@22.04", "--to debian@12 --force"), "ubuntu@22.04");
        // A charm that names none runs anywhere; for a machine that is made there must be an image.
        assert_eq!(chosen("", "--to ubuntu@18.04 --to debian@13"), "ubuntu@18.04");
        assert_eq!(chosen("", "--to ubuntu@18.04 --new"), "debian@12");
        assert_eq!(chosen("", "--to debian@13 --new"), "debian@13");
    }
}
