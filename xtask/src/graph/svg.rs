//! How a system looks: an SVG that needs nothing else, for light and dark backgrounds.

use super::layout::{Layout, Point, Size, layout};
use super::scene::{Card, Link, LinkKind, Node, Scene};
use crate::size;
use crate::system::{Component, System};
use std::fmt::Write;
use system_description::Colour;

/// Space around everything.
const MARGIN: f64 = 36.0;
/// Height of the system's name and of what stands below it.
const HEADER: f64 = 74.0;
/// Space between the components and what they stand on.
const FOOT_GAP: f64 = 64.0;
/// Narrowest picture, so that header and foot have room.
const WIDTH_MIN: f64 = 560.0;
/// Height of a fact's frame, and of its row.
const FACT: f64 = 20.0;
const FACT_ROW: f64 = 25.0;

/// Height of a row of the base.
const BASE_ROW: f64 = 32.0;

/// Rows of the base, from above, with what they do.
fn base_rows(system: &System) -> Vec<(String, &'static str)> {
    let above = match &system.root {
        Some(program) => vec![(program.module().name, "root task")],
        None => vec![
            ("ned".into(), "starts and watches the components"),
            ("moe".into(), "memory, address spaces, quotas"),
        ],
    };
    let below = [
        ("sigma0".into(), "physical memory"),
        ("kernel".into(), "capabilities, IPC, mappings, scheduling"),
    ];
    above.into_iter().chain(below).collect()
}

pub(super) fn draw(system: &System, scene: &Scene) -> String {
    let sizes: Vec<Size> = scene.nodes.iter().map(node_size).collect();
    let edges: Vec<(usize, usize)> = scene
        .links
        .iter()
        .map(|link| (link.from, link.to))
        .collect();
    let layout = layout(&sizes, &edges);
    let width = (layout.size.0 + 2.0 * MARGIN).max(WIDTH_MIN);
    let left = (width - layout.size.0) / 2.0;
    let top = MARGIN + HEADER;
    let gap = if scene.nodes.is_empty() {
        0.0
    } else {
        FOOT_GAP
    };
    let base = base_rows(system);
    let foot = top + layout.size.1 + gap;
    let height = foot + BASE_ROW * base.len() as f64 + 78.0 + MARGIN;

    let mut svg = Svg::new(width, height);
    svg.header(system);
    let move_to = |(x, y): Point| (x + left, y + top);
    svg.links(scene, &layout, &move_to);
    for (node, (&at, &size)) in scene.nodes.iter().zip(layout.nodes.iter().zip(&sizes)) {
        let (x, y) = move_to(at);
        match node {
            Node::Component(card) => svg.card(card, (x - size.0 / 2.0, y), size),
            Node::Dataspace { name, size: bytes } => {
                svg.dataspace(name, bytes, (x - size.0 / 2.0, y), size)
            }
        }
    }
    svg.base(&base, foot, width);
    svg.memory(system, height - MARGIN - 44.0, width - 2.0 * MARGIN);
    svg.finish()
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// About how wide a text is: fonts differ, so with a little room.
fn text_width(text: &str, font_size: f64) -> f64 {
    text.chars().count() as f64 * font_size * 0.6
}

/// A text that is cut where it would make a box too wide.
fn shorten(text: &str) -> String {
    const MAX: usize = 40;
    if text.chars().count() <= MAX {
        return text.to_owned();
    }
    text.chars().take(MAX - 1).chain(['…']).collect()
}

fn fact_width(fact: &str) -> f64 {
    text_width(fact, 11.0) + 14.0
}

/// The facts of a card in rows, two or three to a row.
fn fact_rows(card: &Card) -> Vec<Vec<&str>> {
    const ROW_MAX: f64 = 250.0;
    let mut rows: Vec<Vec<&str>> = vec![];
    let mut used = f64::INFINITY;
    for fact in &card.facts {
        if used + fact_width(fact) > ROW_MAX {
            rows.push(vec![]);
            used = 0.0;
        }
        used += fact_width(fact) + 6.0;
        if let Some(row) = rows.last_mut() {
            row.push(fact);
        }
    }
    rows
}

fn node_size(node: &Node) -> Size {
    match node {
        Node::Component(card) => {
            let rows = fact_rows(card);
            let row_width =
                |row: &Vec<&str>| row.iter().map(|fact| fact_width(fact) + 6.0).sum::<f64>() - 6.0;
            let widest = rows.iter().map(row_width).fold(0.0, f64::max);
            let texts = text_width(&card.name, 16.0).max(text_width(&shorten(&card.program), 12.0));
            (
                widest.max(texts).max(120.0) + 38.0,
                62.0 + FACT_ROW * rows.len() as f64,
            )
        }
        Node::Dataspace { name, size } => (
            text_width(name, 13.0).max(text_width(size, 11.0)).max(70.0) + 44.0,
            50.0,
        ),
    }
}

/// The style's class of a tag's colour.
fn class(colour: Colour) -> &'static str {
    colour.name()
}

