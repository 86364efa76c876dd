//! Bars of trusted lines, beside those of other systems, as an SVG that needs nothing else.

use super::Base;
use super::published::PUBLISHED;
use crate::graph::escape;
use std::fmt::Write;

const WIDTH: f64 = 980.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 86.0;
const ROW: f64 = 46.0;
const BAR: f64 = 16.0;

/// The scale is logarithmic, from the first power of ten to the second.
const POWERS: (u32, u32) = (3, 7);

const STYLE: &str = "
  text { font: 13px sans-serif; fill: #1c1f26 }
  text.title { font-size: 19px; font-weight: 600 }
  text.faint { font-size: 11px; fill: #6b7280 }
  .paper { fill: #ffffff } .rule { stroke: #d9dce3 }
  .own { fill: #3d63dd } .crates { fill: #a9bcf5 } .other { fill: #9aa1b0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #eceef3 } text.faint { fill: #9aa1b0 }
    .paper { fill: #16181d } .rule { stroke: #353a46 }
    .own { fill: #7f9cf5 } .crates { fill: #435189 } .other { fill: #6b7280 }
  }
";

/// Draws what these components trust.
pub fn draw(bases: &[Base]) -> String {
    let rows = bases.len() + PUBLISHED.len();
    let height = TOP + ROW * rows as f64 + 60.0;
    let mut svg = String::new();
    let mut put = |line: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(svg, "{line}");
    };
    put(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\"><style>{STYLE}</style>"
    ));
    put("<rect width=\"100%\" height=\"100%\" rx=\"14\" class=\"paper\"/>".into());
    put(
        "<text x=\"28\" y=\"38\" class=\"title\">Lines of code that have to be trusted</text>"
            .into(),
    );
    put(text(
        28.0,
        58.0,
        "faint",
        "logarithmic; own lines dark, with all crates linked in light; grey: others, by their sources",
    ));
    for power in POWERS.0..=POWERS.1 {
        let x = place(10_usize.pow(power));
        let bottom = height - 44.0;
        put(format!(
            "<line x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{bottom}\" class=\"rule\"/>",
            TOP - 14.0
        ));
        let label = grouped(10_usize.pow(power));
        put(text(x - 14.0, bottom + 16.0, "faint", &label));
    }
    let mut y = TOP;
    for base in bases {
        let own = base.lines(true, None).all;
        let all = own + base.lines(false, None).all;
        let name = format!("{} in {}, {}", base.component, base.system, base.arch);
        put(text(28.0, y + 13.0, "", &name));
        put(bar(y, all, "crates"));
        put(bar(y, own, "own"));
        let figures = format!("{} / {}", grouped(own), grouped(all));
        put(text(place(all) + 8.0, y + 13.0, "", &figures));
        let foreign = match base.foreign.as_slice() {
            [] => String::new(),
            names => format!("; and {}, which cannot be counted", names.join(", ")),
        };
        let method = format!(
            "own / with crates; counted from what the compiler read, without tests{foreign}"
        );
        put(text(LEFT, y + 30.0, "faint", &method));
        y += ROW;
    }
    for other in PUBLISHED {
        put(text(28.0, y + 13.0, "", other.name));
        put(bar(y, other.lines, "other"));
        put(text(
            place(other.lines) + 8.0,
            y + 13.0,
            "",
            &grouped(other.lines),
        ));
        put(text(LEFT, y + 28.0, "faint", other.parts));
        let source = format!("{}, {}; {}", other.source, other.date, other.method);
        put(text(LEFT, y + 40.0, "faint", &source));
        y += ROW;
    }
    put("</svg>".into());
    svg
}

/// Where a number of lines is on the scale.
fn place(lines: usize) -> f64 {
    let (first, last) = (f64::from(POWERS.0), f64::from(POWERS.1));
    let power = (lines.max(1) as f64).log10().clamp(first, last);
    LEFT + (WIDTH - LEFT - RIGHT) * (power - first) / (last - first)
}

fn bar(y: f64, lines: usize, class: &str) -> String {
    let width = place(lines) - LEFT;
    format!(
        "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"3\" class=\"{class}\"/>"
    )
}

fn text(x: f64, y: f64, class: &str, text: &str) -> String {
    let text = escape(text);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>")
}

/// A number with commas.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Architecture;
    use crate::code_lines::Lines;
    use crate::sources::SourceFile;
    use crate::tcb::{Part, Trusted};

    #[test]
    fn numbers_have_commas() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn the_chart_shows_all_figures_with_their_sources() {
        let trusted = |is_own, all| Trusted {
            file: SourceFile {
                path: "a.rs".into(),
                package: "a".into(),
                is_own,
            },
            part: Part::Kernel,
            lines: Lines {
                all,
                ..Lines::default()
            },
        };
        let base = Base {
            system: "quiet <place>".into(),
            component: "reader".into(),
            arch: Architecture::X86_64,
            files: vec![trusted(true, 12_345), trusted(false, 1_000)],
            foreign: vec!["strange.elf".into()],
        };
        let chart = draw(&[base]);
        for text in [
            "reader in quiet &lt;place&gt;",
            "12,345 / 13,345",
            "strange.elf",
        ] {
            assert!(chart.contains(text), "{text}");
        }
        for other in PUBLISHED {
            assert!(chart.contains(&escape(other.name)) && chart.contains(&grouped(other.lines)));
            assert!(!other.source.is_empty() && !other.date.is_empty());
        }
        assert!(place(10_000) < place(20_000));
    }
}
