//! The system call filter of jailed processes.
//!
//! A call that is not allowed fails with `EPERM`. `clone3` fails with `ENOSYS`, so that C libraries fall back to `clone`,
//! whose flags can be looked at: `clone3` has them in memory, where no filter sees them.
//!
//! The program is put together here and not by seccompiler, which tests one call after the other: the kernel runs the
//! filter once for each call there is when it is applied, which made up a fifth of a jail's start time. Ours looks the
//! call up in a tree of ranges.

use std::io;

use kleene_plan::JailNetwork;
use libc::c_long;
use seccompiler::{BpfProgram, sock_filter};

use crate::error::{Error, Result};
use crate::syscalls::{ALLOWED, ALLOWED_HERE, ALLOWED_NEW};

/// `CLONE_NEW*` of clone(2): new namespaces are not for jailed processes.
const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// Execution domains of personality(2) that change no security property: `PER_LINUX`, `PER_LINUX32`, both with
/// `UNAME26`, and the question for the current one.
const PERSONALITIES: &[u32] = &[0, 0x0008, 0x0002_0000, 0x0002_0008, 0xffff_ffff];

/// Families of socket(2) for no jail: the way from a virtual machine to its host.
const NO_SOCKETS: &[u32] = &[libc::AF_VSOCK as u32];

/// For no jail in the host's network stack: with a packet socket it would read what others send, as with bpf(4), which
/// jails on FreeBSD do not have either.
const NO_SOCKETS_OF_HOST: &[u32] = &[libc::AF_VSOCK as u32, libc::AF_PACKET as u32];

/// The calling convention of this machine (`AUDIT_ARCH_*`, linux/audit.h); calls by another have other numbers.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: u32 = 0xc000_00f3;

