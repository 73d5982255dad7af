//! Failure, retry, restart (section 7.5), and the crash table of R5.

use muster_agent::RunEnd;
use muster_agent::failpoint::Failpoints;
use muster_model::name::{Member, RelationId, Role};
use muster_model::record::Resolve;
use muster_model::report::{NowReport, ReportBody, StepReport};

use crate::support::{CharmText, Host, runs, unit};

/// Hook contract F02, F05, T57.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_a_failed_hook_leaves_nothing_and_f02_its_status_stays() {
    let mut charm = CharmText::new();
    charm.hook(
        "db-relation-joined",
        "relation-set a=1; state-set s=1; open-port 80; status-set blocked why; exit 1",
    );
    let mut host = Host::new(&charm);
    host.start();
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v")]);
    assert_eq!(host.rest().await, "hook `db-relation-joined` failed; waiting for `resolved`");
    {
        let state = host.fake.state.lock().unwrap();
        assert!(!state.bags[&(RelationId(7), Member::Unit(unit()))].1.contains_key("a"));
        assert!(state.unit_state.1.is_empty() && state.goal.units[&unit()].ports.is_empty());
        assert!(state.reports.iter().any(|report| matches!(
            report,
            ReportBody::Now { now: NowReport::Status { message, .. }, .. } if message == "why"
        )));
        assert!(state.reports.iter().any(|report| matches!(
            report,
            ReportBody::Step { step: StepReport::Failed { attempts: 1, reason, .. }, .. }
                if reason == "exit status 1"
        )));
    }
    // F05: it runs again about the same unit; F06: passed over, the membership moves on.
    host.trace();
    let resolve = |host: &Host, retry, count| {
        host.unit(|goal| goal.resolve = Some(Resolve { seq: goal.seq, retry, count }));
    };
    resolve(&host, true, 1);
    host.rest().await;
    assert_eq!(host.trace(), "db-relation-joined postgresql/0");
    resolve(&host, false, 2);
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "db-relation-changed postgresql/0");
}

/// Hook contract F09.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f09_a_hook_that_is_killed_runs_again() {
    let mut charm = CharmText::new();
    charm.hook("install", "[ -e $out/once ] || { touch $out/once; kill -9 $$; }");
    let mut host = Host::new(&charm);
    host.start();
    assert_eq!(host.rest().await, "");
    assert!(host.trace().starts_with("install, install, leader-settings-changed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5b_a_hook_that_runs_while_the_agent_stops_still_has_its_tools() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "status-set maintenance runs; until [ -e $out/stopping ]; do sleep 0.05; done; state-set late=1",
    );
    let mut host = Host::new(&charm);
    host.start();
    let stopping = host.root().join("stopping");
    let runs = |report: &ReportBody| matches!(report, ReportBody::Now { now: NowReport::Status { message, .. }, .. } if message == "runs");
    host.until("hook", |state| state.reports.iter().any(runs).then_some(())).await;
    let release = async {
        // The hook goes on only when the agent has long been told to stop.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        std::fs::write(stopping, "").unwrap();
    };
    tokio::join!(host.stop(), release);
    host.start();
    assert_eq!(host.rest().await, "");
    assert!(host.trace().starts_with("install, leader-settings-changed"), "it ran once");
    assert_eq!(host.fake.state.lock().unwrap().unit_state.1["late"], "1");
}

/// Hook contract F12.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_a_commit_that_is_refused_fails_the_hook() {
    let mut charm = CharmText::new();
    charm.hook("install", "open-port --endpoints nowhere 80");
    let mut host = Host::new(&charm);
    host.fake.state.lock().unwrap().refuse = Some("endpoint \"nowhere\" not found".into());
    host.start();
    assert_eq!(host.rest().await, "hook `install` failed; waiting for `resolved`");
}

