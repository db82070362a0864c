//! Where a target ends and a command begins.

/// Divides `IMAGE [COMMAND]…` or `CONTAINER [COMMAND]…`. A `--` in between is tolerated, because 0.1.1 needed it.
pub fn split_target(words: Vec<String>) -> (String, Vec<String>) {
    let mut words = words.into_iter().peekable();
    let target = words.next().unwrap_or_default();
    words.next_if(|word| word == "--");
    (target, words.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_first_word_is_the_image_and_the_rest_the_command() {
        assert_eq!(split_target(words("img ls -la")), ("img".into(), words("ls -la")));
        assert_eq!(split_target(words("img")), ("img".into(), vec![]));
    }

    #[test]
    fn a_double_dash_between_image_and_command_is_tolerated() {
        assert_eq!(
            split_target(words("img -- ls -- x")),
            ("img".into(), words("ls -- x"))
        );
    }
}
