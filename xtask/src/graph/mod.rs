//! Draws a system: who talks to whom with which rights, what each may use, and what all stand on.
//!
//! `scene` what is drawn · `layout` where · `svg` how it looks.

mod layout;
mod scene;
mod svg;

use crate::system::System;
pub use svg::escape;

/// The picture of a system, as an SVG file.
pub fn draw(system: &System) -> String {
    svg::draw(system, &scene::Scene::new(system))
}

#[cfg(test)]
mod tests {
    use crate::system::System;
    use std::path::Path;

    /// Whether every tag that opens closes, in order.
    fn is_balanced(svg: &str) -> bool {
        let mut open = vec![];
        for part in svg.split('<').skip(1) {
            let Some((tag, _)) = part.split_once('>') else {
                return false;
            };
            let name = tag
                .trim_start_matches('/')
                .split([' ', '\n', '/'])
                .next()
                .unwrap_or("")
                .to_owned();
            if tag.starts_with('/') {
                if open.pop() != Some(name) {
                    return false;
                }
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        open.is_empty()
    }

    #[test]
    fn the_picture_names_everything_and_is_well_formed() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/configurations/good.toml");
        let system = System::read(&path)
            .map_err(|problems| problems.to_string())
            .unwrap();
        let svg = super::draw(&system);
        assert!(is_balanced(&svg));
        let names = [
            "server", "client", "foreign", "ping rws", "shared", "kernel", "moe", "ned", "sigma0",
        ];
        for name in names {
            assert!(svg.contains(name), "{name} is missing");
        }
    }

    #[test]
    fn the_picture_in_the_readme_is_what_is_drawn() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let system = System::read(&root.join("configs/pingpong.toml"));
        let picture = std::fs::read_to_string(root.join("docs/pictures/pingpong.svg")).unwrap();
        // Not `assert_eq`: nobody wants to read both.
        let drawn = system.map_err(|problems| problems.to_string()).unwrap();
        assert!(
            super::draw(&drawn) == picture,
            "draw it anew with `cargo xtask graph`"
        );
    }

    #[test]
    fn texts_cannot_break_out() {
        assert_eq!(
            super::svg::escape("<a & \"b\">"),
            "&lt;a &amp; &quot;b&quot;&gt;"
        );
    }
}
