//! Q26 and the demo: the whole of a deployment beside what a person writes for the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::json;

use super::site::{self, Machines, Site};
use super::{Bench, MeasureError, Measured, Row, Run, Unit, io_error, machine};
use crate::call::Call;
use crate::corpus::Corpus;
use crate::demo::{job, stand};

/// Pairs; each takes a minute or more.
const PAIRS: usize = 7;
/// The Ansible that is installed, if it can be had.
const ANSIBLE: &str = "ansible-core==2.16.14";

/// What the hand-written sides are.
const PLAYBOOK: &str = include_str!("by_hand/playbook.yml");
const ENVIRONMENT: &str = include_str!("by_hand/spark-env.sh.j2");
const SERVICE: &str = include_str!("by_hand/spark.service.j2");
const COUNT: &str = include_str!("by_hand/count.sh");

/// What the hand-written script needs from Debian.
const PACKAGES: &str = "ceph-mon ceph-osd radosgw ceph-common mariadb-server openjdk-17-jre-headless \
                        python3-pymysql s3cmd curl";

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        id: "Q26",
        what: "Spark on three enrolled machines, deploy to both workers registered",
        yardstick: "an Ansible playbook doing the same on the same machines",
        goal: Some(0.36),
        run: spark,
    },
    Row {
        id: "demo",
        what: "the demo's bundle, deploy to the row, on warm caches",
        yardstick: "one hand-written script that starts the same parts on one machine",
        goal: Some(1.5),
        run: demo,
    },
];

fn spark(bench: &Bench) -> Result<Measured, MeasureError> {
    let site = Site::up()?;
    let machines = site.machines(site.hand.clone(), 3)?;
    let ansible = Ansible::install(&site, &machines)?;
    let bundle = bundle(&site)?;
    let deploy = || {
        let args = ["deploy", &bundle, "--map-machines", "existing"];
        site.hand.run(&args).map_err(|error| unequal(&error))?;
        machines.workers(2)
    };
    // Once unmeasured: the packages come onto the machines, and the bytes to the controller.
    deploy()?;
    remove(&site, &machines)?;
    let mut java = (0.0, 0.0);
    let paired = bench.pairs(
        PAIRS,
        || {
            let (began, before) = (Instant::now(), machine::used_by("java"));
            deploy()?;
            let took = began.elapsed();
            java.0 = machine::used_by("java") - before;
            remove(&site, &machines)?;
            Ok(Run::of(took))
        },
        || {
            let (began, before) = (Instant::now(), machine::used_by("java"));
            let mut play = ansible.play()?;
            machines.workers(2)?;
            let took = began.elapsed();
            java.1 = machine::used_by("java") - before;
            let ended = play.wait().map_err(io_error("wait for Ansible"))?;
            machines.each(
                "systemctl stop spark; rm -rf /opt/spark /etc/systemd/system/spark.service",
            )?;
            if !ended.success() {
                let said = fs::read_to_string(site.folder().join("ansible.log"));
                return Err(MeasureError::Unequal(said.unwrap_or_default()));
            }
            Ok(Run::of(took))
        },
    )?;
    let milliseconds = |seconds: f64| (seconds * 1000.0) as u64;
    let counts = BTreeMap::from([
        ("A's JVM cpu ms".to_owned(), milliseconds(java.0)),
        ("B's JVM cpu ms".to_owned(), milliseconds(java.1)),
    ]);
    let note = "packages, agents and the tarball's bytes were there before; B facts on, over ssh, \
                starts systemd services as root; what A does more: a user, a sandbox, syncs, two digests";
    Ok(Measured { paired, counts, note: note.to_owned(), unit: Unit::Seconds })
}

