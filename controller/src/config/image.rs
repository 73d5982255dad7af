//! What may be set of images: a section `[image."BASE"]` for each base.

use std::collections::BTreeMap;
use std::path::PathBuf;

use muster_charms::Base;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::substrate::{Images, Wanted, check_file};

/// What a section may say; everything has a default for bases that are known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Section {
    #[serde(skip_serializing_if = "Option::is_none")]
    suite: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pockets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keyring: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packages: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, String>,
}

/// The images that these sections leave, over the usual ones. `mirror` is Debian's.
pub(super) fn images(
    mirror: Option<&str>,
    sections: BTreeMap<String, Section>,
) -> Result<Images, ConfigError> {
    if let Some(mirror) = mirror.filter(|mirror| !is_url(mirror)) {
        return Err(wrong("machine-mirror", mirror, URL));
    }
    let mut all: Vec<(Base, Wanted)> = Vec::new();
    for (name, section) in sections {
        let base: Base = name
            .parse()
            .map_err(|_| wrong("image", &name, "a section is called as a base: ubuntu@22.04"))?;
        if all.iter().any(|(known, _)| known.same_release(&base)) {
            return Err(wrong("image", &name, "there is one section for each release"));
        }
        all.push((base, section.checked(&name)?));
    }
    Images::new(mirror, &all).map_err(|base| {
        wrong("image", &base.release(), "a base that is not known by itself needs a `suite`")
    })
}

const URL: &str = "it begins with http:// or https:// and has no blanks";

fn wrong(key: &'static str, value: &str, rule: &'static str) -> ConfigError {
    ConfigError::Value { key, value: value.to_owned(), rule }
}

fn is_url(text: &str) -> bool {
    let web = text.starts_with("http://") || text.starts_with("https://");
    web && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

impl Section {
    /// What is wanted, if none of it would mean something else to the tools that it is handed to.
    fn checked(self, name: &str) -> Result<Wanted, ConfigError> {
        let bad = |key: &str, value: &str, rule| {
            Err(wrong("image", &format!("{name} {key} {value}"), rule))
        };
        let plain = |word: &String| {
            word.starts_with(|c: char| c.is_ascii_alphanumeric())
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:/".contains(c))
        };
        let lists = [
            ("suite", self.suite.as_slice()),
            ("components", self.components.as_deref().unwrap_or_default()),
            ("pockets", self.pockets.as_deref().unwrap_or_default()),
            ("packages", &self.packages),
        ];
        for (key, words) in lists {
            if let Some(word) = words.iter().find(|word| !plain(word)) {
                return bad(key, word, "it is one word of letters, digits and + - . : /");
            }
        }
        if self.components.as_ref().is_some_and(Vec::is_empty) {
            return bad("components", "", "there is at least one, such as main");
        }
        if let Some(mirror) = self.mirror.as_ref().filter(|mirror| !is_url(mirror)) {
            return bad("mirror", mirror, URL);
        }
        if let Some(keyring) = &self.keyring {
            let shown = keyring.display().to_string();
            if !keyring.is_absolute() || shown.contains([' ', ']', '\n']) {
                return bad("keyring", &shown, "it is an absolute path without blanks");
            }
        }
        for path in self.files.keys() {
            if check_file(path).is_err() {
                return bad(
                    "files",
                    path,
                    "it is an absolute path without `..`, and not below /run, /tmp, /dev, /proc or /sys",
                );
            }
        }
        let Section { suite, mirror, components, pockets, keyring, packages, files } = self;
        Ok(Wanted { suite, mirror, components, pockets, keyring, packages, files })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, SubstrateChoice, load};
    use super::*;

    fn loaded(text: &str) -> Result<Settings, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        load(Some(file.path()), &BTreeMap::new()).map_err(|e| crate::Chain(&e).to_string())
    }

    #[test]
    fn sections_say_what_bases_mean() {
        let settings = loaded(
            "machine-mirror = \"http://mirror.example/debian\"\n\
             [image.\"ubuntu@22.04\"]\n\
             packages = [\"build-essential\"]\n\
             [image.\"ubuntu@22.04\".files]\n\"/etc/motd\" = \"mine\"\n\
             [image.\"ubuntu@24.04\"]\nmirror = \"https://mirror.example/ubuntu\"\n\
             [image.\"genericlinux@1\"]\nsuite = \"trixie\"\n",
        )
        .unwrap();
        let SubstrateChoice::Nspawn { images, .. } = settings.substrate else {
            panic!("machines are made")
        };
        let of = |text: &str| images.of(Some(&text.parse().unwrap())).unwrap();
        let jammy = of("ubuntu@22.04");
        assert!(jammy.packages.contains(&"build-essential".to_owned()));
        assert_eq!(jammy.files.get("/etc/motd").map(String::as_str), Some("mine"));
        assert!(jammy.files.contains_key("/etc/lsb-release"), "what is usual stays");
        assert_eq!(jammy.mirror.as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(of("ubuntu@24.04").suite, "noble");
        assert_eq!(of("genericlinux@1").suite, "trixie");
        assert_eq!(of("debian@12").suite, "bookworm");
    }

    #[test]
    fn what_cannot_be_is_named_with_its_place() {
        let mirror = "machine-mirror = \"mirror.example\"\n";
        let long = "[image.\"ubuntu@22.04\"]\n";
        for (text, word) in [
            ("[image.jammy]\n".to_owned(), "called as a base"),
            ("[image.\"centos@9\"]\n".to_owned(), "centos@9"),
            (mirror.to_owned(), "machine-mirror"),
            (format!("{long}mirror = \"ftp://x\"\n"), "ubuntu@22.04 mirror ftp://x"),
            (format!("{long}packages = [\"-o=x\"]\n"), "packages -o=x"),
            (format!("{long}suite = \"a b\"\n"), "suite a b"),
            (format!("{long}components = []\n"), "at least one"),
            (format!("{long}keyring = \"keys.gpg\"\n"), "absolute path"),
            (format!("{long}files = {{\"/run/x\" = \"\"}}\n"), "files /run/x"),
            (format!("{long}files = {{\"/etc/../x\" = \"\"}}\n"), "files /etc/../x"),
            (format!("{long}flavour = \"hot\"\n"), "flavour"),
            (format!("{long}[image.\"ubuntu@22.04/edge\"]\n"), "one section for each"),
        ] {
            let said = loaded(&text).expect_err(&text);
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
