//! Storage on the host (sections 4.11, 7.4; R14).

use muster_charms::StorageKind;
use muster_model::Life;
use muster_model::goal::StorageGoal;
use muster_model::record::Provider;
use muster_model::report::{NowReport, ReportBody};
use muster_model::status::StorageState;

use crate::support::{CharmText, Host};

/// R14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_an_image_that_is_gone_holds_the_unit_up_until_it_is_put_back() {
    let mut host = Host::new(&CharmText::new());
    storage(&host, 0, Provider::Loop);
    // Killed between the journal's word and the image: it is made at the next start.
    host.crash_at("after deployed", 1).await;
    host.start();
    assert_eq!(host.rest().await, "");
    host.trace();
    host.stop().await;
    nix::mount::umount(&host.paths.storage().join("data/0")).unwrap();
    let image = host.paths.backings().join("data-0.img");
    let away = host.root().join("away.img");
    std::fs::rename(&image, &away).unwrap();
    host.settings.boot = Some("boot-2".to_owned());
    host.start();
    host.unit(|goal| goal.trust = true);
    let waits = host.rest().await;
    assert!(waits.contains("data-0.img` is gone; put it back"), "{waits}");
    assert_eq!(host.trace(), "", "no hook runs beside data that is gone");
    assert!(!image.exists());
    std::fs::rename(&away, &image).unwrap();
    // It is looked for again by itself.
    host.until("start", |_| (!host.trace().is_empty()).then_some(())).await;
}

/// R14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_kept_storage_whose_data_is_gone_is_not_made_anew_for_the_next_unit() {
    let mut host = Host::new(&CharmText::new());
    storage(&host, 0, Provider::Loop);
    // Another unit had it; the journal of this one knows nothing of that.
    host.unit(|goal| goal.storage.values_mut().for_each(|storage| storage.created = true));
    host.start();
    let waits = host.rest().await;
    assert!(waits.contains("data-0.img` is gone; put it back"), "{waits}");
    assert_eq!(host.trace(), "", "`install` would begin anew beside what is put back");
    assert!(!host.paths.backings().join("data-0.img").exists());
    host.stop().await;
}

/// R14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_a_unit_that_leaves_after_a_boot_lets_go_of_storage_that_is_mounted() {
    let mut charm = CharmText::new();
    charm.hook("data-storage-attached", "touch \"$JUJU_STORAGE_LOCATION/canary\"");
    charm.hook("data-storage-detaching", "ls \"$JUJU_STORAGE_LOCATION\" > $out/still");
    let mut host = Host::new(&charm);
    storage(&host, 0, Provider::Loop);
    host.start();
    host.rest().await;
    host.stop().await;
    nix::mount::umount(&host.paths.storage().join("data/0")).unwrap();
    host.settings.boot = Some("boot-2".to_owned());
    host.unit(|goal| {
        goal.life = Life::Dying;
        for storage in goal.storage.values_mut() {
            storage.life = Life::Dying;
            storage.destroy = true;
        }
    });
    host.trace();
    host.start();
    host.until("the end", |state| state.goal.units.is_empty().then_some(())).await;
    assert!(host.left("still").contains("canary"));
    assert_eq!(host.trace(), "data-storage-detaching data/0, stop, remove");
    host.stop().await;
    assert_eq!(std::fs::read_dir(host.paths.backings()).unwrap().count(), 0);
}

/// R14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_a_unit_that_leaves_does_not_take_away_what_another_has_by_now() {
    let mut host = Host::new(&CharmText::new());
    storage(&host, 0, Provider::Rootfs);
    host.start();
    host.rest().await;
    // Detached, and killed before the journal said so; meanwhile it was given to the next unit.
    host.stop().await;
    let next: muster_model::name::UnitName = "wiki/1".parse().unwrap();
    host.fake.want(|goal| {
        let unit = goal.units.get_mut(&crate::support::unit()).unwrap();
        let mut other = unit.clone();
        unit.storage.clear();
        other.seq = muster_model::Seq::ZERO;
        goal.units.insert(next.clone(), other);
    });
    host.start();
    let at_rest = |report: &ReportBody| match report {
        ReportBody::Rest { units, .. } => units.get(&next).is_some_and(String::is_empty),
        _ => false,
    };
    host.until("rest of the other", |state| state.reports.iter().any(at_rest).then_some(())).await;
    let place = host.paths.storage().join("data/0");
    std::fs::write(place.join("canary"), "").unwrap();
    host.unit(|goal| goal.life = Life::Dying);
    let unit = crate::support::unit();
    host.until("the end", |state| (!state.goal.units.contains_key(&unit)).then_some(())).await;
    assert!(place.join("canary").exists(), "it was taken from the other");
    host.stop().await;
}

