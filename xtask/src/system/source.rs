//! A configuration file's text, and problems that point into it.

use crate::failure::Failure;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where something is in a file: bytes from its start.
pub type Span = Range<usize>;

/// The text of a configuration file.
#[derive(Clone, Debug)]
pub struct Source {
    /// As the user named it.
    pub path: PathBuf,
    pub text: String,
}

impl Source {
    /// Reads a file; one that is missing, empty or not text is a problem like any other.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let at = |line, column, message: String, help: &str| {
            let help = Some(help.to_owned());
            let excerpt = None;
            Problems(vec![Problem {
                file: path.into(),
                line,
                column,
                message,
                help,
                excerpt,
            }])
        };
        let bytes = std::fs::read(path).map_err(|error| {
            let message = format!("cannot be read: {error}");
            at(
                1,
                1,
                message,
                "give the stem of a file in `configs/` or a path to a `.toml` file",
            )
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let good = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            let (line, column) = position(&good, valid);
            at(
                line,
                column,
                "not a text file".into(),
                "configuration files are TOML in UTF-8",
            )
        })?;
        if text.trim().is_empty() {
            let help = "describe a system: a `[system]` table and a `[component.NAME]` table per component";
            return Err(at(1, 1, "the file is empty".into(), help));
        }
        Ok(Self {
            path: path.into(),
            text,
        })
    }

    /// A problem at `span`.
    pub fn problem(
        &self,
        span: &Span,
        message: impl fmt::Display,
        help: Option<String>,
    ) -> Problem {
        let (line, column) = position(&self.text, span.start);
        let text = self.text.lines().nth(line - 1).unwrap_or("").to_owned();
        let rest = text.chars().count().saturating_sub(column - 1).max(1);
        let marked = self
            .text
            .get(span.clone())
            .map_or(1, |marked| marked.chars().count());
        Problem {
            file: self.path.clone(),
            line,
            column,
            message: message.to_string(),
            help,
            excerpt: Some((text, marked.clamp(1, rest))),
        }
    }
}

/// Line and column, both from 1, of a byte offset. Columns count characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let offset = (0..=offset.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// One thing that is wrong in a configuration file.
#[derive(Clone, Debug)]
pub struct Problem {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The line, and how many characters of it to underline.
    excerpt: Option<(String, usize)>,
}

impl Problem {
    /// Place, message and what to do, in one line.
    pub fn line(&self) -> String {
        let (file, line, column) = (self.file.display(), self.line, self.column);
        let help = (self.help.as_ref()).map_or(String::new(), |help| format!(" ({help})"));
        format!("{file}:{line}:{column}: {}{help}", self.message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file.display(),
            self.line,
            self.column,
            self.message
        )?;
        let margin = self.line.to_string().len();
        if let Some((text, marked)) = &self.excerpt {
            // Tabs stay tabs in the underline, so that it lies below what it means.
            let tabs = |c| if c == '\t' { '\t' } else { ' ' };
            let indent: String = text.chars().take(self.column - 1).map(tabs).collect();
            write!(f, "\n{} | {text}", self.line)?;
            write!(f, "\n{:margin$} | {indent}{}", "", "^".repeat(*marked))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n{:margin$} = {help}", "")?;
        }
        Ok(())
    }
}

/// All that is wrong in a file; never empty.
#[derive(Clone, Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Failure::new(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::{Source, position};

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("ab\ncd", 4), (2, 2));
        assert_eq!(position("ä = 1", 3), (1, 3));
        assert_eq!(position("ä", 1), (1, 1));
        assert_eq!(position("ab", 99), (1, 3));
    }

    #[test]
    fn a_problem_shows_its_line_and_underlines_the_place() {
        let source = Source {
            path: "a.toml".into(),
            text: "x = 1\n\ty = 22\n".into(),
        };
        let shown = source
            .problem(&(11..13), "too much", Some("take less".into()))
            .to_string();
        assert_eq!(
            shown,
            "a.toml:2:6: too much\n2 | \ty = 22\n  | \t    ^^\n  = take less"
        );
    }
}