/// Offsets in `struct seccomp_data` (seccomp(2)).
const NUMBER: u32 = 0;
const CONVENTION: u32 = 4;
/// The lower half of the first argument; all machines above are little-endian.
const FIRST_ARGUMENT: u32 = 16;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Refuse(i32),
    /// Allowed if the first argument passes.
    If(Test),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    NoneOfBits(u32),
    NoneOf(&'static [u32]),
    OneOf(&'static [u32]),
}

const REFUSED: Verdict = Verdict::Refuse(libc::EPERM);

/// Puts this process, and all that come of it, under the filter, and forbids it new privileges.
pub(crate) fn apply(filter: &Filter) -> Result<()> {
    seccompiler::apply_filter(&filter.0).map_err(|error| Error::Step {
        step: "apply the system call filter".to_owned(),
        source: io::Error::other(error),
    })
}

/// A filter, ready to be applied.
pub(crate) struct Filter(BpfProgram);

impl Filter {
    /// The filter for this machine and a jail connected in this way.
    pub(crate) fn new(network: &JailNetwork) -> Self {
        let sockets = match network {
            JailNetwork::Vnet { .. } | JailNetwork::Disabled => NO_SOCKETS,
            JailNetwork::Inherit | JailNetwork::Addresses(_) => NO_SOCKETS_OF_HOST,
        };
        let mut program = vec![
            load(CONVENTION),
            jump(libc::BPF_JEQ, ARCHITECTURE, 1, 0),
            answer(libc::SECCOMP_RET_KILL_PROCESS),
            load(NUMBER),
        ];
        program.extend(search(&ranges(sockets)));
        Self(program)
    }
}

fn verdict(number: c_long, sockets: &'static [u32]) -> Verdict {
    match number {
        libc::SYS_clone => Verdict::If(Test::NoneOfBits(NEW_NAMESPACES)),
        libc::SYS_clone3 => Verdict::Refuse(libc::ENOSYS),
        libc::SYS_socket => Verdict::If(Test::NoneOf(sockets)),
        libc::SYS_personality => Verdict::If(Test::OneOf(PERSONALITIES)),
        _ => Verdict::Allow,
    }
}

/// From which number on which verdict holds, up to the next; beginning with 0.
fn ranges(sockets: &'static [u32]) -> Vec<(u32, Verdict)> {
    let special = [
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_socket,
        libc::SYS_personality,
    ];
    let new = ALLOWED_NEW.iter().map(|&(_, number)| number);
    let mut numbers: Vec<c_long> = ALLOWED
        .iter()
        .chain(ALLOWED_HERE)
        .copied()
        .chain(new)
        .chain(special)
        .collect();
    numbers.sort_unstable();
    let mut ranges = vec![(0, REFUSED)];
    let mut enter = |number: c_long, verdict: Verdict| match ranges.last_mut() {
        Some(last) if last.0 == number as u32 => last.1 = verdict,
        Some(last) if last.1 == verdict => {}
        _ => ranges.push((number as u32, verdict)),
    };
    for number in numbers {
        enter(number, verdict(number, sockets));
        enter(number + 1, REFUSED);
    }
    // Where neighbours met, a range was begun and taken back.
    ranges.dedup_by_key(|range| range.1);
    ranges
}

/// Finds the range of the loaded number by halving.
fn search(ranges: &[(u32, Verdict)]) -> BpfProgram {
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    match (lower, upper) {
        ([], [(_, verdict)]) => leaf(*verdict),
        (_, [(first, _), ..]) => {
            let (lower, upper) = (search(lower), search(upper));
            let mut program = vec![jump(libc::BPF_JGE, *first, 0, 1), skip(lower.len())];
            program.extend(lower);
            program.extend(upper);
            program
        }
        (_, []) => leaf(REFUSED),
    }
}

fn leaf(verdict: Verdict) -> BpfProgram {
    let (yes, no) = (answer(libc::SECCOMP_RET_ALLOW), refusal(libc::EPERM));
    match verdict {
        Verdict::Allow => vec![yes],
        Verdict::Refuse(errno) => vec![refusal(errno)],
        Verdict::If(Test::NoneOfBits(bits)) => {
            vec![load(FIRST_ARGUMENT), jump(libc::BPF_JSET, bits, 0, 1), no, yes]
        }
        Verdict::If(Test::NoneOf(values)) => one_of(values, no, yes),
        Verdict::If(Test::OneOf(values)) => one_of(values, yes, no),
    }
}

fn one_of(values: &[u32], then: sock_filter, otherwise: sock_filter) -> BpfProgram {
    let mut program = vec![load(FIRST_ARGUMENT)];
    for &value in values {
        program.extend([jump(libc::BPF_JEQ, value, 0, 1), then.clone()]);
    }
    program.push(otherwise);
    program
}

fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

/// Skips `yes` or `no` instructions.
fn jump(comparison: u32, value: u32, yes: u8, no: u8) -> sock_filter {
    instruction(libc::BPF_JMP | comparison | libc::BPF_K, yes, no, value)
}

fn skip(count: usize) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, count as u32)
}

fn refusal(errno: i32) -> sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno as u32 & libc::SECCOMP_RET_DATA)
}

