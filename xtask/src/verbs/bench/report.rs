//! The table that people read, the one that programs read, and what misses.

use super::OtherKernel;
use super::figures::{Figures, LONGEST};
use super::rows::{GROWTH_LIMIT, ROWS, Row};
use crate::architecture::Architecture;

/// First line of the file.
pub const CSV_HEAD: &str = "architecture,row,minimum,median,target,growth\n";

/// One line for each row. `others` are the figures of other kernels.
pub fn table(arch: Architecture, figures: &Figures, others: &[(OtherKernel, Figures)]) -> String {
    let names: Vec<String> = others
        .iter()
        .map(|(kernel, _)| format!(" {:>8}", kernel.name()))
        .collect();
    let mut text = format!(
        "{arch}: instructions, user stubs included\n{:<52} {:>8} {:>8}{} {:>8}       in crowds\n",
        "operation",
        "minimum",
        "median",
        names.concat(),
        "target"
    );
    for row in ROWS {
        let columns = columns(row, arch, figures, others);
        text += &format!("{:<52} {columns}\n", row.operation);
    }
    text
}

fn columns(
    row: &Row,
    arch: Architecture,
    figures: &Figures,
    others: &[(OtherKernel, Figures)],
) -> String {
    let target = row.target_on(arch);
    let shown = target.map_or("-".to_owned(), |target| target.to_string());
    let others: String = others
        .iter()
        .map(|(_, figures)| {
            let median = figures.get(row.name).map(|figure| figure.median);
            let median = median.map_or("-".to_owned(), |median| format!("{median:.0}"));
            format!(" {median:>8}")
        })
        .collect();
    let Some(figure) = figures.get(row.name) else {
        return format!("{:>8} {:>8}{others} {shown:>8}  not measured", "", "");
    };
    let verdict = match target {
        Some(target) if figure.median > target as f64 => "MISS",
        Some(_) => "ok",
        None => "",
    };
    let growth: Vec<String> = figures
        .growth(row.name)
        .iter()
        .map(|(crowd, percent)| format!("{crowd}: {percent:+.1} %"))
        .collect();
    let comment = match row.name {
        LONGEST => format!("in: {}", figures.longest_in),
        _ => growth.join("  "),
    };
    format!(
        "{:>8.0} {:>8.0}{others} {shown:>8} {verdict:<4}  {comment}",
        figure.minimum, figure.median
    )
}

/// One line for each row that was measured, on what is called `machine`.
pub fn csv(machine: &str, arch: Architecture, figures: &Figures) -> String {
    let line = |row: &Row| {
        let figure = figures.get(row.name)?;
        let target = row
            .target_on(arch)
            .map_or(String::new(), |target| target.to_string());
        Some(format!(
            "{machine},{},{:.1},{:.1},{target},{:.2}\n",
            row.name,
            figure.minimum,
            figure.median,
            largest_growth(row, figures)
        ))
    };
    ROWS.iter().filter_map(line).collect()
}

/// What does not keep what is wanted, one line each: a row that was not measured, too.
pub fn missed(arch: Architecture, figures: &Figures) -> Vec<String> {
    let mut missed = vec![];
    for row in ROWS {
        let Some(figure) = figures.get(row.name) else {
            missed.push(format!("{arch} {}: not measured", row.name));
            continue;
        };
        if let Some(target) = row.target_on(arch)
            && figure.median > target as f64
        {
            missed.push(format!(
                "{arch} {}: {:.0} instead of {target}",
                row.name, figure.median
            ));
        }
        let growth = largest_growth(row, figures);
        if growth > GROWTH_LIMIT {
            missed.push(format!(
                "{arch} {}: {growth:.1} % more in a crowd",
                row.name
            ));
        }
    }
    missed
}

/// The same of another kernel: of its rows at most one has a target.
pub fn missed_by(arch: Architecture, kernel: OtherKernel, figures: &Figures) -> Option<String> {
    let row = ROWS.iter().find(|row| Some(row.name) == kernel.target())?;
    let target = row.target_on(arch)?;
    let name = format!("{arch}-{} {}", kernel.name(), row.name);
    match figures.get(row.name) {
        None => Some(format!("{name}: not measured")),
        Some(figure) if figure.median > target as f64 => {
            Some(format!("{name}: {:.0} instead of {target}", figure.median))
        }
        Some(_) => None,
    }
}

