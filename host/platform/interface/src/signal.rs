//! Which signal of this host a [`StopSignal`] is.

use kleene_plan::StopSignal;
use rustix::process::Signal;

/// The first and the last real-time signal, as programs count them.
#[cfg(target_os = "freebsd")]
const REAL_TIME: (u8, u8) = (65, 126);
/// The first and the last real-time signal, as programs count them: the C library keeps two for itself (signal(7)).
#[cfg(not(target_os = "freebsd"))]
const REAL_TIME: (u8, u8) = (34, 64);

/// The signal of this host; `None` if it has none of this name or number.
#[must_use]
pub fn host_signal(signal: StopSignal) -> Option<Signal> {
    let (first, last) = REAL_TIME;
    match signal {
        StopSignal::Named(name) => named(name),
        StopSignal::AfterFirst(offset) => numbered(first.checked_add(offset)?),
        StopSignal::BeforeLast(offset) => numbered(last.checked_sub(offset)?),
        StopSignal::Number(number) => numbered(number),
    }
}

fn numbered(number: u8) -> Option<Signal> {
    let (first, last) = REAL_TIME;
    Signal::from_named_raw(number.into())
        .or_else(|| (first..=last).contains(&number).then(|| real_time(number)))
}

#[allow(unsafe_code, reason = "rustix has no other way to a real-time signal")]
fn real_time(number: u8) -> Signal {
    // SAFETY: it is not 0, and none of those that the C library keeps for itself.
    unsafe { Signal::from_raw_unchecked(number.into()) }
}

fn named(name: &str) -> Option<Signal> {
    Some(match name {
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "QUIT" => Signal::QUIT,
        "ILL" => Signal::ILL,
        "TRAP" => Signal::TRAP,
        "ABRT" => Signal::ABORT,
        "BUS" => Signal::BUS,
        "FPE" => Signal::FPE,
        "KILL" => Signal::KILL,
        "USR1" => Signal::USR1,
        "SEGV" => Signal::SEGV,
        "USR2" => Signal::USR2,
        "PIPE" => Signal::PIPE,
        "ALRM" => Signal::ALARM,
        "TERM" => Signal::TERM,
        "CHLD" => Signal::CHILD,
        "CONT" => Signal::CONT,
        "STOP" => Signal::STOP,
        "TSTP" => Signal::TSTP,
        "TTIN" => Signal::TTIN,
        "TTOU" => Signal::TTOU,
        "URG" => Signal::URG,
        "XCPU" => Signal::XCPU,
        "XFSZ" => Signal::XFSZ,
        "VTALRM" => Signal::VTALARM,
        "PROF" => Signal::PROF,
        "WINCH" => Signal::WINCH,
        "IO" => Signal::IO,
        "SYS" => Signal::SYS,
        _ => return of_one_host(name),
    })
}

#[cfg(target_os = "freebsd")]
fn of_one_host(name: &str) -> Option<Signal> {
    match name {
        "EMT" => Some(Signal::EMT),
        "INFO" => Some(Signal::INFO),
        "THR" => Some(Signal::THR),
        _ => None,
    }
}

#[cfg(not(target_os = "freebsd"))]
fn of_one_host(name: &str) -> Option<Signal> {
    match name {
        "STKFLT" => Some(Signal::STKFLT),
        "PWR" => Some(Signal::POWER),
        _ => None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_the_host() {
        for (text, number) in [
            ("SIGQUIT", Some(3)),
            ("3", Some(3)),
            ("USR1", Some(10)),
            ("SIGPWR", Some(30)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-1", Some(63)),
            ("37", Some(37)),
            ("SIGINFO", None),
            ("33", None),
            ("65", None),
        ] {
            let signal = host_signal(text.parse().unwrap());
            assert_eq!(signal.map(Signal::as_raw), number, "{text}");
        }
    }
}