/// The bundle: one application on three machines that are there.
fn bundle(site: &Site) -> Result<String, MeasureError> {
    let spark = json!({
        "charm": site.place.folder().join("charms/spark.charm"),
        "num_units": 3,
        "to": ["0", "1", "2"],
        "resources": {"spark-tarball": site.parts.spark.path},
        "options": {
            "daemon-memory": "256m", "worker-cores": 1, "worker-memory": "1g",
            "worker-on-master": "never", "history-enabled": false,
        },
    });
    let bundle = json!({
        "name": "three", "machines": {"0": {}, "1": {}, "2": {}}, "applications": {"spark": spark},
    });
    let path = site.folder().join("three.yaml");
    // JSON is YAML.
    fs::write(&path, bundle.to_string()).map_err(io_error("write a bundle"))?;
    Ok(path.to_string_lossy().into_owned())
}

/// Takes the application away, and what the machines keep of its bytes.
fn remove(site: &Site, machines: &Machines<'_>) -> Result<(), MeasureError> {
    let args = ["remove-application", "spark", "--no-prompt", "--destroy-storage"];
    site.hand.run(&args).map_err(|error| unequal(&error))?;
    site::until(&site.hand, "the application's end", |status| {
        status.get("applications")?.as_object()?.is_empty().then_some(())
    })?;
    machines.each(
        "rm -rf /opt/spark* /var/lib/muster/agent/trees/* /var/lib/muster/agent/blobs/blobs/*",
    )
}

/// Ansible in an environment of its own, with a playbook for three machines.
struct Ansible<'a> {
    site: &'a Site,
    program: PathBuf,
    folder: PathBuf,
}

impl<'a> Ansible<'a> {
    fn install(site: &'a Site, machines: &Machines<'_>) -> Result<Self, MeasureError> {
        let folder = site.folder().join("ansible");
        let environment = folder.join("environment");
        let lacking = |error: crate::call::CallError| {
            let why = muster_console::outcome::Chain(&error).to_string();
            MeasureError::Lacking { what: "Ansible", why }
        };
        fs::create_dir_all(folder.join("templates")).map_err(io_error("make a folder"))?;
        let work = site.voice.work("installing Ansible into an environment of its own");
        Call::new("python3").args(["-m", "venv"]).arg(&environment).run().map_err(lacking)?;
        let pip = environment.join("bin/pip");
        Call::new(pip).args(["install", "--quiet", ANSIBLE]).run().map_err(lacking)?;
        work.done(ANSIBLE);
        let host =
            |machine| Ok::<_, MeasureError>(json!({"ansible_host": machines.address(machine)?}));
        let inventory = json!({
            "spark": {
                "children": {
                    "master": {"hosts": {"one": host(0)?}},
                    "workers": {"hosts": {"two": host(1)?, "three": host(2)?}},
                },
                "vars": {
                    "ansible_user": "root",
                    "ansible_ssh_common_args": machines.options().join(" "),
                    "tarball": site.parts.spark.path,
                },
            },
        });
        let files = [
            ("playbook.yml", PLAYBOOK.to_owned()),
            ("templates/spark-env.sh.j2", ENVIRONMENT.to_owned()),
            ("templates/spark.service.j2", SERVICE.to_owned()),
            ("inventory.yml", inventory.to_string()),
        ];
        for (name, content) in files {
            fs::write(folder.join(name), content).map_err(io_error("write a playbook"))?;
        }
        Ok(Self { site, program: environment.join("bin/ansible-playbook"), folder })
    }

    /// Begins to play.
    fn play(&self) -> Result<Child, MeasureError> {
        let log = fs::File::create(self.site.folder().join("ansible.log"));
        Command::new(&self.program)
            .args(["-i", "inventory.yml", "playbook.yml"])
            .current_dir(&self.folder)
            // It refuses to run where the locale is none that it knows.
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(log.map_err(io_error("open a log"))?)
            .stderr(Stdio::null())
            .spawn()
            .map_err(io_error("start Ansible"))
    }
}