fn largest_growth(row: &Row, figures: &Figures) -> f64 {
    let growth = figures.growth(row.name);
    growth
        .iter()
        .map(|(_, percent)| *percent)
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::super::rows::VM_EXIT;
    use super::*;
    use Architecture::{Aarch64, X86_64};

    /// Every row at its target on x86_64, but one.
    fn figures(name: &str, median: u64) -> Figures {
        let mut lines = vec!["bench scale 1000 1000".to_owned()];
        for row in ROWS {
            let own = if row.name == name {
                median
            } else {
                row.target.unwrap_or(1)
            };
            lines.push(format!("bench row {} 1 1 {own} {own}", row.name));
        }
        Figures::read(lines.iter().map(String::as_str)).unwrap()
    }

    #[test]
    fn a_row_above_its_target_is_named() {
        assert_eq!(missed(X86_64, &figures("page-map", 500)), [""; 0]);
        let named = missed(X86_64, &figures("page-map", 501));
        assert_eq!(named, ["x86_64 page-map: 501 instead of 500"]);
        assert!(table(X86_64, &figures("page-map", 501), &[]).contains(" MISS "));
    }

    #[test]
    fn aarch64_has_ten_percent_more() {
        assert_eq!(missed(Aarch64, &figures("page-map", 550)), [""; 0]);
        assert_eq!(missed(Aarch64, &figures("page-map", 551)).len(), 1);
    }

    #[test]
    fn a_row_that_grows_with_the_system_is_named() {
        let mut lines = vec!["bench scale 1 1".to_owned()];
        for row in ROWS {
            lines.push(format!("bench row {} 1 1 1 100", row.name));
            let large = if row.name == "irq-receive" { 106 } else { 104 };
            lines.push(format!("bench row {} 10000 1 1 {large}", row.name));
        }
        let figures = Figures::read(lines.iter().map(String::as_str)).unwrap();
        let named = missed(X86_64, &figures);
        assert_eq!(named, ["x86_64 irq-receive: 6.0 % more in a crowd"]);
    }

    #[test]
    fn a_row_without_figure_is_named() {
        let named = missed(X86_64, &Figures::default());
        assert_eq!(named.len(), ROWS.len());
        assert!(table(X86_64, &Figures::default(), &[]).contains("not measured"));
    }

    #[test]
    fn the_file_has_a_line_for_each_figure() {
        let text = csv("x86_64", X86_64, &figures("page-map", 501));
        assert_eq!(text.lines().count(), ROWS.len());
        assert!(text.contains("\nx86_64,page-map,501.0,501.0,500,0.00\n"));
        assert_eq!(
            CSV_HEAD.split(',').count(),
            text.lines().next().unwrap().split(',').count()
        );
    }

    #[test]
    fn other_kernels_have_a_column_each_and_a_target_for_the_exits_of_virtual_machines() {
        let [isolated, least] = OtherKernel::ALL;
        let others = [
            (isolated, figures("page-map", 777)),
            (least, figures("page-map", 888)),
        ];
        let text = table(X86_64, &figures("page-map", 444), &others);
        let map = text.lines().find(|line| line.contains(" 777 ")).unwrap();
        assert!(map.contains(" 444      777      888      500 ok"), "{map}");
        assert!(text.contains(" median isolated    least   target"));
        for (kernel, figures) in &others {
            assert_eq!(missed_by(X86_64, *kernel, figures), None);
        }
        let slow = figures(VM_EXIT, 451);
        assert_eq!(missed_by(X86_64, isolated, &slow), None);
        let named = missed_by(X86_64, least, &slow);
        assert_eq!(
            named.as_deref(),
            Some("x86_64-least vm-exit: 451 instead of 450")
        );
        assert!(missed_by(X86_64, least, &Figures::default()).is_some());
    }
}