/// Hook contract F13, L21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_a_reboot_comes_after_the_commit_and_then_start() {
    let mut charm = CharmText::new();
    charm.hook("config-changed", "[ -e $out/once ] || { touch $out/once; juju-reboot; }");
    let mut host = Host::new(&charm);
    host.start();
    let rebooting =
        |report: &ReportBody| matches!(report, ReportBody::Now { now: NowReport::Rebooting, .. });
    host.until("reboot", |state| state.reports.iter().any(rebooting).then_some(())).await;
    host.stop().await;
    assert_eq!(host.trace(), "install, leader-settings-changed, config-changed");
    host.settings.boot = Some("boot-2".to_owned());
    host.start();
    host.rest().await;
    assert_eq!(host.trace(), "start, leader-settings-changed");
}

/// Hook contract F14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f14_a_reboot_now_keeps_nothing_and_runs_the_hook_again() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "state-set a=1; [ -e $out/once ] || { touch $out/once; juju-reboot --now; sleep 60; }",
    );
    let mut host = Host::new(&charm);
    host.start();
    let rebooting =
        |report: &ReportBody| matches!(report, ReportBody::Now { now: NowReport::Rebooting, .. });
    host.until("reboot", |state| state.reports.iter().any(rebooting).then_some(())).await;
    host.stop().await;
    assert!(host.commits().is_empty());
    host.settings.boot = Some("boot-2".to_owned());
    host.start();
    host.rest().await;
    assert!(host.trace().starts_with("install, install, "));
}

/// Hook contract F20.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f20_a_retry_sees_the_new_configuration() {
    let mut charm = CharmText::new();
    charm.hook("install", "[ \"$(config-get name)\" = good ]");
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    host.unit(|goal| {
        let good = muster_charms::OptionValue::String("good".into());
        goal.config.insert("name".parse().unwrap(), good);
        goal.resolve = Some(Resolve { seq: goal.seq, retry: true, count: 1 });
    });
    assert_eq!(host.rest().await, "");
}

/// Hook contract F10, F11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_an_agent_killed_at_any_point_of_the_journal_goes_on_from_there() {
    for place in ["deploying", "deployed", "idle", "running", "committing", "queued"] {
        for moment in ["before", "after"] {
            let mut charm = CharmText::new();
            charm.hook("install", "state-set n=\"$(state-get n)x\"");
            let mut host = Host::new(&charm);
            // A follower would hear of the leader's settings anew after each start.
            host.unit(|goal| goal.leader = true);
            let point = format!("{moment} {place}");
            host.crash_at(&point, 1).await;
            host.start();
            let waits = host.rest().await;
            let interrupted = point == "after running";
            if interrupted {
                // The journal says that it was started: it counts as failed (R5, second row).
                assert_eq!(waits, "hook `install` failed; waiting for `resolved`", "{point}");
                host.unit(|goal| {
                    goal.resolve = Some(Resolve { seq: goal.seq, retry: true, count: 1 });
                });
                host.rest().await;
            } else if point == "before committing" {
                // It had ended, but nobody knew: it counts as interrupted too.
                assert_eq!(waits, "hook `install` failed; waiting for `resolved`", "{point}");
                host.unit(|goal| {
                    goal.resolve = Some(Resolve { seq: goal.seq, retry: true, count: 1 });
                });
                host.rest().await;
            } else {
                assert_eq!(waits, "", "{point}");
            }
            let hooks: Vec<String> =
                host.commits().into_iter().map(|(hook, _)| hook.to_string()).collect();
            assert_eq!(
                hooks,
                ["install", "leader-elected", "config-changed", "start"],
                "{point}: each is committed once, in order"
            );
            let state = host.fake.state.lock().unwrap();
            assert_eq!(state.unit_state.1["n"], "x", "{point}: nothing is applied twice");
        }
    }
}

