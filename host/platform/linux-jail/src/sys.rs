//! System calls that no crate wraps safely, each as small as can be.
#![allow(unsafe_code, reason = "these system calls have no safe wrapper")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::process::Pid;

/// The child is born into a cgroup (clone3(2)); beyond the 32 bits that `libc` has for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What clone3 returned to.
pub(crate) enum Cloned {
    Child,
    Parent { pid: Pid, pidfd: OwnedFd },
}

/// Makes a child process as fork does, in new namespaces and in a cgroup of version 2 (clone3(2)).
///
/// Only for a process with a single thread: in the child, locks that other threads hold are never given back.
pub(crate) fn clone_process(namespaces: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: i32 = -1;
    let into_cgroup = if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    // SAFETY: all zeros is a valid clone_args.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces as u64 | libc::CLONE_PIDFD as u64 | into_cgroup;
    args.pidfd = ptr::from_mut(&mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    args.cgroup = cgroup.map_or(0, |fd| fd.as_raw_fd() as u64);
    // SAFETY: without CLONE_VM and a stack, the child goes on with a copy of this process' memory; `args` and `pidfd`
    // live across the call and have the size and type the kernel expects.
    match unsafe { libc::syscall(libc::SYS_clone3, &mut args, size_of::<libc::clone_args>()) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        pid => {
            let pid = i32::try_from(pid)
                .ok()
                .and_then(Pid::from_raw)
                .ok_or(io::ErrorKind::InvalidData)?;
            // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
            Ok(Cloned::Parent {
                pid,
                pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
            })
        }
    }
}

/// Ends this process at once, without any clean-up: what belongs to the parent is not the child's to clean.
pub(crate) fn exit_child(status: i32) -> ! {
    // SAFETY: always sound.
    unsafe { libc::_exit(status) }
}

/// Replaces the program of this process; returns only if that fails (execve(2)).
pub(crate) fn exec(program: &CStr, argv: &[CString], env: &[CString]) -> io::Error {
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts
            .iter()
            .map(|text| text.as_ptr())
            .chain([ptr::null()])
            .collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays hold pointers to NUL-terminated texts that outlive the call, and end with a null pointer.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Changes the attributes of a mount that has just been opened or made (mount_setattr(2)).
pub(crate) fn set_mount_attributes(mount: impl AsFd, attributes: u64, recursive: bool) -> io::Result<()> {
    // SAFETY: all zeros is a valid mount_attr.
    let mut attr: libc::mount_attr = unsafe { std::mem::zeroed() };
    attr.attr_set = attributes;
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, `attr` lives across the call and its size is told.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &mut attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Joins an anonymous session keyring of its own, so that the keys of the host's session are out of reach
/// (keyctl(2)).
pub(crate) fn leave_session_keyring() -> io::Result<()> {
    // SAFETY: a null name asks for an anonymous keyring.
    let result = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            libc::KEYCTL_JOIN_SESSION_KEYRING,
            ptr::null::<libc::c_char>(),
        )
    };
    if result >= 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Gives every signal its default effect and blocks none: what execve(2) would hand on otherwise.
pub(crate) fn reset_signals() {
    // SAFETY: setting the default effect of a signal is sound; those that cannot be set are refused by the kernel.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}

/// Marks all descriptors from 3 up to be closed by execve(2), whoever opened them (close_range(2)).
pub(crate) fn close_others_on_exec() -> io::Result<()> {
    // SAFETY: no descriptor is closed here, so none of the owned ones becomes invalid.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Moves this process out of namespaces it shares with its parent (unshare(2)). Not for threads or descriptors.
pub(crate) fn unshare(namespaces: rustix::thread::UnshareFlags) -> io::Result<()> {
    debug_assert!(!namespaces.contains(rustix::thread::UnshareFlags::FILES));
    // SAFETY: namespaces do not change which descriptors are open.
    Ok(unsafe { rustix::thread::unshare_unsafe(namespaces) }?)
}

/// `union bpf_attr` for `BPF_PROG_LOAD`, up to what we set (bpf(2)).
#[repr(C)]
#[derive(Default)]
struct LoadProgram {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach_type: u32,
}

/// `union bpf_attr` for `BPF_PROG_ATTACH`.
#[repr(C)]
struct AttachProgram {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
    replaced: u32,
}

/// `union bpf_attr` for `BPF_PROG_QUERY`, up to what we read.
#[repr(C)]
#[derive(Default)]
struct QueryPrograms {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    _padding: u32,
}

/// `union bpf_attr` for `BPF_PROG_GET_FD_BY_ID`.
#[repr(C)]
#[derive(Default)]
struct OpenProgram {
    id: u32,
    next_id: u32,
    flags: u32,
}

const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_ATTACH: libc::c_int = 8;
const BPF_PROG_GET_FD_BY_ID: libc::c_int = 13;
const BPF_PROG_QUERY: libc::c_int = 16;

/// Beside programs of cgroups above.
const BPF_F_ALLOW_MULTI: u32 = 2;
/// In the place of another program (Linux 5.6).
const BPF_F_REPLACE: u32 = 4;

/// Loads an eBPF program after the kernel has checked it (bpf(2)). If it does not pass, the error is what the kernel
/// wrote about it.
pub(crate) fn load_bpf_program(program: &[u64], program_type: u32, attach_type: u32) -> io::Result<OwnedFd> {
    // The kernel's check of a program gives up when a signal comes meanwhile (EAGAIN).
    let mut attempts = 0..5;
    let first = loop {
        match try_load_bpf_program(program, program_type, attach_type, &mut []) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && attempts.next().is_some() => {}
            loaded => break loaded,
        }
    };
    let refused = match first {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EACCES)) => error,
        loaded => return loaded,
    };
    let mut log = vec![0; 64 * 1024];
    try_load_bpf_program(program, program_type, attach_type, &mut log).map_err(|_| {
        let text = String::from_utf8_lossy(&log);
        let last = text
            .trim_end_matches('\0')
            .lines()
            .rfind(|line| !line.starts_with("processed "));
        io::Error::new(refused.kind(), format!("{refused}: {}", last.unwrap_or_default()))
    })
}

fn try_load_bpf_program(
    program: &[u64],
    program_type: u32,
    attach_type: u32,
    log: &mut [u8],
) -> io::Result<OwnedFd> {
    let mut name = [0; 16];
    name[..6].copy_from_slice(b"kleene");
    let mut attr = LoadProgram {
        program_type,
        instruction_count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"BSD".as_ptr() as u64,
        log_level: u32::from(!log.is_empty()),
        log_size: log.len() as u32,
        log_buffer: if log.is_empty() {
            0
        } else {
            log.as_mut_ptr() as u64
        },
        name,
        expected_attach_type: attach_type,
        ..LoadProgram::default()
    };
    // SAFETY: `attr` points to as many instructions as it says, to a C string and to a log of the size it says; all
    // outlive the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &mut attr, size_of::<LoadProgram>()) };
    match i32::try_from(fd) {
        // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Attaches an eBPF program to a cgroup, if wanted in the place of another one (bpf(2)).
pub(crate) fn attach_bpf_program(
    program: &OwnedFd,
    cgroup: impl AsFd,
    attach_type: u32,
    in_place_of: Option<&OwnedFd>,
) -> io::Result<()> {
    let replace = if in_place_of.is_some() { BPF_F_REPLACE } else { 0 };
    let mut attr = AttachProgram {
        target: cgroup.as_fd().as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        attach_type,
        flags: BPF_F_ALLOW_MULTI | replace,
        replaced: in_place_of.map_or(0, |program| program.as_raw_fd() as u32),
    };
    // SAFETY: `attr` lives across the call and its size is told.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_ATTACH,
            &mut attr,
            size_of::<AttachProgram>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The eBPF program that is attached to a cgroup itself, if there is one (bpf(2)). Of several, the first.
pub(crate) fn attached_bpf_program(cgroup: impl AsFd, attach_type: u32) -> io::Result<Option<OwnedFd>> {
    let mut ids = [0_u32; 16];
    let mut query = QueryPrograms {
        target: cgroup.as_fd().as_raw_fd() as u32,
        attach_type,
        ids: ids.as_mut_ptr() as u64,
        count: ids.len() as u32,
        ..QueryPrograms::default()
    };
    // SAFETY: `query` points to an array of as many numbers as it says; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_QUERY,
            &mut query,
            size_of::<QueryPrograms>(),
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if query.count == 0 {
        return Ok(None);
    }
    let mut open = OpenProgram {
        id: ids[0],
        ..OpenProgram::default()
    };
    // SAFETY: `open` lives across the call and its size is told.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_GET_FD_BY_ID,
            &mut open,
            size_of::<OpenProgram>(),
        )
    };
    match i32::try_from(fd) {
        // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
        Ok(fd) if fd >= 0 => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        _ => Err(io::Error::last_os_error()),
    }
}
