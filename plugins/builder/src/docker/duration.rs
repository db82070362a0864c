//! Durations as Docker writes them, which are those of Go: `1m30s`, `500ms`, `1.5h`.

/// Nanoseconds; `None` if it is no duration or longer than about 580 years.
pub(super) fn nanoseconds(text: &str) -> Option<u64> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("μs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 60e9),
        ("h", 3600e9),
    ];
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total += number.parse::<f64>().ok()? * factor;
        rest = next;
    }
    let known = !text.is_empty() && total.is_finite() && total < 1.8e19;
    // Whole nanoseconds, within the range that was just checked.
    known.then_some(total.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn durations_are_those_of_go() {
        for (text, expected) in [
            ("30s", Some(30_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("500ms", Some(500_000_000)),
            ("2us", Some(2_000)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("30", None),
            ("", None),
            ("s", None),
            ("1x", None),
            ("-1s", None),
            ("1.2.3s", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(nanoseconds(text), expected, "{text}");
        }
    }
}