fn answer(action: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, action)
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `call` returns as errno (0: success) in a child process under the filter.
    #[allow(
        unsafe_code,
        reason = "a filter cannot be taken off again, so a child has to wear it"
    )]
    fn errno_under_filter(call: fn() -> c_long) -> i32 {
        let filter = Filter::new(&JailNetwork::Inherit);
        // SAFETY: the child makes system calls only.
        match unsafe { libc::fork() } {
            0 => {
                let errno = match apply(&filter) {
                    Ok(()) if call() == -1 => io::Error::last_os_error().raw_os_error().unwrap_or(255),
                    Ok(()) => 0,
                    Err(_) => 254,
                };
                // SAFETY: always sound.
                unsafe { libc::_exit(errno) }
            }
            pid => {
                let mut status = 0;
                // SAFETY: the pid is that of our child.
                unsafe { libc::waitpid(pid, &mut status, 0) };
                libc::WEXITSTATUS(status)
            }
        }
    }

    macro_rules! call {
        ($number:expr $(, $argument:expr)*) => {
            errno_under_filter(|| {
                #[allow(unsafe_code, reason = "the arguments are numbers and null pointers")]
                // SAFETY: null pointers are refused by the kernel, numbers are harmless.
                unsafe { libc::syscall($number $(, $argument)*) }
            })
        };
    }

    /// Runs the filter over a call as the kernel would.
    fn interpret(number: u32, argument: u32) -> u32 {
        let program = Filter::new(&JailNetwork::Inherit).0;
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            let branch = |condition: bool| 1 + usize::from(if condition { jt } else { jf });
            at += match u32::from(code) {
                code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                    accumulator = match k {
                        NUMBER => number,
                        CONVENTION => ARCHITECTURE,
                        FIRST_ARGUMENT => argument,
                        other => panic!("loads from {other}"),
                    };
                    1
                }
                code if code == libc::BPF_JMP | libc::BPF_JA => 1 + k as usize,
                code if code == libc::BPF_JMP | libc::BPF_JEQ => branch(accumulator == k),
                code if code == libc::BPF_JMP | libc::BPF_JGE => branch(accumulator >= k),
                code if code == libc::BPF_JMP | libc::BPF_JSET => branch(accumulator & k != 0),
                code if code == libc::BPF_RET => return k,
                other => panic!("no such instruction: {other}"),
            };
        }
    }

    #[test]
    fn the_tree_answers_for_each_call_as_the_table_says() {
        let special = [
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_socket,
            libc::SYS_personality,
        ];
        for number in (0..1000).filter(|number| !special.contains(number)) {
            let listed = ALLOWED.contains(&number)
                || ALLOWED_HERE.contains(&number)
                || ALLOWED_NEW.iter().any(|&(_, new)| new == number);
            let expected = if listed {
                libc::SECCOMP_RET_ALLOW
            } else {
                libc::SECCOMP_RET_ERRNO | libc::EPERM as u32
            };
            assert_eq!(interpret(number as u32, 0), expected, "call {number}");
        }
    }

    #[test]
    fn numbers_of_another_convention_are_refused() {
        let x32 = 0x4000_0000;
        assert_eq!(
            interpret(x32 + libc::SYS_read as u32, 0),
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32
        );
        assert_eq!(
            interpret(u32::MAX, 0),
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32
        );
    }

    #[test]
    fn the_program_is_short_enough_to_be_applied_fast() {
        assert!(
            Filter::new(&JailNetwork::Inherit).0.len() < 400,
            "{}",
            Filter::new(&JailNetwork::Inherit).0.len()
        );
    }

    #[test]
    fn ordinary_calls_are_allowed() {
        assert_eq!(call!(libc::SYS_getpid), 0);
        assert_eq!(call!(libc::SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0), 0);
        assert_eq!(call!(libc::SYS_personality, 0xffff_ffffu64), 0);
    }

    #[test]
    fn calls_of_administration_are_refused() {
        assert_eq!(call!(libc::SYS_unshare, libc::CLONE_NEWUTS), libc::EPERM);
        assert_eq!(call!(libc::SYS_mount, 0, 0, 0, 0, 0), libc::EPERM);
        assert_eq!(call!(libc::SYS_bpf, 0, 0, 0), libc::EPERM);
        assert_eq!(call!(libc::SYS_keyctl, 0, 0), libc::EPERM);
    }

    #[test]
    fn new_namespaces_are_refused_and_new_processes_are_not() {
        assert_eq!(
            call!(libc::SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, 0, 0, 0, 0),
            libc::EPERM
        );
        assert_eq!(call!(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0), 0);
    }

    #[test]
    fn clone3_does_not_exist() {
        assert_eq!(call!(libc::SYS_clone3, 0, 0), libc::ENOSYS);
    }

    #[test]
    fn other_execution_domains_and_sockets_of_virtual_machines_are_refused() {
        assert_eq!(call!(libc::SYS_personality, 0x0040_0000u64), libc::EPERM);
        assert_eq!(
            call!(libc::SYS_socket, libc::AF_VSOCK, libc::SOCK_STREAM, 0),
            libc::EPERM
        );
    }

    #[test]
    fn no_call_is_listed_twice() {
        let all = ALLOWED
            .iter()
            .chain(ALLOWED_HERE)
            .copied()
            .chain(ALLOWED_NEW.iter().map(|&(_, n)| n));
        let mut numbers: Vec<c_long> = all.collect();
        numbers.sort_unstable();
        let count = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }
}
