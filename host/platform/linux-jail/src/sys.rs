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
