//! Which image a base means.
//!
//! A base is a name that charms give: `ubuntu@22.04`. The image says what the root of its machines is
//! made from: a suite of a mirror, packages, and files written over theirs. Debian's images come from
//! the host's own mirrors. Of Ubuntu there is a mirror only where a setting names one; without, the
//! root is a Debian with the `/etc/os-release` and `/etc/lsb-release` of that release, which is what
//! charms look at, and it says in `VARIANT` what it is (layers.md, section 18).

use std::collections::BTreeMap;
use std::path::PathBuf;

use muster_charms::Base;

use super::SubstrateError;
use super::root::PACKAGES;

/// Charms in Python make their environment with these, and `layer:basic` looks for them before it may
/// install anything (layers.md, section 18).
const PYTHON: [&str; 3] = ["python3-pip", "python3-setuptools", "python3-venv"];

/// Bases that have an image although no setting names one; the first is that of machines of which
/// nobody says a base.
const USUAL: [&str; 5] = ["debian@12", "debian@13", "ubuntu@24.04", "ubuntu@22.04", "ubuntu@20.04"];

/// The suite that stands in for a release of Ubuntu. Its Python is nearest to those of all of them.
const STAND_IN: &str = "bookworm";

/// Where the keys of Ubuntu's archive are, on Debian and on Ubuntu.
const UBUNTU_KEYS: &str = "/usr/share/keyrings/ubuntu-archive-keyring.gpg";

/// A release that is known by name.
struct Release {
    base: &'static str,
    suite: &'static str,
    /// As its os-release has it.
    version: &'static str,
}

const RELEASES: [Release; 7] = [
    Release { base: "debian@11", suite: "bullseye", version: "11 (bullseye)" },
    Release { base: "debian@12", suite: "bookworm", version: "12 (bookworm)" },
    Release { base: "debian@13", suite: "trixie", version: "13 (trixie)" },
    Release { base: "ubuntu@18.04", suite: "bionic", version: "18.04 LTS (Bionic Beaver)" },
    Release { base: "ubuntu@20.04", suite: "focal", version: "20.04 LTS (Focal Fossa)" },
    Release { base: "ubuntu@22.04", suite: "jammy", version: "22.04 LTS (Jammy Jellyfish)" },
    Release { base: "ubuntu@24.04", suite: "noble", version: "24.04 LTS (Noble Numbat)" },
];

/// What the root of a base's machines is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Which base it is of.
    pub base: Base,
    /// The suite, such as `bookworm`.
    pub suite: String,
    /// Where packages come from, by HTTP; the host's own sources when none is named.
    pub mirror: Option<String>,
    /// Components of the mirror.
    pub components: Vec<String>,
    /// What of the mirror is used beside the suite itself, such as `updates` for `jammy-updates`.
    pub pockets: Vec<String>,
    /// The keys that sign the mirror, a file of this host and of the root; the host's own when none.
    pub keyring: Option<PathBuf>,
    /// The packages of the root.
    pub packages: Vec<String>,
    /// Files written over those of the packages, which then leave them alone: absolute path, content.
    pub files: BTreeMap<String, String>,
    /// What it is in truth, where it only says that it is `base`.
    pub stands_on: Option<Base>,
}

/// What may be said of an image; the rest is as usual for its base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The suite.
    pub suite: Option<String>,
    /// The mirror.
    pub mirror: Option<String>,
    /// The components.
    pub components: Option<Vec<String>>,
    /// The pockets.
    pub pockets: Option<Vec<String>>,
    /// The keys.
    pub keyring: Option<PathBuf>,
    /// Packages beside the usual ones.
    pub packages: Vec<String>,
    /// Files beside the usual ones.
    pub files: BTreeMap<String, String>,
}

