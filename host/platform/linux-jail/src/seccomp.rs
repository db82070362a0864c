//! The system call filter of jailed processes.
//!
//! A call that is not allowed fails with `EPERM`. `clone3` fails with `ENOSYS`, so that C libraries fall back to `clone`,
//! whose flags can be looked at: `clone3` has them in memory, where no filter sees them.

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use crate::error::{Error, Result};
use crate::syscalls::{ALLOWED, ALLOWED_HERE, ALLOWED_NEW};

/// `CLONE_NEW*` of clone(2): new namespaces are not for jailed processes.
const NEW_NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Execution domains of personality(2) that change no security property: `PER_LINUX`, `PER_LINUX32`, both with
/// `UNAME26`, and the question for the current one.
const PERSONALITIES: [u64; 5] = [0, 0x0008, 0x0002_0000, 0x0002_0008, 0xffff_ffff];

/// A compiled filter, ready to be applied.
pub(crate) struct Filter {
    allow: BpfProgram,
    no_clone3: BpfProgram,
}

impl Filter {
    /// Compiles the filter for this machine.
    pub(crate) fn compile() -> Result<Self> {
        let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        let build = || -> seccompiler::Result<Self> {
            Ok(Self {
                allow: compile(rules()?, libc::EPERM, SeccompAction::Allow)?,
                no_clone3: compile_denial(clone3, libc::ENOSYS)?,
            })
        };
        build().map_err(|error| failed("compile the system call filter", error))
    }

    /// Puts this process, and all that come of it, under the filter.
    pub(crate) fn apply(&self) -> Result<()> {
        // Of two filters that refuse a call, the one applied last gives the error.
        for program in [&self.allow, &self.no_clone3] {
            seccompiler::apply_filter(program)
                .map_err(|error| failed("apply the system call filter", error))?;
        }
        Ok(())
    }
}

fn failed(step: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Step {
        step: step.to_owned(),
        source: io::Error::other(error),
    }
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: i32,
    action: SeccompAction,
) -> seccompiler::Result<BpfProgram> {
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(otherwise as u32),
        action,
        architecture()?,
    )?;
    Ok(filter.try_into()?)
}

fn compile_denial(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> seccompiler::Result<BpfProgram> {
    let action = SeccompAction::Errno(errno as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture()?)?;
    Ok(filter.try_into()?)
}

fn architecture() -> seccompiler::Result<TargetArch> {
    Ok(std::env::consts::ARCH.try_into()?)
}

fn rules() -> seccompiler::Result<BTreeMap<i64, Vec<SeccompRule>>> {
    let new = ALLOWED_NEW.iter().map(|&(_, number)| number);
    let unconditional = ALLOWED.iter().chain(ALLOWED_HERE).copied().chain(new);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        unconditional.map(|number: c_long| (number, Vec::new())).collect();
    let same_namespaces = condition(0, SeccompCmpOp::MaskedEq(NEW_NAMESPACES), 0)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![same_namespaces])?]);
    let no_virtual_machine = condition(0, SeccompCmpOp::Ne, libc::AF_VSOCK as u64)?;
    rules.insert(
        libc::SYS_socket,
        vec![SeccompRule::new(vec![no_virtual_machine])?],
    );
    let personality = |&value| SeccompRule::new(vec![condition(0, SeccompCmpOp::Eq, value)?]);
    let personalities: std::result::Result<_, _> = PERSONALITIES.iter().map(personality).collect();
    rules.insert(libc::SYS_personality, personalities?);
    Ok(rules)
}

fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> std::result::Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
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
        let filter = Filter::compile().unwrap();
        // SAFETY: the child makes system calls only.
        match unsafe { libc::fork() } {
            0 => {
                let errno = match filter.apply() {
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
