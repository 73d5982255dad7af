//! The vectors of the layers document, section 14; each was observed on the original tool.

use std::collections::BTreeMap;

use muster_charms::charm::Files;
use muster_charms::yaml::{Limits, parse};

use super::*;

const TEMPLATE: (&str, &str) = ("hooks/hook.template", "#!/bin/sh\nexec run {}\n");
const METADATA: (&str, &str) = ("metadata.yaml", "name: wiki\nsummary: s\ndescription: d\n");

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    for (path, text) in files {
        tree.insert(path, Item::file(text.as_bytes())).unwrap();
    }
    tree
}

/// Composes layers given lowest first; each includes the one before it, the last is the top.
fn stack(layers: &[(&str, &[(&str, &str)])]) -> Result<Composed, ComposeError> {
    stack_with(layers, &Settings { folder: "wiki".into(), ..Settings::default() })
}

fn stack_with(
    layers: &[(&str, &[(&str, &str)])],
    settings: &Settings,
) -> Result<Composed, ComposeError> {
    let mut library: BTreeMap<String, Tree> = BTreeMap::new();
    let mut below: Option<String> = None;
    let mut top = Tree::new();
    for (name, files) in layers {
        let mut files: BTreeMap<String, String> =
            files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect();
        if let Some(below) = &below {
            let text = files.entry("layer.yaml".to_owned()).or_default();
            if !text.contains("includes:") {
                text.push_str(&format!("\nincludes: ['layer:{below}']\n"));
            }
        }
        let files: Vec<(&str, &str)> =
            files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
        top = tree(&files);
        library.insert(format!("layer:{name}"), top.clone());
        below = Some((*name).to_owned());
    }
    compose(&top, &library, settings)
}

fn text<'a>(charm: &'a Composed, path: &str) -> &'a str {
    let bytes = charm.tree.text(path).unwrap_or_else(|| panic!("no {path}: {:?}", charm.tree));
    std::str::from_utf8(bytes).unwrap()
}

fn yaml(charm: &Composed, path: &str) -> serde_json::Value {
    parse(path, text(charm, path).as_bytes(), &Limits::FILE).unwrap().to_json()
}

fn has(charm: &Composed, path: &str) -> bool {
    charm.tree.get(path).is_some()
}

#[test]
fn v01_a_higher_layer_sets_just_the_default() {
    let charm = stack(&[
        ("base", &[TEMPLATE, METADATA, ("config.yaml", "options:\n  a: {type: string, description: A, default: b}\n  b: {type: int}\n  c: {}")]),
        ("top", &[("config.yaml", "options: {a: {default: X}, d: {type: boolean, default: yes}}")]),
    ])
    .unwrap();
    assert_eq!(
        yaml(&charm, "config.yaml"),
        serde_json::json!({"options": {
            "a": {"type": "string", "description": "A", "default": "X"},
            "b": {"type": "int"}, "c": {}, "d": {"type": "boolean", "default": "yes"},
        }})
    );
    assert_eq!(charm.origins.of_key("config.yaml", "options.a.default"), Some("wiki"));
    assert_eq!(charm.origins.of_key("config.yaml", "options.a.type"), Some("layer:base"));
}

const V2: [(&str, &[(&str, &str)]); 4] = [
    ("base", &[TEMPLATE, METADATA, ("keep/base.md", "b"), ("docs/a", "b"), ("x/f.txt", "b")]),
    ("mid", &[("layer.yaml", "ignore: [docs, x/f.txt]"), ("keep/mid.md", "m"), ("x/f.txt", "m")]),
    ("other", &[("layer.yaml", "ignore: [keep]")]),
    ("top", &[]),
];

#[test]
fn v02_ignore_asks_only_the_layer_right_below() {
    let charm = stack(&V2).unwrap();
    assert!(has(&charm, "keep/base.md") && !has(&charm, "keep/mid.md") && !has(&charm, "docs/a"));
    assert_eq!(text(&charm, "x/f.txt"), "m");
    let survives = Warning::SurvivesIgnore { path: "keep/base.md".into(), layer: "other".into() };
    assert!(charm.warnings.contains(&survives), "{:?}", charm.warnings);
}

#[test]
fn v02_ignore_of_all_below_is_to_be_had() {
    let settings =
        Settings { folder: "wiki".into(), ignore_all_below: true, ..Settings::default() };
    let charm = stack_with(&V2, &settings).unwrap();
    assert!(!has(&charm, "keep/base.md") && !has(&charm, "keep/mid.md"));
    assert_eq!(text(&charm, "x/f.txt"), "m");
}

