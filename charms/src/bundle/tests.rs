use super::check::{options, with_charms};
use super::*;
use crate::Charm;

fn source<'a>(file: &'a str, folder: &'a str, text: &'a str) -> Source<'a> {
    Source { file, folder, bytes: text.as_bytes() }
}

fn include(path: &str) -> Result<Vec<u8>, String> {
    match path {
        "/b/note.txt" => Ok(b"hello".to_vec()),
        "/b/binary" => Ok(vec![0xff]),
        "/b/huge" => Ok(vec![b'x'; (256 << 10) + 1]),
        _ => Err("no such file".to_owned()),
    }
}

fn constraints(text: &str) -> Result<(), String> {
    if text.contains("bad") { Err(format!("{text:?} is bad")) } else { Ok(()) }
}

fn load(text: &str, overlays: &[&str]) -> Result<Bundle, BadBundle> {
    let overlays: Vec<Source<'_>> =
        overlays.iter().map(|text| source("overlay.yaml", "/o", text)).collect();
    Bundle::load(&source("bundle.yaml", "/b", text), &overlays, &include, &constraints)
}

fn problems(text: &str) -> Vec<String> {
    load(text, &[]).unwrap_err().problems
}

const WIKI: &str = "
applications:
  wiki:
    charm: ./wiki
    num_units: 2
    to: [0, lxd:db/0]
    options: {port: 80, note: include-file://note.txt, bytes: include-base64://binary}
    constraints: mem=1G
    storage: {data: 'loop,2,1G'}
    resources: {app: app.tgz, tool: 7}
    trust: true
  db:
    charm: mysql
    channel: 8.0/stable
    num_units: 1
machines: {0: {constraints: cores=2}}
relations:
  - [wiki:db, db]
";

#[test]
fn a_bundle_is_read_whole() {
    let bundle = load(WIKI, &[]).unwrap_or_else(|e| panic!("{e}"));
    let wiki = &bundle.applications["wiki"];
    assert_eq!(wiki.charm, "/b/wiki");
    assert_eq!(wiki.num_units, Some(2));
    assert_eq!(wiki.to.iter().map(Placement::to_string).collect::<Vec<_>>(), ["0", "lxd:db/0"]);
    assert_eq!(wiki.options["note"].as_str(), Some("hello"));
    assert_eq!(wiki.options["bytes"].as_str(), Some("/w=="));
    assert_eq!(wiki.resources["app"], ResourceRef::Path("/b/app.tgz".into()));
    assert_eq!(wiki.resources["tool"], ResourceRef::Revision(7));
    assert_eq!(wiki.storage["data"].count, Some(2));
    assert!(wiki.trust && wiki.is_local() && !bundle.applications["db"].is_local());
    assert_eq!(bundle.applications["db"].channel.as_deref(), Some("8.0/stable"));
    assert_eq!(bundle.relations[0].0.to_string(), "wiki:db");
    assert!(bundle.unknown_keys.is_empty());
}

#[test]
fn overlays_merge_replace_and_remove() {
    let bundle = load(
        WIKI,
        &[
            "applications: {wiki: {num_units: 1, to: [new], options: {port: null, extra: 1}, \
             charm: ../other, resources: {app: ./x.tgz}, exposed-endpoints: {'': {expose-to-cidrs: [0.0.0.0/0]}}}}\n\
             machines: {}\n--- # second\nrelations: [[wiki:web, proxy:web]]\nsaas: {proxy: {url: admin/m.proxy}}",
            "applications: {db: null}",
        ],
    )
    .unwrap_or_else(|e| panic!("{e}"));
    let wiki = &bundle.applications["wiki"];
    assert_eq!((wiki.num_units, wiki.charm.as_str()), (Some(1), "/o/../other"));
    assert!(!wiki.options.contains_key("port") && wiki.options.contains_key("note"));
    assert!(wiki.options.contains_key("extra"));
    assert_eq!(wiki.resources["app"], ResourceRef::Path("/o/x.tgz".into()));
    assert_eq!(wiki.resources.len(), 2);
    assert!(bundle.machines.is_empty() && !bundle.applications.contains_key("db"));
    // The relation to what was removed is gone with it.
    assert_eq!(bundle.relations.len(), 1);
    assert_eq!(bundle.relations[0].0.to_string(), "wiki:web");
}

#[test]
fn documents_of_one_file_are_overlays() {
    let bundle = load("applications: {a: {charm: x}}\n---\napplications: {a: {offers: {o: {endpoints: [web], acl: {admin: admin}}}}}", &[]).unwrap();
    assert_eq!(bundle.applications["a"].offers["o"].acl["admin"], "admin");
    assert!(
        problems("applications: {a: {charm: x, offers: {o: {endpoints: [w]}}}}")[0]
            .contains("only an overlay")
    );
    assert!(problems("")[0].contains("empty"));
}

#[test]
fn one_overlay_may_offer_and_the_next_say_to_whom() {
    let over = |text: &str| format!("applications: {{a: {{offers: {{o: {text}}}}}}}");
    let overlays =
        [over("{endpoints: [web]}"), over("{acl: {ann: read}}"), over("{acl: {bob: admin}}")];
    let overlays: Vec<&str> = overlays.iter().map(String::as_str).collect();
    let bundle = load("applications: {a: {charm: x}}", &overlays).unwrap_or_else(|e| panic!("{e}"));
    let offer = &bundle.applications["a"].offers["o"];
    assert_eq!((offer.endpoints.len(), offer.acl.len()), (1, 2));
}

#[test]
fn the_old_word_for_applications_is_understood() {
    assert!(load("services: {a: {charm: x}}", &[]).unwrap().applications.contains_key("a"));
}

#[test]
fn all_problems_come_together() {
    let found = problems(
        "
series: jammy
applications:
  a: {charm: x, num_units: 1, to: [7, a/0, b/5, none, none/0], constraints: bad, revision: 3}
  b: {num_units: 1, to: [new, new], expose: true, devices: {gpu: ','}}
  s: {charm: x}
machines: {1: {constraints: bad}}
saas: {s: {url: nowhere}}
relations: [[a:x, a:x], [a:x, b:y], [b:y, a:x], [a, ghost]]
",
    );
    let wanted = [
        "application a: a `revision` needs",
        "constraints: \"bad\" is bad",
        "`to` has 5 entries for 1 units",
        "there is no machine 7",
        "placement a/0: an application cannot be placed on itself",
        "b has no unit 5",
        "placement none: there is no application",
        "placement none/0: there is no application",
        "application b: no charm",
        "`to` has 2 entries",
        "device gpu",
        "machine 1 is defined and not used",
        "machine 1: constraints",
        "both an application and an alias",
        "\"nowhere\" is not",
        "an endpoint cannot be related to itself",
        "relation b:y a:x is listed twice",
        "relation a ghost: there is no application",
    ];
    let told = found.join("\n");
    for wanted in wanted {
        assert!(told.contains(wanted), "{wanted}\n{told}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    for (text, want) in [
        (
            "applications: {a: {charm: x, num_units: -1}}",
            "bundle.yaml:1: `applications.a.num_units`: -1 is out of range",
        ),
        ("applications: {a: {charm: x, num_units: 1, scale: 1}}", "must not both"),
        (
            "applications: {a: {charm: x, annotations: {k: 1}}}",
            "`applications.a.annotations.k`: expected a string",
        ),
        ("applications: {a: {charm: x, storage: {data: '1,2'}}}", "more than one count"),
        ("applications: {a-1: {charm: x}}", "application name"),
        ("applications: {a: {charm: x, to: ['lxd:']}}", "placement \"lxd:\""),
        ("applications: {a: {charm: x}}\nrelations: [[a]]", "two sides, this one 1"),
        ("applications: {a: {charm: x}}\nrelations: [[a, a, a]]", "two sides, this one 3"),
        ("applications: {a: {charm: x}}\nmachines: {x: null}", "by a number"),
        (
            "applications: {a: {charm: x, options: {o: 'include-file://gone'}}}",
            "cannot include \"/b/gone\": no such file",
        ),
        ("applications: {a: {charm: x, options: {o: 'include-file://binary'}}}", "include-base64"),
        ("applications: {a: {charm: x, options: {o: 'include-file://huge'}}}", "the limit is"),
        ("bundle: kubernetes\napplications: {a: {charm: x}}", "cannot be deployed on machines"),
        (
            "series: jammy\ndefault-base: ubuntu@22.04\napplications: {a: {charm: x}}",
            "must not be mixed",
        ),
        ("applications: {a: {charm: x}, a: {charm: y}}", "bundle.yaml:1:"),
        ("- a", "expected a map"),
        ("applications: {}", "at least one application"),
    ] {
        let told = problems(text).join("\n");
        assert!(told.contains(want), "{text}\n{told}");
    }
    let bundle =
        load("applications: {a: {charm: x, optoins: {}}}\nvariables: {}\nzone: 1", &[]).unwrap();
    assert_eq!(bundle.unknown_keys, ["zone", "applications.a.optoins"]);
}

fn charm(text: &str, config: &str) -> Charm {
    let files = BTreeMap::from([
        (
            "metadata.yaml".to_owned(),
            format!("name: x\nsummary: s\ndescription: d\n{text}").into_bytes(),
        ),
        ("config.yaml".to_owned(), config.as_bytes().to_vec()),
    ]);
    Charm::read(&files).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn charms_are_held_against_the_bundle() {
    let bundle = load(
        "applications:\n  wiki: {charm: x, options: {port: x, none: 1, text: 5}, storage: {data: '3,1M', gone: 1G}, resources: {gone: 1}, bindings: {gone: s, '': s}}\n  \
         sub: {charm: y, num_units: 1, to: [new]}\n  db: {charm: z}\nrelations: [[wiki:gone, db], [wiki, sub], [wiki, db]]",
        &[],
    )
    .unwrap_or_else(|e| panic!("{e}"));
    let charms = BTreeMap::from([
        (
            "wiki".parse().unwrap(),
            charm(
                "requires: {db: mysql}\nstorage: {data: {type: filesystem, multiple: {range: 1-2}, minimum-size: 1G}}",
                "options: {port: {type: int}, text: {}}",
            ),
        ),
        (
            "sub".parse().unwrap(),
            charm(
                "subordinate: true\nrequires: {juju-info: {interface: juju-info, scope: container}}",
                "options: {}",
            ),
        ),
        ("db".parse().unwrap(), charm("provides: {db: mysql, admin: mysql}", "options: {}")),
    ]);
    let told = with_charms(&bundle, &charms).join("\n");
    for wanted in [
        "option port: expected int",
        "no option none",
        "storage data: 3 is not within 1-2",
        "storage data: at least 1024M",
        "no storage",
        "no resource",
        "no endpoint gone",
        "a subordinate has no units",
        "a subordinate cannot be placed",
        "relation wiki:gone db: wiki has no endpoint",
        "relation wiki db: ambiguous, it could be: wiki:db db:admin, wiki:db db:db",
    ] {
        assert!(told.contains(wanted), "{wanted}\n{told}");
    }
    // What every charm provides is found where nothing else matches.
    assert!(!told.contains("relation wiki sub"), "{told}");
    let typed = options(&bundle.applications["wiki"], &charms["wiki"]).unwrap_err();
    assert_eq!(typed.len(), 2, "a number is text where text is wanted: {typed:?}");
}
