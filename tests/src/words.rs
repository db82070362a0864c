//! Command lines as one types them, to argument vectors: what is shown is what is run.

/// The words of a line: separated by blanks, quoted by `'` where they contain some. There is nothing else to quote.
///
/// # Panics
/// If a quote is not closed, which is a mistake of the caller.
#[must_use]
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    assert!(!quoted, "a quote is not closed in: {line}");
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_separate() {
        assert_eq!(words("  klee  lsc -a "), ["klee", "lsc", "-a"]);
        assert!(words("").is_empty());
    }

    #[test]
    fn quotes_keep_blanks_and_empty_words() {
        assert_eq!(words("sh -c 'echo a b' ''"), ["sh", "-c", "echo a b", ""]);
        assert_eq!(words("a'b c'd"), ["ab cd"]);
    }
}