impl Image {
    /// The image of a base. `mirror` is that of Debian, where the settings name one for all.
    ///
    /// None, where no suite is named and the base is no release that is known.
    #[must_use]
    pub fn new(base: &Base, mirror: Option<&str>, wanted: &Wanted) -> Option<Image> {
        let known = RELEASES.iter().find(|release| release.base == base.release());
        let usual = match known {
            Some(_) if base.name == "ubuntu" && wanted.mirror.is_none() => Some(STAND_IN),
            Some(known) => Some(known.suite),
            None => None,
        };
        let suite = wanted.suite.clone().or_else(|| usual.map(str::to_owned))?;
        let root = RELEASES.iter().find(|release| release.suite == suite);
        let root: Option<Base> = root.and_then(|release| release.base.parse().ok());
        let system = root.as_ref().unwrap_or(base).name.clone();
        let (debian, ubuntu) = (system == "debian", system == "ubuntu");
        let of_all = mirror.filter(|_| debian).map(str::to_owned);
        let stands_on = root.filter(|root| debian && !root.same_release(base));
        let mut files = match (known, &stands_on) {
            (Some(release), Some(root)) => guise(release, root),
            _ => BTreeMap::new(),
        };
        files.extend(wanted.files.clone());
        let packages = PACKAGES.iter().chain(&PYTHON).map(|package| (*package).to_owned());
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Some(Image {
            base: base.clone(),
            suite,
            mirror: wanted.mirror.clone().or(of_all),
            components: wanted
                .components
                .clone()
                .unwrap_or_else(|| words(if ubuntu { &["main", "universe"] } else { &["main"] })),
            // Debian keeps security elsewhere; the host's own sources say where.
            pockets: wanted
                .pockets
                .clone()
                .unwrap_or_else(|| words(if ubuntu { &["updates", "security"] } else { &[] })),
            keyring: wanted.keyring.clone().or_else(|| ubuntu.then(|| UBUNTU_KEYS.into())),
            packages: packages.chain(wanted.packages.iter().cloned()).collect(),
            files,
            stands_on,
        })
    }
}

/// The files by which a Debian passes for this release of Ubuntu.
fn guise(release: &Release, root: &Base) -> BTreeMap<String, String> {
    let Some((_, number)) = release.base.split_once('@').filter(|(name, _)| *name == "ubuntu")
    else {
        return BTreeMap::new();
    };
    let Release { suite, version, .. } = release;
    let title = format!("Ubuntu {}", version.split(" (").next().unwrap_or(version));
    let os = format!(
        "PRETTY_NAME=\"{title}\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"{number}\"\nVERSION=\"{version}\"\n\
         VERSION_CODENAME={suite}\nID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME={suite}\n\
         VARIANT=\"{} {} under another name, by Muster\"\nVARIANT_ID=muster-{}-{}\n",
        root.name,
        root.track(),
        root.name,
        root.track()
    );
    let lsb = format!(
        "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={number}\nDISTRIB_CODENAME={suite}\n\
         DISTRIB_DESCRIPTION=\"{title}\"\n"
    );
    // `/etc/os-release` is a link to it, on both.
    BTreeMap::from([("/usr/lib/os-release".to_owned(), os), ("/etc/lsb-release".to_owned(), lsb)])
}

/// Every image that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images(Vec<Image>);

/// The usual ones.
impl Default for Images {
    fn default() -> Self {
        let usual = USUAL.iter().filter_map(|text| text.parse().ok());
        let image = |base: Base| Image::new(&base, None, &Wanted::default());
        Images(usual.filter_map(image).collect())
    }
}

impl Images {
    /// The usual images, over them what the settings say of some bases.
    ///
    /// # Errors
    ///
    /// The base of which nothing says what its root is made from.
    pub fn new(mirror: Option<&str>, wanted: &[(Base, Wanted)]) -> Result<Images, Base> {
        let mut bases: Vec<Base> = USUAL.iter().filter_map(|text| text.parse().ok()).collect();
        for (base, _) in wanted {
            if !bases.iter().any(|known| known.same_release(base)) {
                bases.push(base.clone());
            }
        }
        let usual = Wanted::default();
        let image = |base: Base| {
            let said = wanted.iter().find(|(said, _)| said.same_release(&base));
            Image::new(&base, mirror, said.map_or(&usual, |(_, wanted)| wanted)).ok_or(base)
        };
        bases.into_iter().map(image).collect::<Result<_, _>>().map(Images)
    }

    /// The image of a base; of machines of which nobody says one, the first.
    ///
    /// # Errors
    ///
    /// [`SubstrateError::NoImage`].
    pub fn of(&self, base: Option<&Base>) -> Result<&Image, SubstrateError> {
        let found = match base {
            Some(base) => self.0.iter().find(|image| image.base.same_release(base)),
            None => self.0.first(),
        };
        found.ok_or_else(|| SubstrateError::NoImage {
            base: base.map(Base::release).unwrap_or_default(),
        })
    }

    /// Every image.
    pub fn iter(&self) -> impl Iterator<Item = &Image> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Base {
        text.parse().unwrap()
    }

    fn image(text: &str, wanted: &Wanted) -> Image {
        Image::new(&base(text), None, wanted).unwrap()
    }

