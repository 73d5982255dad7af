//! What a hook starts and leaves, and what ends it (sections 3.1 and 7.3).

use muster_model::Life;
use muster_model::name::Role;
use muster_model::report::{ReportBody, StepReport};

use crate::support::{CharmText, Host, State, runs, unit};

/// How many processes the unit is told to have in the background.
fn told(state: &State) -> Option<u32> {
    state.reports.iter().rev().find_map(|report| match report {
        ReportBody::Rest { units, left, .. } if units.contains_key(&unit()) => {
            Some(left.get(&unit()).copied().unwrap_or_default())
        }
        _ => None,
    })
}

/// Why the unit's hook failed.
fn reason(state: &State) -> Option<String> {
    state.reports.iter().rev().find_map(|report| match report {
        ReportBody::Step { unit: name, step: StepReport::Failed { reason, .. }, .. }
            if *name == unit() =>
        {
            Some(reason.clone())
        }
        _ => None,
    })
}

/// Hook contract E16, E17.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_stays_blocks_nobody_lives_on_and_has_no_tools() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "(while [ ! -e $out/go ]; do sleep 0.02; done; config-get name > $out/late 2>&1 \
         || echo $? > $out/late-code; mv $out/late-code $out/late-done; \
         for n in $(seq 100); do echo a line that nobody reads; done; echo > $out/written; \
         exec sleep 600) & echo $! > $out/pid",
    );
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    host.until("the count", |state| (told(state)? > 0).then_some(())).await;
    std::fs::write(host.root().join("go"), "").unwrap();
    host.appears("late-done").await;
    assert_eq!(host.left("late-done"), "1\n");
    assert!(host.left("late").starts_with("ERROR bad request: wrong context ID; got \""));
    // It still can write where the hook wrote.
    host.appears("written").await;
    let pid = host.left("pid");
    assert!(runs(&pid));
    // An agent that starts anew finds it, and counts it.
    host.stop().await;
    host.fake.state.lock().unwrap().reports.clear();
    host.start();
    host.unit(|goal| goal.trust = true);
    host.until("the count", |state| (told(state)? == 1).then_some(())).await;
    assert!(runs(&pid));
    host.unit(|goal| goal.life = Life::Dying);
    host.until("the end", |state| state.goal.units.is_empty().then_some(())).await;
    assert!(!runs(&pid), "it has gone with its unit");
}

/// Hook contract E16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_failed_leaves_its_children_and_one_that_was_killed_does_not() {
    let mut charm = CharmText::new();
    charm.hook("install", "sleep 600 & echo $! > $out/failed; exit 1");
    charm.action("go", "sleep 600 & echo $! > \"$(action-get who)/killed\"; sleep 600");
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    host.until("the count", |state| (told(state)? == 1).then_some(())).await;
    let id = muster_model::name::TaskId(1);
    let parameters = serde_json::json!({ "who": host.root() });
    let parameters = parameters.as_object().unwrap().clone();
    let name = "go".parse().unwrap();
    host.ask(id, muster_model::record::TaskKind::Action { name, parameters });
    host.until_so("child", || {
        std::fs::read_to_string(host.root().join("killed")).is_ok_and(|text| text.ends_with('\n'))
    })
    .await;
    host.unit(|goal| goal.tasks[0].cancel = true);
    host.outcome(id).await;
    let killed = host.left("killed");
    host.until_so("end of the child", || !runs(&killed)).await;
    assert!(runs(&host.left("failed")));
    host.unit(|goal| goal.force = true);
    host.unit(|goal| goal.life = Life::Dying);
    host.until("the end", |state| state.goal.units.is_empty().then_some(())).await;
    assert!(!runs(&host.left("failed")));
}

/// Hook contract E16.
///
/// Without a deadline a hook goes on; the model may set one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_overruns_the_models_deadline_is_ended_with_its_children() {
    let mut charm = CharmText::new();
    charm.hook("install", "sleep 600 & echo $! > $out/child; trap '' TERM; sleep 600; sleep 600");
    let mut host = Host::new(&charm);
    host.settings.grace = std::time::Duration::from_millis(200);
    host.fake.want(|goal| goal.settings.hook_deadline_ms = Some(400));
    host.start();
    assert_eq!(host.rest().await, "hook `install` failed; waiting for `resolved`");
    let why = host.until("the reason", reason).await;
    assert_eq!(why, "it took longer than the model's `hook-deadline` and was ended");
    let child = host.left("child");
    host.until_so("end of the child", || !runs(&child)).await;
}

/// Whether this host lets an agent count the processes of a group.
fn counts() -> bool {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let handed = |path: &str| {
        std::fs::read_to_string(path).is_ok_and(|text| text.split(' ').any(|word| word == "pids"))
    };
    let version_1 = own.lines().any(|line| line.split(':').nth(1) == Some("pids"));
    version_1 || handed("/sys/fs/cgroup/cgroup.subtree_control")
}

/// Issue: a fork bomb in a hook.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_a_fork_bomb_is_bounded_and_the_other_unit_goes_on() {
    if !rustix::process::geteuid().is_root() || !counts() {
        return;
    }
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "[ $JUJU_UNIT_NAME = wiki/0 ] || exit 0; echo $$ > $out/bomb; exec perl -e 'fork while 1'",
    );
    charm.hook("start", "date > $out/start-${JUJU_UNIT_NAME%/0}");
    let mut host = Host::new(&charm);
    host.settings.processes = 64;
    host.fake.want(|goal| {
        goal.settings.parallel_hooks = true;
        goal.settings.hook_deadline_ms = Some(4000);
    });
    host.add_other();
    host.start();
    host.appears("start-other").await;
    let why = host.until("the reason", reason).await;
    assert_eq!(
        why,
        "it took longer than the model's `hook-deadline` and was ended, \
         after it wanted more than 64 processes at once"
    );
    let session = host.left("bomb").trim().to_owned();
    let left = || {
        let stat = |entry: std::fs::DirEntry| {
            let text = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let mut fields = text.rsplit_once(") ")?.1.split(' ').map(str::to_owned);
            let state = fields.next()?;
            (fields.nth(2)? == session && state != "Z").then_some(())
        };
        std::fs::read_dir("/proc").unwrap().flatten().filter_map(stat).count()
    };
    host.until_so("end of the bomb", || left() == 0).await;
}

/// What `sudo`, `su` and `runuser` start is a child of the hook, though a login session may be given
/// another control group.
///
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_a_child_that_was_moved_to_another_group_is_still_the_hooks() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "point=$(grep -- ' - cgroup2 ' /proc/self/mountinfo | cut -d' ' -f5 | head -1)\n\
         if [ -n \"$point\" ]; then bash -c \"echo \\$\\$ > $point/cgroup.procs && \
         ! grep -q '^0::.*muster-run' /proc/self/cgroup && unit-get private-address\" > $out/moved; \
         else unit-get private-address > $out/moved; fi\n\
         runuser -u root -- unit-get private-address > $out/runuser\n\
         su root -c 'unit-get private-address' > $out/su",
    );
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[]);
    host.start();
    assert_eq!(host.rest().await, "");
    for name in ["moved", "runuser", "su"] {
        assert_eq!(host.left(name), "10.0.0.5\n", "{name}");
    }
}
