//! Times as the store keeps them: whole microseconds, which is what the API shows.

use jiff::Timestamp;

/// The current time, in whole microseconds, so that what is stored is what was told.
///
/// # Panics
/// Never: the clock's own time is within the range of timestamps.
#[must_use]
pub fn now() -> Timestamp {
    whole_microseconds(Timestamp::now())
}

fn whole_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_being_stored() {
        let time = now();
        assert_eq!(Timestamp::from_microsecond(time.as_microsecond()).unwrap(), time);
    }
}
