//! Boot images that others made, and what they must do: the file `image.toml` beside them.

use super::Test;
use super::parse::{syntax, test};
use super::source::{Problems, Source};
use super::value::{Reader, Table};
use crate::architecture::Architecture;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::DeTable;

/// The file that describes an image.
pub const DESCRIPTION: &str = "image.toml";

/// Memory of the machine in bytes, unless the file says otherwise: L4Re needs more than our systems.
const DEFAULT_MEMORY: u64 = 512 << 20;

/// One image, for one architecture or both.
#[derive(Debug)]
pub struct ForeignImage {
    /// Paths as seen from the current directory.
    pub files: Vec<(Architecture, PathBuf)>,
    /// Memory of the machine in bytes.
    pub memory: u64,
    /// What it must do. It is always endless.
    pub test: Test,
}

impl ForeignImage {
    /// Reads the description in a folder.
    pub fn read(folder: &Path) -> Result<Self, Problems> {
        parse(Source::read(&folder.join(DESCRIPTION))?)
    }
}

fn parse(source: Source) -> Result<ForeignImage, Problems> {
    let document =
        DeTable::parse(&source.text).map_err(|error| Problems(vec![syntax(&source, &error)]))?;
    let reader = Reader::new(&source);
    let top = Table::new(&reader, "the file".into(), 0..0, document.get_ref());
    let folder = source.path.parent().unwrap_or(Path::new(""));
    let file = |arch: Architecture| {
        let file = top.string(arch.name())?;
        Some((arch, folder.join(file.get_ref())))
    };
    let files: Vec<_> = Architecture::ALL.into_iter().filter_map(file).collect();
    if files.is_empty() {
        let help = "add `x86_64 = \"FILE\"`, `aarch64 = \"FILE\"` or both";
        reader.problem_with_help(&(0..0), "no image is named", help);
    }
    let memory = top
        .size("memory")
        .map_or(DEFAULT_MEMORY, Spanned::into_inner);
    let mut test = Test {
        endless: true,
        ..Test::default()
    };
    if let Some(table) = top.table("test", "[test]") {
        test::expectations(&table, &mut test);
        table.finish();
    }
    if test.expect.is_empty() {
        let help = "add a `[test]` table with `expect = [\"TEXT OF A LINE\"]`";
        reader.problem_with_help(&(0..0), "it does not say what the image must print", help);
    }
    top.finish();
    match reader.into_problems() {
        problems if problems.is_empty() => Ok(ForeignImage {
            files,
            memory,
            test,
        }),
        problems => Err(Problems(problems)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ForeignImage, Vec<String>> {
        let source = Source {
            path: "images/hello/image.toml".into(),
            text: text.into(),
        };
        let lines = |problems: Problems| problems.0.iter().map(|one| one.line()).collect();
        parse(source).map_err(lines)
    }

    #[test]
    fn an_image_has_files_a_machine_and_lines_to_print() {
        let image = read(
            "x86_64 = 'pc.elf'\naarch64 = 'sub/virt.elf'\nmemory = '1G'\n[test]\nexpect = ['one', 'two']\n\
             forbid = ['three']\nsmp = [1, 4]\ngic = [2, 3]\ntimeout = 30\ninput = [{ after = 'one', text = 'x' }]",
        )
        .unwrap();
        assert_eq!(
            image.files,
            [
                (Architecture::X86_64, "images/hello/pc.elf".into()),
                (Architecture::Aarch64, "images/hello/sub/virt.elf".into()),
            ]
        );
        assert_eq!(image.memory, 1 << 30);
        let test = image.test;
        assert!(test.endless);
        assert_eq!((test.expect.len(), test.forbid.len()), (2, 1));
        assert_eq!((test.smp, test.gic), (vec![1, 4], vec![2, 3]));
        assert_eq!((test.timeout, test.input.len()), (30, 1));
    }

    #[test]
    fn the_machine_has_defaults() {
        let image = read("x86_64 = 'a'\n[test]\nexpect = 'one'").unwrap();
        assert_eq!((image.files.len(), image.memory), (1, DEFAULT_MEMORY));
        assert_eq!(image.test.smp, [1]);
    }

    #[test]
    fn each_mistake_is_one_line_with_its_place() {
        for (text, message) in [
            ("[test]\nexpect = 'one'", "no image is named"),
            ("x86_64 = 'a'", "it does not say what the image must print"),
            (
                "x86_64 = 'a'\n[test]\nexpect = []",
                "it does not say what the image must print",
            ),
            (
                "x86_64 = 7\n[test]\nexpect = 'one'",
                "`x86_64` is an integer",
            ),
            (
                "x86 = 'a'\naarch64 = 'a'\n[test]\nexpect = 'one'",
                "unknown field of the file: `x86`",
            ),
            (
                "x86_64 = 'a'\n[test]\nexpect = 'one'\nexit = 0",
                "unknown field of [test]: `exit`",
            ),
            (
                "x86_64 = 'a'\nmemory = 'much'\n[test]\nexpect = 'one'",
                "`memory`",
            ),
            ("x86_64 = 'a", "image.toml:1:"),
        ] {
            let lines = read(text).unwrap_err();
            let told = lines.iter().any(|line| line.contains(message));
            assert!(told, "{text}: {lines:?}");
            for line in lines {
                assert!(line.starts_with("images/hello/image.toml:"), "{line}");
                assert!(!line.contains('\n'), "{line}");
            }
        }
    }
}
