//! What FreeBSD's tools really printed: `fixtures/<release>/*.txt`, for tests of parsers.
//!
//! Each file holds commands (`$ …`), what they printed (`1> …`, standard error `2> …`) and how they ended (`=> exit N`).

/// How a recorded command went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recording {
    pub(crate) printed: String,
    pub(crate) complaint: String,
    pub(crate) status: i32,
}

const FILES: [&str; 8] = [
    include_str!("../fixtures/13.2/ifconfig.txt"),
    include_str!("../fixtures/13.2/jail.txt"),
    include_str!("../fixtures/13.2/mount.txt"),
    include_str!("../fixtures/13.2/pf.txt"),
    include_str!("../fixtures/13.2/rctl.txt"),
    include_str!("../fixtures/13.2/sequences.txt"),
    include_str!("../fixtures/13.2/system.txt"),
    include_str!("../fixtures/13.2/zfs.txt"),
];

/// The first recording of a command.
pub(crate) fn recorded(command: &str) -> Recording {
    nth_recorded(command, 0)
}

/// One of several recordings of the same command, counted from zero.
pub(crate) fn nth_recorded(command: &str, n: usize) -> Recording {
    let start = format!("$ {command}\n");
    let recordings = FILES.iter().flat_map(|file| file.split_inclusive("\n\n"));
    let text = recordings
        .filter_map(|text| text.strip_prefix(start.as_str()))
        .nth(n)
        .unwrap_or_else(|| panic!("'{command}' was not recorded {} times", n + 1));
    let of = |mark: &str| {
        text.lines()
            .filter_map(|line| line.strip_prefix(mark))
            .map(|line| format!("{line}\n"))
            .collect()
    };
    let status = text.rsplit_once("=> exit ").expect("an exit status").1;
    Recording {
        printed: of("1> "),
        complaint: of("2> "),
        status: status.trim().parse().expect("an exit status"),
    }
}

/// Every recording's output: no parser may panic about any of it.
pub(crate) fn every_output() -> impl Iterator<Item = String> {
    let recordings = FILES.iter().flat_map(|file| file.split_inclusive("\n\n"));
    recordings.map(|text| {
        text.lines()
            .filter_map(|line| line.strip_prefix("1> "))
            .map(|line| format!("{line}\n"))
            .collect()
    })
}

#[test]
fn a_recording_is_found_by_its_command() {
    let recording = recorded("zfs list -H -o name tank/nosuch");
    let expected = Recording {
        printed: String::new(),
        complaint: "cannot open 'tank/nosuch': dataset does not exist\n".to_owned(),
        status: 1,
    };
    assert_eq!(recording, expected);
}
