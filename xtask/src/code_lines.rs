//! Counting lines of code: what is neither blank, nor comment, nor there for tests only. Lines of unsafe
//! code and of assembler are counted apart as well.

use crate::failure::{Context, Result};
use std::path::Path;

/// Parts of a path that say: only for tests.
const TESTS: [&str; 4] = ["tests", "testing", "loom", "hosted"];

/// Lines of code in the Rust files in and below `path` for which `wanted` holds; it gets the path from
/// there, with slashes.
pub fn in_folder(path: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<usize> {
    let mut lines = 0;
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let reading = || format!("reading {}", folder.display());
        for entry in std::fs::read_dir(&folder).context(reading)? {
            let file = entry.context(reading)?.path();
            if file.is_dir() {
                folders.push(file);
            } else if file.extension().is_some_and(|extension| extension == "rs") {
                let name = file.strip_prefix(path).unwrap_or(&file).to_string_lossy();
                if !is_test(&name) && wanted(&name) {
                    let text = std::fs::read_to_string(&file);
                    lines += count(&text.context(|| file.display())?);
                }
            }
        }
    }
    Ok(lines)
}

fn is_test(path: &str) -> bool {
    let mut parts = path.split('/').map(|part| part.trim_end_matches(".rs"));
    parts.any(|part| TESTS.contains(&part))
}

/// Lines of code, and how many of them are special.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    pub all: usize,
    /// In unsafe blocks, functions, implementations and declarations.
    pub unsafe_code: usize,
    /// In `asm!` and its kind.
    pub assembler: usize,
}

impl std::ops::AddAssign for Lines {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.unsafe_code += other.unsafe_code;
        self.assembler += other.assembler;
    }
}

/// Lines of code in a Rust file, without items that only tests have.
pub fn count(text: &str) -> usize {
    measure(text).all
}

/// The same, with what is special about them.
pub fn measure(text: &str) -> Lines {
    let mut code = mask(text);
    remove_tests(&mut code);
    let marks = special(&code);
    let mut lines = Lines::default();
    let (mut at, mut line) = (0, Line::default());
    for &c in code.iter().chain(&['\n']) {
        if c == '\n' {
            lines.all += usize::from(line.is_code);
            lines.unsafe_code += usize::from(line.is_unsafe);
            lines.assembler += usize::from(line.is_assembler);
            line = Line::default();
        } else if !c.is_whitespace() {
            line.is_code = true;
            line.is_unsafe |= marks[at].is_unsafe;
            line.is_assembler |= marks[at].is_assembler;
        }
        at += 1;
    }
    lines
}

#[derive(Clone, Copy, Default)]
struct Line {
    is_code: bool,
    is_unsafe: bool,
    is_assembler: bool,
}

/// Macros whose content is assembler.
const ASSEMBLER: [&str; 3] = ["asm!", "global_asm!", "naked_asm!"];

/// What each character of masked code belongs to.
fn special(code: &[char]) -> Vec<Line> {
    let mut marks = vec![Line::default(); code.len()];
    for at in 0..code.len() {
        if at > 0 && is_word(code[at - 1]) {
            continue;
        }
        if starts_with(code, at, "unsafe") && !code.get(at + 6).is_some_and(|&c| is_word(c)) {
            let end = unsafe_end(code, at + "unsafe".len());
            marks[at..end]
                .iter_mut()
                .for_each(|mark| mark.is_unsafe = true);
        } else if ASSEMBLER.iter().any(|name| starts_with(code, at, name)) {
            let end = group_end(code, at);
            (marks[at..end].iter_mut()).for_each(|mark| mark.is_assembler = true);
        }
    }
    marks
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn starts_with(code: &[char], at: usize, text: &str) -> bool {
    let mut rest = code[at..].iter();
    text.chars().all(|c| rest.next() == Some(&c))
}

/// Where the braces that follow `unsafe` close; or its declaration, type or attribute ends.
fn unsafe_end(code: &[char], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, &c) in code.iter().enumerate().skip(from) {
        match c {
            '{' if depth == 0 => return group_end(code, at),
            '(' | '[' => depth += 1,
            ')' | ']' if depth == 0 => return at,
            ')' | ']' => depth -= 1,
            ';' | ',' | '=' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Behind the bracket that closes the first one from `from` on.
fn group_end(code: &[char], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, &c) in code.iter().enumerate().skip(from) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// The text with comments blanked, and an `x` for each character of texts.
fn mask(text: &str) -> Vec<char> {
    let chars: Vec<char> = text.chars().collect();
    let mut masked = chars.clone();
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => {
                let end = line_end(&chars, at);
                fill(&mut masked, at, end, ' ');
                end
            }
            '/' if chars.get(at + 1) == Some(&'*') => {
                let end = comment_end(&chars, at);
                fill(&mut masked, at, end, ' ');
                end
            }
            'r' if !follows_word(&chars, at) && raw_text_end(&chars, at).is_some() => {
                let end = raw_text_end(&chars, at).unwrap_or(at + 1);
                fill(&mut masked, at, end, 'x');
                end
            }
            '"' => {
                let end = text_end(&chars, at, '"');
                fill(&mut masked, at, end, 'x');
                end
            }
            // A character, not a lifetime.
            '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => {
                let end = text_end(&chars, at, '\'');
                fill(&mut masked, at, end, 'x');
                end
            }
            _ => at + 1,
        };
        at = end;
    }
    masked
}