#[test]
fn v03_deletes_reach_only_the_layer_right_above_the_file() {
    let charm = stack(&[
        (
            "base",
            &[
                TEMPLATE,
                METADATA,
                ("actions.yaml", "act1: {}\nact2: {}"),
                ("config.yaml", "options: {a: {}, b: {}}"),
            ],
        ),
        ("mid", &[]),
        (
            "top",
            &[
                ("layer.yaml", "actions: {deletes: [act2]}\nconfig: {deletes: [b]}"),
                ("config.yaml", "options: {}"),
            ],
        ),
    ])
    .unwrap();
    assert_eq!(yaml(&charm, "actions.yaml"), serde_json::json!({"act1": {}, "act2": {}}));
    assert_eq!(yaml(&charm, "config.yaml"), serde_json::json!({"options": {"a": {}}}));
    assert!(
        charm
            .warnings
            .iter()
            .any(|w| matches!(w, Warning::IdleDeletes { file, .. } if file == "actions.yaml"))
    );
}

#[test]
fn v04_the_nearest_list_of_deletes_replaces_the_others() {
    let low: (&str, &[(&str, &str)]) =
        ("base", &[TEMPLATE, METADATA, ("config.yaml", "options: {a: {}, b: {}}")]);
    let mid: (&str, &[(&str, &str)]) = ("mid", &[("layer.yaml", "config: {deletes: [a]}")]);
    let both = stack(&[
        low,
        mid,
        ("top", &[("layer.yaml", "config: {deletes: [b]}"), ("config.yaml", "options: {}")]),
    ])
    .unwrap();
    assert_eq!(yaml(&both, "config.yaml"), serde_json::json!({"options": {"a": {}}}));
    let one =
        stack(&[low, mid, ("top", &[("config.yaml", "options: {a: {default: 1}}")])]).unwrap();
    assert_eq!(yaml(&one, "config.yaml"), serde_json::json!({"options": {"b": {}}}));
    let error = stack(&[low, ("top", &[("layer.yaml", "config: {deletes: [x.y]}")])]).unwrap_err();
    assert!(error.to_string().contains("`x` is not there"), "{error}");
}

#[test]
fn v05_options_lists_unite_and_defaults_stand_aside() {
    let charm = stack(&[
        ("base", &[TEMPLATE, METADATA, ("layer.yaml", "defines: {pkgs: {type: array, default: [a]}, on: {type: boolean, default: true}}")]),
        ("mid", &[("layer.yaml", "options: {base: {pkgs: [b]}}")]),
        ("other", &[("layer.yaml", "options: {base: {pkgs: [c]}}")]),
        ("top", &[]),
    ])
    .unwrap();
    let file = yaml(&charm, "layer.yaml");
    assert_eq!(file["options"]["base"], serde_json::json!({"pkgs": ["b", "c"], "on": true}));
    assert_eq!(file["options"]["mid"], serde_json::json!({}));
    assert_eq!(file["is"], "wiki");
    assert_eq!(file["includes"], serde_json::json!(["layer:base", "layer:mid", "layer:other"]));
    assert!(file.get("defines").is_none());
}

#[test]
fn v06_nested_defaults_need_their_object() {
    let base: (&str, &[(&str, &str)]) = (
        "base",
        &[
            TEMPLATE,
            METADATA,
            ("layer.yaml", "defines: {nest: {type: object, properties: {p: {default: 1}}}}"),
        ],
    );
    let absent = stack(&[base, ("top", &[])]).unwrap();
    assert_eq!(yaml(&absent, "layer.yaml")["options"]["base"], serde_json::json!({}));
    let set = stack(&[base, ("top", &[("layer.yaml", "options: {base: {nest: {}}}")])]).unwrap();
    assert_eq!(yaml(&set, "layer.yaml")["options"]["base"], serde_json::json!({"nest": {"p": 1}}));
}

#[test]
fn v07_every_copyright_is_kept() {
    let charm = stack(&[
        ("base", &[TEMPLATE, METADATA, ("copyright", "b")]),
        ("mid", &[("copyright", "m")]),
        ("top", &[("copyright", "t")]),
    ])
    .unwrap();
    assert_eq!(text(&charm, "copyright"), "t");
    assert_eq!(text(&charm, "copyright.layer-base"), "b");
    assert_eq!(text(&charm, "copyright.layer-mid"), "m");
}

#[test]
fn v08_a_deleted_storage_has_no_hooks() {
    let charm = stack(&[
        ("base", &[TEMPLATE, ("metadata.yaml", "name: b\nsummary: s\ndescription: d\nstorage: {data: {type: block}, scratch: {type: block}}")]),
        ("top", &[METADATA, ("layer.yaml", "metadata: {deletes: [storage.scratch]}")]),
    ])
    .unwrap();
    assert!(
        has(&charm, "hooks/data-storage-attached") && has(&charm, "hooks/data-storage-detaching")
    );
    assert!(!has(&charm, "hooks/scratch-storage-attached"));
    assert_eq!(charm.origins.files["hooks/data-storage-attached"].layer, "layer:base");
}

