//! Stories in the operator's own words, with the output that they should give.
//!
//! A file of `scenarios/` is a script: lines that an operator types, read by the CLI's own parser,
//! and a few that only a world without hands has (`settle`, `fail UNIT HOOK [N]`, `crash UNIT`,
//! `silence MACHINE SPAN`, `lose STORAGE`, `late` and `prompt` (upkeep), `advance SPAN`, `status`, `hooks UNIT…`,
//! `goal-state UNIT`, `statuses UNIT`, `read UNIT SECRET [--refresh]`, `model NAME`). What a line prints
//! follows it, marked `>`. `UPDATE_EXPECT=1` writes the output anew; the diff is the review.

#[path = "scenarios/desk.rs"]
mod desk;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use desk::Desk;

/// Plays a script; answers it with the output that it gives.
fn play(script: &str) -> String {
    let mut desk = Desk::new();
    let mut played = String::new();
    for line in script.lines().filter(|line| !line.starts_with('>')) {
        played.push_str(line);
        played.push('\n');
        let typed = line.split('#').next().unwrap_or_default().trim();
        if typed.is_empty() {
            continue;
        }
        for said in desk.line(typed).lines() {
            writeln!(played, "> {said}").expect("a String takes everything");
        }
    }
    played
}

#[track_caller]
fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    let kept = fs::read_to_string(&path).expect("the script is there");
    let played = play(&kept);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &played).expect("the script can be written");
    } else {
        assert!(kept == played, "{name} gives another output:\n{played}");
    }
}

#[test]
fn every_script_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let own = include_str!("scenarios.rs");
    for name in names {
        assert!(own.contains(&format!("check(\"{name}\")")), "{name} is not played");
    }
}

#[test]
fn two_applications_are_related_and_scaled() {
    check("relate-and-scale.muster");
}

#[test]
fn a_failed_hook_waits_for_its_answer() {
    check("failing-hook.muster");
}

#[test]
fn a_charm_that_cannot_be_put_in_place_waits_for_its_answer() {
    check("upgrade-conflict.muster");
}

#[test]
fn storage_is_kept_and_attached_again() {
    check("kept-storage.muster");
}

#[test]
fn a_machine_stays_for_the_storage_that_it_keeps() {
    check("kept-storage-machine.muster");
}

#[test]
fn kept_storage_is_destroyed_on_its_machine_when_that_is_asked() {
    check("kept-storage-destroyed.muster");
}

#[test]
fn storage_whose_data_is_gone_is_never_made_anew() {
    check("lost-storage.muster");
}

#[test]
fn storage_is_promised_to_one_unit_at_a_time() {
    check("promised-storage.muster");
}

#[test]
fn by_force_a_container_goes_with_all_that_runs_in_it() {
    check("forced-machine.muster");
}

/// CLI contract trap_13 and cmd_remove-ssh-key.
#[test]
fn keys_of_ssh_concern_machines_and_run_no_hook() {
    check("ssh-keys.muster");
}

#[test]
fn data_on_this_host_itself_outlives_its_machine_and_model() {
    check("kept-storage-host.muster");
}

#[test]
fn a_refresh_says_who_takes_it_and_who_waits() {
    check("refresh-in-error.muster");
}

#[test]
fn an_application_leaves_in_order() {
    check("removal-order.muster");
}

/// Hook contract T39, T59.
#[test]
fn a_unit_reads_how_the_others_stand() {
    check("how-others-stand.muster");
}

/// Hook contract L24, L26.
#[test]
fn the_lead_goes_to_one_that_is_heard() {
    check("leader-loss.muster");
}

/// Hook contract L27.
#[test]
fn a_subordinate_comes_and_goes_with_its_relation() {
    check("subordinate.muster");
}

/// Hook contract C10.
#[test]
fn an_option_of_another_type_is_refused_before_any_hook() {
    check("refused-option.muster");
}

#[test]
fn a_secret_of_an_operator_is_read_by_whom_it_was_granted_to() {
    check("user-secret.muster");
}

#[test]
fn two_models_do_not_see_each_other() {
    check("two-models.muster");
}

#[test]
fn an_agent_that_is_killed_goes_on() {
    check("crash.muster");
}

#[test]
fn a_base_is_an_image_or_that_of_a_machine() {
    check("bases.muster");
}

#[test]
fn keys_of_ssh_are_added_listed_and_removed() {
    check("ssh-keys.muster");
}