/// Hook contract F10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_what_a_killed_agent_leaves_running_is_ended_before_anything_runs() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "[ -e $out/pid ] && { kill -0 $(cat $out/pid) 2>/dev/null && touch $out/beside; exit 0; }; \
         trap '' TERM; sleep 600 & echo $! > $out/child; echo $$ > $out/pid; wait",
    );
    let mut host = Host::new(&charm);
    // The other unit's journal is where the agent stops as if killed, while the hook goes on.
    host.settings.failpoints = Failpoints::at("before idle", 3);
    host.start();
    host.appears("pid").await;
    host.fake.want(|goal| {
        let other = goal.units[&unit()].clone();
        goal.units.insert("other/0".parse().unwrap(), other);
    });
    assert_eq!(host.ended(false).await, RunEnd::Failpoint);
    host.settings.failpoints = Failpoints::default();
    let (pid, child) = (host.left("pid"), host.left("child"));
    assert!(runs(&pid) && runs(&child), "nobody has ended them");
    host.fake.want(|goal| {
        goal.units.retain(|name, _| *name == unit());
        goal.settings.retry_hooks = true;
    });
    host.start();
    host.until("the retry", |_| {
        let hooks = std::fs::read_to_string(host.root().join("trace")).unwrap_or_default();
        (hooks.lines().count() > 1).then_some(())
    })
    .await;
    assert!(!runs(&pid) && !runs(&child));
    host.stop().await;
    assert!(!host.root().join("beside").exists());
}

/// R12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_no_hook_starts_on_a_full_disk_and_room_is_enough_to_go_on() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut host = Host::new(&CharmText::new());
    std::fs::create_dir(&host.paths.muster).unwrap();
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("none"), &host.paths.muster, Some("tmpfs"), flags, Some("size=32m"))
        .unwrap();
    host.start();
    assert_eq!(host.rest().await, "");
    host.trace();
    let ballast = host.paths.muster.join("ballast");
    std::fs::write(&ballast, vec![0; 24 << 20]).unwrap();
    host.unit(|goal| goal.trust = true);
    let waits = host.rest().await;
    assert!(waits.starts_with("the disk is full: ") && waits.contains("16 MiB"), "{waits}");
    let (code, out, _) = host.exec(1, "echo here").await;
    assert_eq!((code, out.as_str()), (0, "here\n"), "a command may be what frees space");
    assert_eq!(host.trace(), "");
    std::fs::remove_file(&ballast).unwrap();
    host.until("the hook", |_| (!host.trace().is_empty()).then_some(())).await;
    host.stop().await;
}

/// Hook contract F19.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5b_a_planned_stop_lets_the_hook_end_and_f19_runs_no_stop() {
    let mut charm = CharmText::new();
    charm.hook("install", "touch $out/begun; while [ ! -e $out/go ]; do sleep 0.02; done");
    let mut host = Host::new(&charm);
    host.start();
    host.appears("begun").await;
    let go = host.root().join("go");
    let release = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        std::fs::write(go, "").unwrap();
    });
    host.stop().await;
    release.await.unwrap();
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "install, leader-settings-changed, config-changed, start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_is_away_holds_reports_back_and_loses_none() {
    let mut host = Host::new(&CharmText::new());
    host.start();
    host.rest().await;
    host.trace();
    host.fake.state.lock().unwrap().down = true;
    host.stop().await;
    host.start();
    host.fake.state.lock().unwrap().down = false;
    host.unit(|goal| goal.trust = true);
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "leader-settings-changed, config-changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r13_a_flood_of_lines_is_cut_and_the_log_says_so() {
    let mut charm = CharmText::new();
    charm.hook("start", "seq 1 50000");
    let mut host = Host::new(&charm);
    let began = std::time::Instant::now();
    host.start();
    host.rest().await;
    host.stop().await;
    let log = std::fs::read_to_string(host.paths.log(&crate::support::unit())).unwrap();
    let most = 1_000 * (2 + began.elapsed().as_secs());
    let lines = log.lines().filter(|line| line.contains("unit.wiki/0.start")).count() as u64;
    assert!(lines <= most && lines < 50_000, "{lines} lines, at most {most}");
    let out = |line: &str| {
        let (_, said) = line.split_once("agent.rs:1 ")?;
        said.strip_suffix(" lines were left out: a unit logs at most 1000 a second")?.parse().ok()
    };
    let left_out: Vec<u64> = log.lines().filter_map(out).collect();
    let said = left_out.len() as u64;
    assert_eq!(lines - said + left_out.iter().sum::<u64>(), 50_000, "every line is accounted for");
}