/// Colours by class, not by variable: some viewers know no variables. Those that know no media queries
/// show the light picture.
const STYLE: &str = "
  text { font-family: ui-sans-serif, system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #23262f }
  text.mono { font-family: ui-monospace, 'DejaVu Sans Mono', Menlo, monospace }
  text.faint { fill: #6d7280 }
  .paper, .label { fill: #fbfaf7 }
  .card { fill: #ffffff; stroke: #d9d6cd; stroke-width: 1.2 }
  .shadow { fill: #23262f; opacity: 0.07 }
  .fact { fill: none; stroke: #d9d6cd }
  .base { fill: #eceae3; stroke: #d9d6cd }
  .rule { stroke: #d9d6cd }
  .own { fill: #c3beb0 } .shared { fill: #2f8f83 }
  .pill { fill: #ffffff; stroke: #2f8f83; stroke-width: 1.6 }
  .call { fill: none; stroke: #4a5578; stroke-width: 1.8 }
  .call-head { fill: #4a5578 }
  .memory { fill: none; stroke: #2f8f83; stroke-width: 1.8; stroke-dasharray: 5 4 }
  .memory-head { fill: #2f8f83 }
  g.link:hover .call, g.link:hover .memory { stroke-width: 3.2 }
  .red { fill: #d2544a } .green { fill: #4d9e50 } .yellow { fill: #d6a531 } .blue { fill: #4a7bd2 }
  .magenta { fill: #b05bb5 } .cyan { fill: #35a3b5 } .white { fill: #b9bdc7 } .grey { fill: #7d8391 }
  @media (prefers-color-scheme: dark) {
    text { fill: #eceef3 }
    text.faint { fill: #9aa1b0 }
    .paper, .label { fill: #16181d }
    .card { fill: #20232b; stroke: #353a46 }
    .shadow { fill: #000000; opacity: 0.3 }
    .fact { stroke: #3d4350 }
    .base { fill: #1b1e25; stroke: #353a46 }
    .rule { stroke: #353a46 }
    .own { fill: #4a5160 } .shared { fill: #62c7b9 }
    .pill { fill: #20232b; stroke: #62c7b9 }
    .call { stroke: #9db0e0 }
    .call-head { fill: #9db0e0 }
    .memory { stroke: #62c7b9 }
    .memory-head { fill: #62c7b9 }
  }
";

struct Svg {
    text: String,
}

impl Svg {
    fn new(width: f64, height: f64) -> Self {
        let mut svg = Self {
            text: String::new(),
        };
        svg.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\">"
        ));
        svg.put(format_args!("<style>{STYLE}</style>"));
        svg.put(format_args!("<defs>"));
        for head in ["call", "memory"] {
            svg.put(format_args!(
                "<marker id=\"{head}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"11\" \
                 markerHeight=\"11\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
                 <path class=\"{head}-head\" d=\"M0 0.8 L10 5 L0 9.2 Q2.6 5 0 0.8\"/></marker>"
            ));
        }
        svg.put(format_args!("</defs>"));
        svg.put(format_args!(
            "<rect width=\"100%\" height=\"100%\" rx=\"14\" class=\"paper\"/>"
        ));
        svg
    }

    fn put(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn finish(mut self) -> String {
        self.put(format_args!("</svg>"));
        self.text
    }

    fn text(&mut self, (x, y): Point, font_size: f64, class: &str, text: &str) {
        let text = escape(text);
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{font_size}\" class=\"{class}\">{text}</text>"
        ));
    }

    fn centred(&mut self, (x, y): Point, font_size: f64, class: &str, text: &str) {
        let text = escape(text);
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{font_size}\" class=\"{class}\" \
             text-anchor=\"middle\">{text}</text>"
        ));
    }

    fn header(&mut self, system: &System) {
        let y = MARGIN + 20.0;
        let name = escape(&system.name);
        self.put(format_args!(
            "<text x=\"{MARGIN}\" y=\"{y}\" font-size=\"26\" font-weight=\"650\">{name}</text>"
        ));
        let archs: Vec<&str> = system.archs.iter().map(|arch| arch.name()).collect();
        let plural =
            |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let mut about = archs.join(", ");
        for (count, one) in [
            (system.components.len(), "component"),
            (system.channels.len(), "channel"),
        ] {
            if count > 0 {
                about += &format!(" · {}", plural(count, one));
            }
        }
        self.text((MARGIN, y + 22.0), 13.0, "faint", &about);
    }

    fn links(&mut self, scene: &Scene, layout: &Layout, move_to: &impl Fn(Point) -> Point) {
        let mut labels: Vec<(Point, f64)> = vec![];
        let mut waiting = vec![];
        for (link, route) in scene.links.iter().zip(&layout.routes) {
            let points: Vec<Point> = route.iter().map(|&point| move_to(point)).collect();
            let class = match link.kind {
                LinkKind::Channel => "call",
                LinkKind::Memory => "memory",
            };
            let Some(&(x, y)) = points.first() else {
                continue;
            };
            let mut path = format!("M{x:.1} {y:.1}");
            for pair in points.windows(2) {
                let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
                let middle = (ay + by) / 2.0;
                let _ = write!(
                    path,
                    " C{ax:.1} {middle:.1} {bx:.1} {middle:.1} {bx:.1} {by:.1}"
                );
            }
            let tooltip = escape(&link.tooltip);
            self.put(format_args!(
                "<g class=\"link\"><title>{tooltip}</title>\
                 <path class=\"{class}\" d=\"{path}\" marker-end=\"url(#{class})\"/></g>"
            ));
            waiting.push((link, points));
        }
        // Labels last, so that no line runs over one.
        for (link, points) in waiting {
            self.label(link, &points, &mut labels);
        }
    }

    /// Puts a link's label on its first bend, where it hides no other.
    fn label(&mut self, link: &Link, points: &[Point], taken: &mut Vec<(Point, f64)>) {
        let [(ax, ay), (bx, by), ..] = *points else {
            return;
        };
        let width = text_width(&link.label, 11.5) + 12.0;
        let at = |t: f64| {
            // A cubic curve whose control points lie half way down.
            let middle = (ay + by) / 2.0;
            let (a, b, c, d) = (
                (1.0 - t).powi(3),
                3.0 * t * (1.0 - t).powi(2),
                3.0 * t * t * (1.0 - t),
                t.powi(3),
            );
            (
                (a + b) * ax + (c + d) * bx,
                a * ay + (b + c) * middle + d * by,
            )
        };
        let free = |point: &Point| {
            taken.iter().all(|((x, y), other)| {
                (point.0 - x).abs() > (width + other) / 2.0 || (point.1 - y).abs() > 19.0
            })
        };
        let places = [0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78].map(at);
        let (x, y) = places.into_iter().find(free).unwrap_or(places[0]);
        taken.push(((x, y), width));
        self.put(format_args!(
            "<rect class=\"label\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"17\" rx=\"8.5\"/>",
            x - width / 2.0,
            y - 8.5
        ));
        self.centred((x, y + 4.0), 11.5, "mono faint", &link.label);
    }

    fn card(&mut self, card: &Card, (x, y): Point, (width, height): Size) {
        let tooltip = escape(&card.tooltip);
        let colour = class(card.colour);
        self.put(format_args!("<g><title>{tooltip}</title>"));
        self.put(format_args!(
            "<rect class=\"shadow\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"10\"/>",
            x + 1.5,
            y + 3.0
        ));
        self.put(format_args!(
            "<rect class=\"card\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"10\"/>"
        ));
        self.put(format_args!(
            "<path class=\"{colour}\" d=\"M{:.1} {:.1} h-0 a10 10 0 0 0 -10 10 v{:.1} a10 10 0 0 0 10 10 \
             h0 a6 6 0 0 1 -4 -6 v-{:.1} a6 6 0 0 1 4 -6 z\"/>",
            x + 10.0,
            y,
            height - 20.0,
            height - 12.0
        ));
        let name = escape(&card.name);
        self.put(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"16\" font-weight=\"620\">{name}</text>",
            x + 19.0,
            y + 26.0
        ));
        self.text(
            (x + 19.0, y + 45.0),
            12.0,
            "mono faint",
            &shorten(&card.program),
        );
        for (row, facts) in fact_rows(card).into_iter().enumerate() {
            let y = y + 56.0 + FACT_ROW * row as f64;
            let mut left = x + 19.0;
            for fact in facts {
                let width = fact_width(fact);
                self.put(format_args!(
                    "<rect class=\"fact\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{FACT}\" rx=\"10\"/>"
                ));
                self.centred((left + width / 2.0, y + 14.0), 11.0, "faint", fact);
                left += width + 6.0;
            }
        }
        self.put(format_args!("</g>"));
    }

    fn dataspace(&mut self, name: &str, bytes: &str, (x, y): Point, (width, height): Size) {
        let radius = height / 2.0;
        self.put(format_args!(
            "<rect class=\"pill\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius:.1}\"/>"
        ));
        self.centred((x + width / 2.0, y + 22.0), 13.0, "", name);
        self.centred(
            (x + width / 2.0, y + 38.0),
            11.0,
            "faint",
            &format!("{bytes} shared"),
        );
    }

    /// What the components stand on.
    fn base(&mut self, rows: &[(String, &str)], top: f64, width: f64) {
        let inner = width - 2.0 * MARGIN;
        let height = BASE_ROW * rows.len() as f64;
        self.put(format_args!(
            "<rect class=\"base\" x=\"{MARGIN}\" y=\"{top:.1}\" width=\"{inner:.1}\" height=\"{height:.1}\" rx=\"10\"/>"
        ));
        let widths = rows.iter().map(|(name, _)| text_width(name, 14.0));
        let second_column = MARGIN + 42.0 + widths.fold(0.0, f64::max);
        for (row, (name, about)) in rows.iter().enumerate() {
            let y = top + BASE_ROW * row as f64;
            if row > 0 {
                self.put(format_args!(
                    "<line x1=\"{MARGIN}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" class=\"rule\"/>",
                    width - MARGIN
                ));
            }
            self.put(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"14\" font-weight=\"600\">{}</text>",
                MARGIN + 18.0,
                y + 21.0,
                escape(name)
            ));
            self.text((second_column, y + 21.0), 12.0, "faint", about);
        }
    }

    /// The machine's memory: the kernel's, the components', what they share, and what is left.
    fn memory(&mut self, system: &System, y: f64, width: f64) {
        let total = *system.ram.get_ref();
        let title = format!("{} of memory", size::show(total));
        self.text((MARGIN, y - 8.0), 12.0, "faint", &title);
        self.put(format_args!(
            "<rect class=\"base\" x=\"{MARGIN}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"16\" rx=\"2\"/>"
        ));
        let kernel = system.kernel_share();
        let components = system.components.iter().map(|component| {
            let (name, bytes) = (component.name.get_ref(), *component.memory.get_ref());
            (name.as_str(), bytes, class(component.colour))
        });
        let dataspaces = system.dataspaces.iter().map(|dataspace| {
            let (name, bytes) = (dataspace.name.get_ref(), *dataspace.size.get_ref());
            (name.as_str(), bytes, "shared")
        });
        let mut left = MARGIN;
        for (name, bytes, class) in [("kernel", kernel, "own")]
            .into_iter()
            .chain(components)
            .chain(dataspaces)
        {
            // So small a part would not be seen otherwise.
            let part = (width * bytes as f64 / total as f64)
                .max(3.0)
                .min((MARGIN + width - left).max(0.0));
            self.put(format_args!(
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{part:.1}\" height=\"16\" rx=\"2\">\
                 <title>{}: {}</title></rect>",
                escape(name),
                size::show(bytes)
            ));
            left += part + 1.0;
        }
        self.text((MARGIN, y + 32.0), 11.0, "faint", &memory_in_words(system));
    }
}

/// What the bar shows, and what components can have of the kernel's part.
fn memory_in_words(system: &System) -> String {
    let sum = |quota: fn(&Component) -> u64| -> u64 { system.components.iter().map(quota).sum() };
    let given = sum(|component| *component.memory.get_ref());
    let lent = sum(|component| *component.kernel_memory.get_ref());
    let shared: u64 = system
        .dataspaces
        .iter()
        .map(|dataspace| *dataspace.size.get_ref())
        .sum();
    let mut words = format!("kernel {}", size::show(system.kernel_share()));
    if lent > 0 {
        words += &format!(" (components can take {})", size::show(lent));
    }
    for (what, bytes) in [("components", given), ("shared", shared)] {
        if bytes > 0 {
            words += &format!(" · {what} {}", size::show(bytes));
        }
    }
    words
}
