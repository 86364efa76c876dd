//! "Did you mean": the nearest of the known names.

/// `; did you mean ...?` if one of `known` is near `word`, else an empty text.
pub fn suggestion(word: &str, known: &[&str]) -> String {
    nearest(word, known).map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

/// The name with the smallest edit distance, if that is small enough to be a slip of the finger.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let length = word.chars().count();
    // A word of one letter that is wrong is another word.
    let limit = (length / 3).max(1).min(length.saturating_sub(1));
    let candidates = known.iter().map(|&name| (distance(word, name), name));
    candidates
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Number of insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn a_slip_is_found_and_another_word_is_not() {
        assert_eq!(nearest("memroy", &["memory", "priority"]), Some("memory"));
        assert_eq!(nearest("prio", &["memory", "priority"]), None);
        assert_eq!(nearest("", &["memory"]), None);
        assert_eq!(nearest("b", &["a"]), None);
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