fn storage(host: &Host, number: u32, provider: Provider) {
    host.unit(|goal| {
        goal.storage.insert(
            format!("data/{number}").parse().unwrap(),
            StorageGoal {
                life: Life::Alive,
                destroy: false,
                force: false,
                created: false,
                kind: StorageKind::Filesystem,
                provider,
                size_mib: 16,
                location: format!("/var/lib/juju/storage/data/{number}"),
                read_only: false,
            },
        );
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l03_storage_is_mounted_and_attached_before_install_and_goes_after_its_hook() {
    let mut charm = CharmText::new();
    charm.hook(
        "data-storage-attached",
        "storage-get location >> $out/where; touch \"$JUJU_STORAGE_LOCATION/canary\"; \
         findmnt -n -o FSTYPE \"$JUJU_STORAGE_LOCATION\" >> $out/kinds; storage-list > $out/list",
    );
    charm.hook(
        "data-storage-detaching",
        "ls \"$JUJU_STORAGE_LOCATION\" | grep -c canary > $out/still",
    );
    let mut host = Host::new(&charm);
    storage(&host, 0, Provider::Loop);
    storage(&host, 1, Provider::Tmpfs);
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(
        host.trace(),
        "data-storage-attached data/0, data-storage-attached data/1, install, \
         leader-settings-changed, config-changed, start"
    );
    assert_eq!(host.left("kinds"), "ext4\ntmpfs\n");
    assert_eq!(host.left("list"), "data/0\ndata/1\n");
    let place = host.paths.storage().join("data/0");
    assert_eq!(host.left("where").lines().next().unwrap(), place.to_str().unwrap());
    assert!(place.join("canary").exists());
    // A restart of the agent leaves the mount alone; a boot brings it back with its data.
    host.stop().await;
    host.start();
    host.unit(|goal| goal.trust = true);
    host.rest().await;
    assert_eq!(host.trace(), "leader-settings-changed, config-changed");
    host.stop().await;
    nix::mount::umount(&place).unwrap();
    host.settings.boot = Some("boot-2".to_owned());
    host.start();
    host.unit(|goal| goal.trust = false);
    host.rest().await;
    assert!(host.trace().starts_with("start, "));
    assert!(place.join("canary").exists());
    host.unit(|goal| {
        for storage in goal.storage.values_mut() {
            storage.life = Life::Dying;
            storage.destroy = true;
        }
    });
    host.until("detached", |state| {
        let detached = state.reports.iter().filter(|report| {
            matches!(
                report,
                ReportBody::Now {
                    now: NowReport::Storage { state: StorageState::Detached, .. },
                    ..
                }
            )
        });
        (detached.count() == 2).then_some(())
    })
    .await;
    host.rest().await;
    assert_eq!(host.trace(), "data-storage-detaching data/0, data-storage-detaching data/1");
    assert_eq!(host.left("still"), "1\n");
    assert!(!place.join("canary").exists());
    let left = std::fs::read_dir(host.paths.backings()).unwrap().count();
    assert_eq!(left, 0, "what was to be destroyed is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_kept_storage_is_destroyed_when_the_goal_names_it_and_then_only() {
    let charm = CharmText::new();
    let mut host = Host::new(&charm);
    let id =
        |number: u32| format!("data/{number}").parse::<muster_model::name::StorageId>().unwrap();
    let backing = |host: &Host, number: u32| host.paths.backing(&id(number));
    let kept: Vec<_> = [0, 1].map(|number| backing(&host, number)).into();
    for folder in &kept {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("canary"), "").unwrap();
    }
    host.start();
    host.rest().await;
    assert!(kept.iter().all(|folder| folder.join("canary").exists()), "nothing was named");
    host.fake.want(|goal| goal.discard = [id(1)].into());
    let told = host.until("word of what was destroyed", |state| {
        state.reports.iter().find_map(|report| match report {
            ReportBody::Discarded { storage, trouble, .. } => {
                Some((storage.to_string(), trouble.clone()))
            }
            _ => None,
        })
    });
    assert_eq!(told.await, ("data/1".to_owned(), String::new()));
    assert!(kept[0].join("canary").exists());
    assert!(!kept[1].exists());
    host.stop().await;
}

/// R14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_storage_that_cannot_be_destroyed_holds_up_no_other() {
    let mut host = Host::new(&CharmText::new());
    let ids: Vec<muster_model::name::StorageId> =
        ["data/0", "data/1", "data/2"].map(|id| id.parse().unwrap()).into();
    for id in &ids {
        std::fs::create_dir_all(host.paths.backing(id).join("inner")).unwrap();
    }
    let foreign = host.paths.backing(&ids[0]).join("inner");
    mount_memory(&foreign);
    std::fs::write(foreign.join("file"), "").unwrap();
    host.fake.want(|goal| goal.discard = ids.iter().cloned().collect());
    host.start();
    let told = host.until("word of the last", |state| {
        let all: std::collections::BTreeMap<_, _> = state
            .reports
            .iter()
            .filter_map(|report| match report {
                ReportBody::Discarded { storage, trouble, .. } => Some((storage, trouble.clone())),
                _ => None,
            })
            .collect();
        (all.len() == 3).then(|| all.into_values().collect::<Vec<_>>())
    });
    let told = told.await;
    assert!(told[0].contains("is still mounted"), "{told:?}");
    assert_eq!(told[1..], ["", ""]);
    assert!(foreign.join("file").exists(), "it is in another file system");
    assert!(!host.paths.backing(&ids[2]).exists());
    host.stop().await;
}

fn mount_memory(place: &std::path::Path) {
    let (none, flags) = (None::<&str>, nix::mount::MsFlags::empty());
    nix::mount::mount(Some("none"), place, Some("tmpfs"), flags, none).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_what_an_agent_left_goes_and_kept_data_is_put_aside_and_named() {
    let mut charm = CharmText::new();
    charm.hook("data-storage-attached", "echo kept > \"$JUJU_STORAGE_LOCATION/canary\"");
    let mut host = Host::new(&charm);
    storage(&host, 0, Provider::Loop);
    storage(&host, 1, Provider::Rootfs);
    storage(&host, 2, Provider::Tmpfs);
    host.start();
    host.rest().await;
    host.stop().await;
    let paths = host.paths.clone();
    let foreign = paths.juju.join("storage/other");
    std::fs::create_dir_all(&foreign).unwrap();
    std::fs::write(foreign.join("file"), "").unwrap();
    // Logs are its own, also of units that have left; those beside them are not.
    for name in ["unit-wiki-0.log.1", "unit-other-0.log"] {
        std::fs::write(paths.logs.join(name), "").unwrap();
    }
    // Nor is an empty folder of another file system, be that bound there from beside.
    let (memory, bound) = (paths.juju.join("storage/memory"), paths.juju.join("storage/bound"));
    let share = host.root().join("share");
    for folder in [&memory, &bound, &share.join("spool")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    mount_memory(&memory);
    std::fs::create_dir(memory.join("spool")).unwrap();
    let bind = nix::mount::MsFlags::MS_BIND;
    nix::mount::mount(Some(&share), &bound, None::<&str>, bind, None::<&str>).unwrap();
    // Another machine's agent is none of our business; nor is one that never was.
    let (own, other) = (("3", host.model()), ("4", host.model()));
    let who = |(machine, model): (&str, muster_model::name::ModelId)| {
        (model, machine.parse::<muster_model::name::MachineId>().unwrap())
    };
    let purge = |who| muster_agent::purge::purge(&host.settings, who);
    assert_eq!(purge(who(own)).await.unwrap(), Vec::<std::path::PathBuf>::new());
    let identity = format!("{{\"token\":\"t\",\"machine\":[\"{}\",\"3\"]}}", host.model());
    std::fs::write(paths.identity(), identity).unwrap();
    assert_eq!(purge(who(other)).await.unwrap(), Vec::<std::path::PathBuf>::new());
    assert!(paths.units().exists());

    let kept = purge(who(own)).await.unwrap();
    let folder = paths.kept().join(format!("{}-3", host.model()));
    assert_eq!(kept, [folder.join("data-0.img"), folder.join("data-1")]);
    assert_eq!(std::fs::read_to_string(folder.join("data-1/canary")).unwrap(), "kept\n");
    let left = |folder: &std::path::Path| {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(left(&paths.muster), ["kept"]);
    assert_eq!(left(&paths.logs), ["unit-other-0.log"]);
    assert_eq!(left(&paths.juju), ["storage"], "what somebody else put there stays");
    assert!(memory.join("spool").exists() && bound.join("spool").exists());
    nix::mount::umount(&memory).unwrap();
    nix::mount::umount(&bound).unwrap();
    std::fs::remove_dir_all(&share).unwrap();
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains(host.root().to_str().unwrap()), "something is still mounted");
    // Once more: nothing is left to do.
    assert_eq!(purge(who(own)).await.unwrap(), Vec::<std::path::PathBuf>::new());
    let mut beside = left(&paths.juju.join("storage"));
    beside.sort();
    assert_eq!(beside, ["bound", "memory", "other"]);
}