#[test]
fn v09_hooks_that_layers_bring_are_not_made() {
    let charm = stack(&[
        ("base", &[TEMPLATE]),
        ("mid", &[("hooks/install", "mine")]),
        (
            "top",
            &[
                ("metadata.yaml", "name: wiki\nsummary: s\ndescription: d\nprovides: {web: http}"),
                ("hooks/web-relation-joined", "mine"),
            ],
        ),
    ])
    .unwrap();
    assert_eq!(text(&charm, "hooks/install"), "mine");
    assert_eq!(text(&charm, "hooks/web-relation-joined"), "mine");
    assert_eq!(text(&charm, "hooks/web-relation-changed"), "#!/bin/sh\nexec run web\n");
    assert_eq!(text(&charm, "hooks/start"), "#!/bin/sh\nexec run hook\n");
    let made = charm.origins.files.iter().filter(|(p, o)| p.starts_with("hooks/") && o.made);
    assert_eq!(made.count(), 9 + 4);
    assert_eq!(charm.tree.get("hooks/start"), Some(&Item::program(*b"#!/bin/sh\nexec run hook\n")));
    assert!(!has(&charm, "hooks/remove"));
}

#[test]
fn v10_an_include_by_path_is_cut_in_the_charm() {
    let library = BTreeMap::from([("some/dir/mylayer".to_owned(), tree(&[TEMPLATE, METADATA]))]);
    let top = tree(&[("layer.yaml", "includes: some/dir/mylayer")]);
    let charm =
        compose(&top, &library, &Settings { folder: "a".into(), ..Settings::default() }).unwrap();
    assert_eq!(yaml(&charm, "layer.yaml")["includes"], serde_json::json!(["dir/mylayer"]));
    assert_eq!(charm.layers, ["some/dir/mylayer", "a"]);
    assert!(charm.warnings.contains(&Warning::NameFromBelow { name: "wiki".into() }));
}

#[test]
fn v12_an_excluded_hook_is_missing_and_said_so() {
    let charm = stack(&[
        ("base", &[TEMPLATE, METADATA]),
        ("top", &[("hooks/install", "mine"), ("layer.yaml", "exclude: [hooks/install]")]),
    ])
    .unwrap();
    assert!(!has(&charm, "hooks/install"));
    let missing = Warning::MissingHook { path: "hooks/install".into(), layer: "wiki".into() };
    assert!(charm.warnings.contains(&missing), "{:?}", charm.warnings);
}

#[test]
fn metadata_has_rules_of_its_own() {
    let charm = stack(&[
        ("base", &[TEMPLATE, ("metadata.yaml", "name: b\nsummary: s\ndescription: d\nmaintainer: x\nseries: [trusty, xenial]\ntags: [a]\nrequires: {db: {interface: mysql}}")]),
        ("mid", &[("metadata.yaml", "series: [bionic, xenial]\ntags: [b]\nmaintainers: [y]\nrequires: {db: {limit: 1}}\nstorage:\n")]),
        ("top", &[("metadata.yaml", "zone: 1\nname: wiki\nseries: [focal]\nprovides: {web: http}")]),
    ])
    .unwrap();
    assert_eq!(
        yaml(&charm, "metadata.yaml"),
        serde_json::json!({"name": "wiki", "summary": "s", "description": "d", "tags": ["a", "b"],
            "series": ["focal", "bionic", "xenial", "trusty"],
            "requires": {"db": {"interface": "mysql", "limit": 1}},
            "provides": {"web": {"interface": "http"}}, "zone": 1})
    );
    let keys: Vec<&str> = text(&charm, "metadata.yaml")
        .lines()
        .filter(|l| !l.starts_with(' '))
        .map(|l| l.split(':').next().unwrap())
        .collect();
    assert_eq!(
        keys,
        ["name", "summary", "description", "tags", "series", "requires", "provides", "zone"]
    );
}

