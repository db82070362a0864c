//! Loads nft(8) text into the kernel, as one transaction: through libnftables where it is installed (a millisecond to
//! open, then no process per change), else by running `nft`. A text takes effect as a whole or not at all.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::io::Write;
use std::process::{Command, Stdio};

use libloading::{Library, Symbol};

/// The way to the kernel.
#[derive(Debug)]
pub(crate) enum Loader {
    Library(Context),
    Command,
}

/// Whether a text shall take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Load,
    /// Only whether the kernel would take it.
    Check,
}

impl Loader {
    /// Opens the library if there is one. Rules go to the network namespace of this thread.
    pub(crate) fn open() -> Self {
        match Context::open() {
            Ok(context) => Self::Library(context),
            Err(error) => {
                tracing::info!("libnftables is not used ({error}); nft(8) is run for each change");
                Self::Command
            }
        }
    }

    /// # Errors
    /// What nft says, which names the line.
    pub(crate) fn run(&mut self, text: &str, mode: Mode) -> Result<(), String> {
        match self {
            Self::Library(context) => context.run(text, mode),
            Self::Command => run_command(text, mode),
        }
    }
}

fn run_command(text: &str, mode: Mode) -> Result<(), String> {
    let missing = |error| format!("nft could not be run ({error}); install the package nftables");
    let mut command = Command::new("nft");
    if mode == Mode::Check {
        command.arg("--check");
    }
    command
        .args(["--file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    kleene_platform::end_with_starter(&mut command, None);
    let mut child = command.spawn().map_err(missing)?;
    if let Some(mut input) = child.stdin.take() {
        // nft reads all of it before it says a word, so this cannot wait for ever.
        input.write_all(text.as_bytes()).map_err(missing)?;
    }
    let output = child.wait_with_output().map_err(missing)?;
    let said = String::from_utf8_lossy(&output.stderr);
    tracing::debug!(command = ?command, status = %output.status, output = %said, "an external command ended");
    if output.status.success() {
        Ok(())
    } else {
        Err(first_lines(&said))
    }
}

/// nft repeats each wrong line with a mark under it; the first message is enough.
fn first_lines(text: &str) -> String {
    text.lines().take(2).map(str::trim).collect::<Vec<_>>().join(": ")
}

/// A context of libnftables.
#[derive(Debug)]
pub(crate) struct Context {
    library: Library,
    handle: *mut c_void,
}

// SAFETY: libnftables(3) keeps all state of a context behind its handle and has no thread affinity; `run` takes the
// context exclusively.
#[allow(unsafe_code, reason = "the handle is a pointer")]
unsafe impl Send for Context {}

type New = unsafe extern "C" fn(c_uint) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);
type Buffer = unsafe extern "C" fn(*mut c_void) -> c_int;
type SetDryRun = unsafe extern "C" fn(*mut c_void, bool);
type Run = unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int;
type GetError = unsafe extern "C" fn(*mut c_void) -> *const c_char;

#[allow(unsafe_code, reason = "libnftables is a C library")]
impl Context {
    fn open() -> Result<Self, libloading::Error> {
        // SAFETY: loading libnftables runs no code but its own constructors. The types of the functions are those of
        // <nftables/libnftables.h>, which the soname .1 stands for.
        unsafe {
            let library = Library::new("libnftables.so.1")?;
            let handle = library.get::<New>(b"nft_ctx_new\0")?(0);
            let context = Self { library, handle };
            // Messages into buffers, not to the daemon's own output.
            context.function::<Buffer>(b"nft_ctx_buffer_error\0")?(handle);
            context.function::<Buffer>(b"nft_ctx_buffer_output\0")?(handle);
            Ok(context)
        }
    }

    /// # Safety
    /// The type is the function's.
    unsafe fn function<T>(&self, name: &[u8]) -> Result<Symbol<'_, T>, libloading::Error> {
        // SAFETY: as promised by the caller.
        unsafe { self.library.get(name) }
    }

    fn run(&mut self, text: &str, mode: Mode) -> Result<(), String> {
        let text = CString::new(text).map_err(|error| error.to_string())?;
        // SAFETY: the types are those of the header; the handle lives as long as self; the text ends with zero and is
        // only read; the error buffer belongs to the context and stays valid until its next call.
        unsafe {
            let symbol = |error: libloading::Error| error.to_string();
            self.function::<SetDryRun>(b"nft_ctx_set_dry_run\0")
                .map_err(symbol)?(self.handle, mode == Mode::Check);
            let run = self
                .function::<Run>(b"nft_run_cmd_from_buffer\0")
                .map_err(symbol)?;
            if run(self.handle, text.as_ptr()) == 0 {
                return Ok(());
            }
            let error = self
                .function::<GetError>(b"nft_ctx_get_error_buffer\0")
                .map_err(symbol)?(self.handle);
            if error.is_null() {
                return Err("libnftables gives no reason".to_owned());
            }
            Err(first_lines(&CStr::from_ptr(error).to_string_lossy()))
        }
    }
}

#[allow(unsafe_code, reason = "libnftables is a C library")]
impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the handle came from nft_ctx_new and is not used afterwards.
        unsafe {
            if let Ok(free) = self.library.get::<Free>(b"nft_ctx_free\0") {
                free(self.handle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::thread::{UnshareFlags, unshare_unsafe};

    use super::*;

    /// The library and the program say yes and no to the same texts.
    #[test]
    #[allow(unsafe_code, reason = "unshare(2) of the network namespace")]
    fn both_ways_to_the_kernel_behave_alike() {
        // SAFETY: no file descriptors are unshared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        let library = Loader::Library(Context::open().unwrap());
        for mut loader in [library, Loader::Command] {
            loader.run("add table inet kleene", Mode::Load).unwrap();
            loader.run("delete table inet kleene", Mode::Check).unwrap();
            loader
                .run("delete table inet kleene\nadd table inet kleene", Mode::Load)
                .unwrap();
            let absent = "add table inet kleene\ndelete set inet kleene absent";
            for mode in [Mode::Check, Mode::Load] {
                let reason = loader.run(absent, mode).unwrap_err();
                assert!(reason.contains("No such file or directory"), "{reason}");
            }
            loader.run("delete table inet kleene", Mode::Load).unwrap();
            loader.run("delete table inet kleene", Mode::Load).unwrap_err();
        }
    }
}
