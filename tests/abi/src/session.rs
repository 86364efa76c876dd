//! What the reference root task was asked while a system came up, and what it answered.

use crate::wire::{Pattern, parse_word};

/// The session, as text.
pub const TABLE: &str = include_str!("../data/moe-session-x86_64.txt");

/// The dataspaces that were there, and their sizes.
pub const DATASPACES: [(&str, u64); 5] = [
    ("l4re", 0x4a000),
    ("ned", 0xa0000),
    ("hello.cfg", 0x80),
    ("hello", 0x30000),
    ("kip", 0x1000),
];

/// A request, and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The line, to name it by.
    pub line: &'static str,
    /// The object that was asked.
    pub object: &'static str,
    /// The client's rights to it, as a received label has them.
    pub rights: u8,
    /// Raw tag of the request.
    pub tag: u64,
    /// Words of the request.
    pub words: Vec<u64>,
    /// The object of the request's item and the rights that the client passed with it.
    pub passed: Option<(&'static str, u8)>,
    /// The answer, unless the request was only sent.
    pub answer: Option<Answer>,
}

/// An answer, as the server composed it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Raw tag.
    pub tag: u64,
    /// The words; of an item the first one.
    pub words: Vec<Pattern>,
    /// The second word of an item.
    pub item: Option<Item>,
}

/// What an answer gave to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A capability to an object of this name, which was made if it has one; bits 7..0.
    Capability(Option<&'static str>, u64),
    /// A page with these rights, and where it is in which object if that can be known.
    Page(Option<(&'static str, u64)>, u64),
}

/// All exchanges, in order.
pub fn exchanges() -> Vec<Exchange> {
    let is_exchange = |line: &&str| line.contains(" | ") && !line.starts_with("object:");
    TABLE.lines().filter(is_exchange).map(parse).collect()
}

fn parse(line: &'static str) -> Exchange {
    let cells: Vec<&'static str> = line.split(" | ").collect();
    let [to, tag, message, answer_tag, answer] = cells[..] else {
        panic!("not 5 columns: {line}")
    };
    let number = |text: &str| {
        u64::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{text:?} is no number: {line}"))
    };
    let holder = |text: &'static str| {
        text.split_once(':')
            .map(|(name, rights)| (name, number(rights)))
    };
    let tokens = |text: &'static str| text.split(' ').filter(|token| *token != "-");
    let item = |text: &'static str| match text.split_once('=') {
        Some((name, bits)) => {
            let name = (name != "cap").then_some(name);
            Some(Item::Capability(name, number(bits)))
        }
        None => holder(text).map(|(page, rights)| {
            let place = page.split_once('+');
            Item::Page(place.map(|(name, offset)| (name, number(offset))), rights)
        }),
    };
    let (object, rights) = holder(to).unwrap_or_else(|| panic!("no object: {line}"));
    let is_item = |token: &&str| token.contains([':', '=']);
    Exchange {
        line,
        object,
        rights: rights as u8,
        tag: number(tag),
        words: tokens(message)
            .filter(|token| !is_item(token))
            .map(number)
            .collect(),
        passed: tokens(message)
            .find_map(holder)
            .map(|(name, rights)| (name, rights as u8)),
        answer: (answer_tag != "-").then(|| Answer {
            tag: number(answer_tag),
            words: tokens(answer)
                .filter(|token| !is_item(token))
                .map(|token| parse_word(line, token))
                .collect(),
            item: tokens(answer).find_map(item),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_count_what_is_there() {
        assert_eq!(exchanges().len(), 85);
        for exchange in exchanges() {
            let count = |tag: u64| ((tag & 0x3f) as usize, (tag >> 6 & 0x3f) as usize);
            let items = usize::from(exchange.passed.is_some());
            let line = exchange.line;
            assert_eq!(count(exchange.tag), (exchange.words.len(), items), "{line}");
            if let Some(answer) = exchange.answer {
                let items = usize::from(answer.item.is_some());
                let words = answer.words.len() - items;
                assert_eq!(count(answer.tag), (words, items), "{line}");
            }
        }
    }
}