fn fill(masked: &mut [char], from: usize, to: usize, with: char) {
    let part = masked[from..to].iter_mut();
    part.filter(|c| **c != '\n').for_each(|c| *c = with);
}

fn follows_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') && chars[at - 1] != 'b'
}

fn line_end(chars: &[char], from: usize) -> usize {
    let length = chars[from..].iter().position(|&c| c == '\n');
    length.map_or(chars.len(), |length| from + length)
}

/// Comments are nested.
fn comment_end(chars: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn text_end(chars: &[char], from: usize, quote: char) -> usize {
    let mut at = from + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a text such as `r#"…"#`, if one begins here.
fn raw_text_end(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from + 1..].iter().take_while(|&&c| c == '#').count();
    let start = from + 1 + hashes;
    if chars.get(start) != Some(&'"') {
        return None;
    }
    let mut at = start + 1;
    while at < chars.len() {
        let closing = chars.get(at + 1..at + 1 + hashes);
        if chars[at] == '"' && closing.is_some_and(|c| c.iter().all(|&c| c == '#')) {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(chars.len())
}

/// Blanks the items that have `#[cfg(test)]`, or `all(test, …)` in it.
fn remove_tests(code: &mut [char]) {
    let mut at = 0;
    while at < code.len() {
        let text: String = code[at..code.len().min(at + 24)].iter().collect();
        if text.starts_with("#[cfg(test)]") || text.starts_with("#[cfg(all(test,") {
            let end = item_end(code, at);
            fill(code, at, end, ' ');
            at = end;
        } else {
            at += 1;
        }
    }
}

/// Where the item ends that begins with attributes at `from`.
fn item_end(code: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0_usize, from);
    let mut in_attribute = false;
    while at < code.len() {
        match code[at] {
            '#' if depth == 0 => in_attribute = true,
            '(' | '[' | '{' => depth += 1,
            closing @ (')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 && closing == ']' {
                    in_attribute = false;
                } else if depth == 0 && closing == '}' && !in_attribute {
                    return at + 1;
                }
            }
            // Of a statement, an item without body, or a field.
            ';' | ',' if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_do_not_count() {
        let text = "//! Doc.\n\nfn a() { // why\n    /* b\n    /* nested */ c */\n}\n\n/// Doc.\nfn b() {}\n";
        assert_eq!(count(text), 3);
    }

    #[test]
    fn what_looks_like_a_comment_in_a_text_counts() {
        let text = "const A: &str = \"// no\n/* no\";\nconst B: char = '\"';\nconst C: &str = r#\"\n// \"no\"\n\"#;\n";
        assert_eq!(count(text), 6);
        assert_eq!(count("fn f<'a>(x: &'a str) {} // '\n"), 1);
    }

    #[test]
    fn tests_do_not_count() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { let c = '}'; }\n}\nfn d() {}\n";
        assert_eq!(count(text), 2);
        assert_eq!(count("#[cfg(test)]\nmod tests;\nfn a() {}\n"), 1);
        assert_eq!(count("#[cfg(all(test, loom))]\nmod loom;\n"), 0);
        assert_eq!(
            count("#[cfg(test)]\n#[path = \"x\"]\nmod y;\nfn a() {}\n"),
            1
        );
        assert_eq!(
            count("struct A {\n    #[cfg(test)]\n    b: u8,\n    c: u8,\n}\n"),
            3
        );
        assert_eq!(count("#[cfg(test)]\nimpl A {\n    fn b() {}\n}\n"), 0);
        // Not only in tests.
        assert_eq!(count("#[cfg(any(test, feature = \"x\"))]\nmod y;\n"), 2);
        assert_eq!(count("#[cfg(not(test))]\nmod y;\n"), 2);
    }

    #[test]
    fn unsafe_code_and_assembler_are_counted_apart() {
        let text = include_str!("../tests/data/counted.rs");
        let lines = measure(text);
        assert_eq!(lines.all, 27);
        // The attribute, `first`, the declarations, the implementation, the type, and two blocks.
        assert_eq!(lines.unsafe_code, 1 + 5 + 3 + 1 + 1 + 1 + 7);
        assert_eq!(lines.assembler, 1 + 4);
        assert_eq!(count(text), lines.all);
    }

    #[test]
    fn files_of_tests_do_not_count() {
        for path in [
            "tests.rs",
            "object/tests.rs",
            "testing/mod.rs",
            "object/tests/loom.rs",
            "hosted/tlb.rs",
        ] {
            assert!(is_test(path), "{path}");
        }
        assert!(!is_test("object/task/mod.rs") && !is_test("contests.rs"));
    }
}