    #[test]
    fn debian_is_itself_from_the_mirrors_of_the_host() {
        let images = Images::new(None, &[]).unwrap();
        assert_eq!(images.of(None).unwrap().base, base("debian@12"));
        let twelve = images.of(Some(&base("debian@12/edge"))).unwrap();
        assert_eq!((twelve.suite.as_str(), &twelve.mirror), ("bookworm", &None));
        assert_eq!((&twelve.stands_on, twelve.files.len()), (&None, 0));
        assert_eq!(images.of(Some(&base("debian@13"))).unwrap().suite, "trixie");
        let gone = images.of(Some(&base("centos@9"))).unwrap_err().to_string();
        assert!(gone.contains("[image.\"centos@9\"]"), "{gone}");
        for package in PYTHON {
            assert!(twelve.packages.iter().any(|known| known == package), "{package}");
        }
    }

    #[test]
    fn ubuntu_without_a_mirror_is_a_debian_that_says_it_is_ubuntu() {
        let jammy = image("ubuntu@22.04", &Wanted::default());
        assert_eq!((jammy.suite.as_str(), &jammy.mirror), ("bookworm", &None));
        assert_eq!(jammy.stands_on, Some(base("debian@12")));
        let os = jammy.files.get("/usr/lib/os-release").unwrap();
        for line in
            ["NAME=\"Ubuntu\"", "ID=ubuntu", "VERSION_ID=\"22.04\"", "VERSION_CODENAME=jammy"]
        {
            assert!(os.lines().any(|found| found == line), "{line} in {os}");
        }
        assert!(os.contains("VARIANT_ID=muster-debian-12"), "{os}");
        assert_eq!(
            jammy.files.get("/etc/lsb-release").unwrap(),
            "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_CODENAME=jammy\n\
             DISTRIB_DESCRIPTION=\"Ubuntu 22.04 LTS\"\n"
        );
        let suite = Some("trixie".to_owned());
        let noble = image("ubuntu@24.04", &Wanted { suite, ..Wanted::default() });
        assert_eq!(noble.stands_on, Some(base("debian@13")));
    }

    #[test]
    fn a_mirror_makes_it_ubuntu() {
        let mirror = Some("http://mirror.example/ubuntu".to_owned());
        let wanted = Wanted { mirror, packages: vec!["gcc".into()], ..Wanted::default() };
        let jammy = image("ubuntu@22.04", &wanted);
        assert_eq!((jammy.suite.as_str(), &jammy.stands_on), ("jammy", &None));
        assert_eq!(jammy.components, ["main", "universe"]);
        assert_eq!(jammy.pockets, ["updates", "security"]);
        assert_eq!(jammy.keyring, Some(UBUNTU_KEYS.into()));
        assert!(jammy.files.is_empty() && jammy.packages.contains(&"gcc".to_owned()));
        // Debian's mirror is not Ubuntu's.
        let debian = Some("http://mirror.example/debian");
        let images = Images::new(debian, &[(base("ubuntu@22.04"), wanted.clone())]).unwrap();
        let of = |text| images.of(Some(&base(text))).unwrap().mirror.clone();
        assert_eq!(of("ubuntu@22.04"), wanted.mirror);
        assert_eq!(of("ubuntu@20.04").as_deref(), debian);
        assert_eq!(of("debian@12").as_deref(), debian);
    }

    #[test]
    fn a_base_that_is_not_known_needs_a_suite() {
        let wanted = |suite: Option<&str>| {
            let suite = suite.map(str::to_owned);
            let files = BTreeMap::from([("/etc/lsb-release".to_owned(), "X=1\n".to_owned())]);
            [(base("genericlinux@1"), Wanted { suite, files, ..Wanted::default() })]
        };
        assert_eq!(Images::new(None, &wanted(None)), Err(base("genericlinux@1")));
        let images = Images::new(None, &wanted(Some("trixie"))).unwrap();
        let image = images.of(Some(&base("genericlinux@1"))).unwrap();
        assert_eq!(image.stands_on, Some(base("debian@13")));
        assert_eq!(image.files.get("/etc/lsb-release").unwrap(), "X=1\n");
        // An old release of Ubuntu stands in like the others, on request.
        let images = Images::new(None, &[(base("ubuntu@18.04"), Wanted::default())]).unwrap();
        let bionic = images.of(Some(&base("ubuntu@18.04"))).unwrap();
        assert!(bionic.files.get("/etc/lsb-release").unwrap().contains("bionic"));
    }
}