#[test]
fn interfaces_go_where_hooks_find_them() {
    let interface = tree(&[
        ("interface.yaml", "name: http\nexclude: [tests]"),
        ("provides.py", "p"),
        ("requires.py", "r"),
        ("tests/t.py", "t"),
        ("README.md", "x"),
        ("a.pyc", "x"),
    ]);
    let base = tree(&[TEMPLATE, METADATA]);
    let library = |interface: Tree| {
        BTreeMap::from([
            ("layer:base".to_owned(), base.clone()),
            ("interface:http".to_owned(), interface),
        ])
    };
    let top = |metadata: &str| {
        tree(&[
            ("layer.yaml", "includes: ['layer:base', 'interface:http']\nexclude: [README.md]"),
            ("metadata.yaml", metadata),
        ])
    };
    let settings = Settings { folder: "wiki".into(), ..Settings::default() };
    let charm = compose(
        &top("name: wiki\nprovides: {web: http, admin: http}"),
        &library(interface.clone()),
        &settings,
    )
    .unwrap();
    let copied: Vec<&str> = charm.tree.below("hooks/relations/http").map(|(p, _)| p).collect();
    assert_eq!(
        copied,
        ["__init__.py", "interface.yaml", "provides.py", "requires.py"]
            .map(|f| format!("hooks/relations/http/{f}"))
    );
    assert_eq!(charm.layers, ["layer:base", "wiki", "interface:http"]);
    assert_eq!(charm.origins.files["hooks/relations/http/provides.py"].layer, "interface:http");
    let error =
        compose(&top("name: wiki\npeers: {web: http}"), &library(interface.clone()), &settings)
            .unwrap_err();
    assert_eq!(error.to_string(), "Missing implementation for interface role: peers.py");
    let unused = compose(&top("name: wiki"), &library(interface), &settings).unwrap();
    assert!(
        unused.warnings.contains(&Warning::UnusedInterface { include: "interface:http".into() })
    );
    assert!(unused.tree.below("hooks/relations").next().is_none());
}

#[test]
fn the_manifest_names_layer_kind_and_digest() {
    let charm = stack(&[("base", &[TEMPLATE, METADATA, ("lib/a.py", "a")]), ("top", &[])]).unwrap();
    let manifest: serde_json::Value =
        serde_json::from_str(text(&charm, ".build.manifest")).unwrap();
    let signature = &manifest["signatures"]["lib/a.py"];
    assert_eq!(signature[0], "layer:base");
    assert_eq!(signature[1], "static");
    assert_eq!(signature[2], "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
    assert_eq!(manifest["signatures"]["hooks/install"][1], "dynamic");
    assert_eq!(manifest["signatures"][".build.manifest"][2], "unchecked");
    assert_eq!(manifest["layers"][0]["url"], "layer:base");
}

#[test]
fn what_cannot_be_composed_says_why() {
    let base: (&str, &[(&str, &str)]) = ("base", &[TEMPLATE, METADATA, ("dir/f", "x")]);
    let told = |layers: &[(&str, &[(&str, &str)])]| stack(layers).unwrap_err().to_string();
    assert_eq!(
        told(&[("top", &[METADATA])]),
        "At least one layer must provide hooks/hook.template"
    );
    assert_eq!(told(&[("top", &[TEMPLATE])]), "At least one layer must provide metadata.yaml");
    assert_eq!(
        told(&[base, ("top", &[("metadata.yaml", "name: 9")])]),
        "Charm name must start with a lower-case letter"
    );
    assert!(
        told(&[base, ("top", &[("config.yaml", "a: [")])])
            .starts_with("Failed to process config.yaml")
    );
    assert!(told(&[base, ("top", &[("dir", "x")])]).contains("where a lower layer has a folder"));
    assert!(told(&[base, ("top", &[("wheelhouse.txt", "six")])]).contains("wheelhouse.txt"));
    assert!(told(&[base, ("top", &[("lib/x.pypi", "six")])]).contains("lib/x.pypi"));
    assert!(
        told(&[base, ("top", &[("layer.yaml", "tactics: [my.Tactic]")])]).contains("my.Tactic")
    );
    assert_eq!(
        told(&[base, ("top", &[("layer.yaml", "options: {no: {a: 1}}")])]).lines().next(),
        Some("Options set for undefined layer: no (by wiki)")
    );
    let defines =
        ("base", &[TEMPLATE, METADATA, ("layer.yaml", "defines: {n: {type: integer}}")][..]);
    assert_eq!(
        told(&[defines, ("top", &[("layer.yaml", "options: {base: {n: x}}")])]),
        "Invalid value for option base.n: expected integer, got string (set by wiki)"
    );
    assert!(
        told(&[defines, ("top", &[("layer.yaml", "options: {base: 3}")])])
            .contains("expected object")
    );
    let charm = stack(&[defines, ("top", &[("layer.yaml", "options: {base: {m: 1}}")])]).unwrap();
    assert!(
        charm
            .warnings
            .contains(&Warning::UnknownOption { layer: "base".into(), option: "m".into() })
    );
}

#[test]
fn numbers_keep_the_digits_they_were_written_with() {
    let charm = stack(&[
        (
            "base",
            &[TEMPLATE, METADATA, ("config.yaml", "options: {mode: {type: int, default: 0755}}")],
        ),
        ("top", &[("config.yaml", "options: {big: {type: int, default: 1_000}}")]),
    ])
    .unwrap();
    let config = text(&charm, "config.yaml");
    assert!(config.contains("default: 0755") && config.contains("default: 1_000"), "{config}");
}
