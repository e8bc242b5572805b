//! What somebody may have meant.

/// How alike two names must be, between 0 and 1.
const ALIKE: f64 = 0.75;

/// At most three of `names` that are like `written`, the likest first.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(written, name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// "did you mean a or b?", or all names when none is near.
pub fn proposal(written: &str, names: &[&str]) -> String {
    let near = nearest(written, names.iter().copied());
    if near.is_empty() {
        format!("write one of {}", names.join(", "))
    } else {
        format!(
            "did you mean {}? All are: {}",
            near.join(" or "),
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_first_and_far_ones_not_at_all() {
        let names = ["pi4-8gb", "pi5-8gb", "odroid-h4"];
        assert_eq!(nearest("pi5", names), ["pi5-8gb"]);
        assert_eq!(nearest("pi4-8gp", names), ["pi4-8gb", "pi5-8gb"]);
        assert_eq!(nearest("vax", names), [""; 0]);
        assert!(proposal("vax", &names).starts_with("write one of pi4-8gb,"));
    }
}