fn demo(bench: &Bench) -> Result<Measured, MeasureError> {
    let site = Site::up()?;
    let corpus = Corpus::gather(&site.place.root).map_err(|error| unequal(&error))?;
    let words = corpus.words();
    let scripted = site.hand.on("by-hand");
    stand::controller(&scripted, &site.voice).map_err(|error| unequal(&error))?;
    let machines = site.machines(scripted, 1)?;
    prepare(&site, &machines, &corpus)?;
    let same = |value: Option<u64>| match value {
        Some(value) if value == words => Ok(()),
        other => Err(MeasureError::Unequal(format!("{other:?} words were counted of {words}"))),
    };
    let all = || {
        let began = Instant::now();
        stand::deploy(&site.hand, &site.built, &site.voice)?;
        let bucket = stand::gateway(&site.hand, &site.voice)?;
        job::upload(&bucket, &corpus, &site.voice)?;
        stand::settled(&site.hand, &site.voice)?;
        let input = format!("s3a://{}/{}/*", bucket.bucket, corpus.label());
        job::submit(&site.hand, &input, &site.voice)?;
        let row = job::last_row(&site.hand)?;
        Ok::<_, crate::demo::DemoError>((began.elapsed(), row))
    };
    let fresh = || {
        let model = site.hand.model();
        let controller = site.hand.controller();
        let full = format!("{controller}:{model}");
        let args = ["destroy-model", &full, "--no-prompt", "--destroy-storage", "--force"];
        site.hand.bare(&args).run()?;
        stand::controller(&site.hand, &site.voice).map_err(|error| unequal(&error))
    };
    let paired = bench.pairs(
        PAIRS,
        || {
            fresh()?;
            let (took, row) = all().map_err(|error| unequal(&error))?;
            same(row.map(|row| row.value))?;
            Ok(Run::of(took))
        },
        || {
            let began = Instant::now();
            let printed = machines.ssh(0, "/srv/parts/count.sh /srv/parts")?;
            let took = began.elapsed();
            same(printed.trim().parse().ok())?;
            machines.ssh(0, "/srv/parts/count.sh --end")?;
            Ok(Run::of(took))
        },
    )?;
    let counts = BTreeMap::from([("words".to_owned(), words)]);
    let note = "A from nothing but the controller: five machines, their packages, volumes of their own; B's \
                packages are installed, on one machine, without volumes, supervision or digests";
    Ok(Measured { paired, counts, note: note.to_owned(), unit: Unit::Seconds })
}

/// Puts onto the machine what the script needs.
fn prepare(site: &Site, machines: &Machines<'_>, corpus: &Corpus) -> Result<(), MeasureError> {
    let work = site.voice.work("preparing the hand-written side");
    machines.each(&format!(
        "echo 'exit 101' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; mkdir -p /srv/parts /usr/share/man/man1; \
         apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends {PACKAGES}"
    ))?;
    let folder = site.folder().join("parts");
    let texts = folder.join("texts");
    fs::create_dir_all(&texts).map_err(io_error("make a folder"))?;
    let put =
        |name: PathBuf, bytes: &[u8]| fs::write(name, bytes).map_err(io_error("write a text"));
    for text in &corpus.texts {
        put(texts.join(&text.name), &text.bytes)?;
    }
    put(folder.join("count.sh"), COUNT.as_bytes())?;
    let link = |from: &PathBuf, name: &str| {
        let to = folder.join(name);
        std::os::unix::fs::symlink(from, &to).map_err(io_error("link a part")).map(|()| to)
    };
    let parts = [
        texts,
        folder.join("count.sh"),
        link(&site.parts.spark.path, "spark.tgz")?,
        link(&site.parts.extra_jars.path, "jars.tgz")?,
        link(&site.place.root.join("charms/spark/apps/word_count.py"), "word_count.py")?,
    ];
    machines.put(0, &parts, "/srv/parts/")?;
    machines.ssh(0, "chmod +x /srv/parts/count.sh")?;
    work.done("");
    Ok(())
}

fn unequal(error: &dyn std::error::Error) -> MeasureError {
    MeasureError::Unequal(muster_console::outcome::Chain(error).to_string())
}
