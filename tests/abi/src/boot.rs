//! What the stock programs ask of the kernel and of each other while they boot.

/// The calls, as text.
pub const TABLE: &str = include_str!("../data/boot-calls-x86_64.txt");

/// One kind of call.
#[derive(Clone, Debug)]
pub struct BootCall {
    /// The line, to name it by.
    pub line: &'static str,
    /// How often it was made.
    pub count: usize,
    /// The slot that it went to; none: the caller itself.
    pub slot: Option<u64>,
    /// The phases.
    pub phases: &'static str,
    /// Raw message tag.
    pub tag: u64,
    /// Raw timeout pair.
    pub timeouts: u32,
    /// Words, then items.
    pub message: Vec<u64>,
    /// Raw tag and message of the answer, if there was one.
    pub answer: Option<(u64, Vec<u64>)>,
}

/// All kinds.
pub fn boot_calls() -> Vec<BootCall> {
    let is_call = |line: &&str| line.contains(" | ") && !line.starts_with("How often");
    TABLE.lines().filter(is_call).map(parse).collect()
}

fn parse(line: &'static str) -> BootCall {
    let cells: Vec<&'static str> = line.split('|').map(str::trim).collect();
    let [
        count,
        slot,
        phases,
        tag,
        timeouts,
        message,
        answer_tag,
        answer,
    ] = cells[..]
    else {
        panic!("not 8 columns: {line}")
    };
    let number = |text: &str| {
        u64::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{text:?} is no number: {line}"))
    };
    let words = |text: &str| match text {
        "-" => vec![],
        text => text.split(' ').map(number).collect(),
    };
    BootCall {
        line,
        count: count.parse().unwrap_or_else(|_| panic!("no count: {line}")),
        slot: (slot != "INV").then(|| number(slot)),
        phases,
        tag: number(tag),
        timeouts: number(timeouts) as u32,
        message: words(message),
        answer: (answer_tag != "-").then(|| (number(answer_tag), words(answer))),
    }
}
