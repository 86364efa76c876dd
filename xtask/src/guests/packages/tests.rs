//! Packages of an archive in a temporary folder.

use super::*;
use crate::temporary::Temporary;

const ARCH: &str = "amd64";
/// What the archive offers: packages, their versions, and what they depend on.
const OFFERED: [(&str, &str, &str); 3] = [
    ("linux-image-6.1.0-9-cloud-amd64", "6.1.9-1", ""),
    (
        "linux-image-cloud-amd64",
        "6.1.9-1",
        "linux-image-6.1.0-9-cloud-amd64 (= 6.1.9-1), initramfs-tools",
    ),
    ("busybox-static", "1.35-4", ""),
];

struct Archive {
    folder: Temporary,
}

impl Archive {
    fn new() -> Self {
        let folder = Temporary::new("archive").unwrap();
        let mut index = String::new();
        for (name, version, depends) in OFFERED {
            let mut control = format!(
                "Package: {name}\nVersion: {version}\nArchitecture: {ARCH}\n\
                 Maintainer: nobody <nobody@example.org>\nDescription: for a test\n"
            );
            if !depends.is_empty() {
                control += &format!("Depends: {depends}\n");
            }
            let tree = folder.path().join(name);
            std::fs::create_dir_all(tree.join("DEBIAN")).unwrap();
            std::fs::write(tree.join("DEBIAN/control"), &control).unwrap();
            let file = folder.path().join(file_name(name, version));
            let mut build = Command::new("dpkg-deb");
            build.args(["--root-owner-group", "--build"]);
            build.arg(&tree).arg(&file);
            said(build).unwrap();
            let (size, sum) = (file.metadata().unwrap().len(), sha256(&file).unwrap());
            let place = file_name(name, version);
            index += &format!("{control}Filename: ./{place}\nSize: {size}\nSHA256: {sum}\n\n");
        }
        std::fs::write(folder.path().join("Packages"), index).unwrap();
        Self { folder }
    }

    /// apt with this archive only.
    fn apt(&self, trust: &str) -> Result<Apt> {
        let path = self.folder.path();
        let sources = path.join("sources.list");
        let line = format!("deb {trust} file:{} ./\n", path.display());
        std::fs::write(&sources, line).unwrap();
        let options = vec![
            format!("Dir::Etc::SourceList={}", sources.display()),
            "Dir::Etc::SourceParts=-".into(),
        ];
        Apt::in_folder(path.join("apt"), ARCH, options)
    }

    fn sum(&self, name: &str, version: &str) -> String {
        sha256(&self.folder.path().join(file_name(name, version))).unwrap()
    }
}

fn file_name(name: &str, version: &str) -> String {
    format!("{name}_{version}_{ARCH}.deb")
}

fn wanted(name: &str, version: &str, sha256: &str) -> Package {
    Package {
        name: name.into(),
        version: version.into(),
        sha256: sha256.into(),
    }
}

/// Where there is no apt nothing is got with it.
fn has_apt() -> bool {
    setup::debian_packages().is_ok()
}

#[test]
fn a_version_that_is_gone_is_replaced_by_the_one_that_is_offered() {
    if !has_apt() {
        return;
    }
    let archive = Archive::new();
    let apt = archive.apt("[trusted=yes]").unwrap();
    for (name, version, (taken, offered, _)) in [
        ("linux-image-6.1.0-2-cloud-amd64", "6.1.2-1", OFFERED[0]),
        ("busybox-static", "1:1.34-1", OFFERED[2]),
    ] {
        let file = apt.get(&wanted(name, version, "00")).unwrap();
        assert!(file.ends_with(file_name(taken, offered)), "{file:?}");
        assert_eq!(sha256(&file).unwrap(), archive.sum(taken, offered));
    }
    let gone = apt.get(&wanted("iperf", "2.1", "00")).unwrap_err();
    assert!(gone.to_string().contains("iperf"), "{gone}");
}

#[test]
fn a_version_that_is_offered_must_be_the_file_that_is_wanted() {
    if !has_apt() {
        return;
    }
    let archive = Archive::new();
    let apt = archive.apt("[trusted=yes]").unwrap();
    let (name, version, _) = OFFERED[2];
    let sum = archive.sum(name, version);
    let file = apt.get(&wanted(name, version, &sum)).unwrap();
    assert!(file.ends_with(file_name(name, version)));
    let other = apt.get(&wanted(name, version, "00")).unwrap_err();
    assert!(
        other
            .to_string()
            .contains("not that of configs/guests.lock")
    );
}

#[test]
fn nothing_is_taken_from_an_archive_that_nobody_has_signed() {
    if !has_apt() {
        return;
    }
    let archive = Archive::new();
    let taken = archive.apt("").and_then(|apt| {
        let (name, version, _) = OFFERED[2];
        apt.get(&wanted(name, version, &archive.sum(name, version)))
    });
    let why = taken.unwrap_err().to_string();
    assert!(why.contains("Release"), "{why}");
}
