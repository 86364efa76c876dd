//! Two recorded kernel info pages, reduced to facts.

/// The x86_64 page, as text.
pub const X86_64: &str = include_str!("../data/kip-x86_64.txt");
/// The aarch64 page, as text.
pub const AARCH64: &str = include_str!("../data/kip-aarch64.txt");

/// What is known of a page.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// First word.
    pub magic: u32,
    /// ABI version.
    pub version: u32,
    /// Byte offset of the version string.
    pub strings_offset: u64,
    /// Byte offset of the memory descriptors.
    pub descriptors_offset: u64,
    /// Capacity of the array.
    pub descriptors_count: u64,
    /// Scheduler granularity in µs.
    pub granularity: u64,
    /// Used memory descriptors.
    pub descriptors: Vec<Descriptor>,
    /// Features behind the version string.
    pub features: Vec<&'static str>,
}

/// A recorded memory descriptor.
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// The two raw words.
    pub words: [u64; 2],
    /// First byte.
    pub start: u64,
    /// Last byte.
    pub last: u64,
    /// Name of the type.
    pub kind: &'static str,
    /// Sub type.
    pub sub_type: u8,
    /// Whether the addresses are virtual.
    pub is_virtual: bool,
    /// Whether the eager flag is set.
    pub is_eager: bool,
}

/// Parses the text of a page.
pub fn parse(text: &'static str) -> Facts {
    let mut facts = Facts::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split_whitespace().collect();
        let number = |index: usize| -> u64 {
            let digits = fields
                .get(index)
                .unwrap_or_else(|| panic!("field missing: {line}"));
            u64::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("not a number: {line}"))
        };
        match fields[0] {
            "magic" => facts.magic = number(1) as u32,
            "version" => facts.version = number(1) as u32,
            "strings-offset" => facts.strings_offset = number(1),
            "descriptors-offset" => facts.descriptors_offset = number(1),
            "descriptors-count" => facts.descriptors_count = number(1),
            "granularity" => facts.granularity = number(1),
            "descriptor" => facts.descriptors.push(Descriptor {
                words: [number(1), number(2)],
                start: number(3),
                last: number(4),
                kind: fields[5],
                sub_type: number(6) as u8,
                is_virtual: fields.contains(&"virtual"),
                is_eager: fields.contains(&"eager"),
            }),
            "feature" => facts.features.push(fields[1]),
            _ => panic!("unknown fact: {line}"),
        }
    }
    facts
}
