//! How long ago something was created, in words.

use jiff::Timestamp;

use crate::table::Cell;

/// The age of what has this `created` timestamp of the API, in a listing.
pub fn cell(created: &str, now: Timestamp) -> Cell {
    let cell = Cell::plain(since(created, now));
    match created.parse::<Timestamp>() {
        Ok(created) => cell.or_briefly(briefly(now.as_second() - created.as_second())),
        Err(_) => cell,
    }
}

/// `<age> ago` for a `created` timestamp of the API, or the timestamp itself if it cannot be read.
fn since(created: &str, now: Timestamp) -> String {
    match created.parse::<Timestamp>() {
        Ok(created) => format!("{} ago", in_words(now.as_second() - created.as_second())),
        Err(_) => created.to_owned(),
    }
}

/// An age in seconds as words: truncated, except that hours round half up. Clocks may disagree; a negative age
/// is none.
fn in_words(seconds: i64) -> String {
    let minutes = seconds / 60;
    let hours = (minutes + 30) / 60;
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..=59 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 336 => format!("{} days", hours / 24),
        _ if hours < 1440 => format!("{} weeks", hours / 168),
        _ if hours < 17520 => format!("{} months", hours / 720),
        _ => format!("{} years", hours / 8760),
    }
}

/// At most four characters, for the ages that things have.
fn briefly(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        ..1 => "0s".to_owned(),
        _ if minutes < 1 => format!("{seconds}s"),
        _ if hours < 1 => format!("{minutes}m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 336 => format!("{}d", hours / 24),
        _ if hours < 1440 => format!("{}w", hours / 168),
        _ if hours < 17520 => format!("{}mo", hours / 720),
        _ => format!("{}y", hours / 8760),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn ages_read_as_the_contract_says() {
        for (seconds, words) in [
            (-5, "Less than a second"),
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (5399, "About an hour"),
            (5400, "2 hours"),
            (DAY, "24 hours"),
            (2 * DAY - 1, "2 days"),
            (13 * DAY, "13 days"),
            (14 * DAY, "2 weeks"),
            (60 * DAY, "2 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
        ] {
            assert_eq!(in_words(seconds), words, "{seconds} s");
        }
    }

    #[test]
    fn a_brief_age_has_at_most_four_characters() {
        for (seconds, brief) in [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3600, "1h"),
            (2 * DAY - 1, "47h"),
            (13 * DAY, "13d"),
            (14 * DAY, "2w"),
            (729 * DAY, "24mo"),
            (730 * DAY, "2y"),
        ] {
            assert_eq!(briefly(seconds), brief, "{seconds} s");
        }
    }

    #[test]
    fn an_age_counts_from_the_timestamp_of_the_api() {
        let now = "2024-02-29T14:56:05Z".parse().unwrap();
        assert_eq!(since("2024-02-29T14:54:05.317207Z", now), "2 minutes ago");
    }

    #[test]
    fn a_timestamp_that_cannot_be_read_is_shown_as_it_is() {
        assert_eq!(since("yesterday", Timestamp::UNIX_EPOCH), "yesterday");
    }
}
