//! Fills a root with programs of the host and everything they need to start: shared libraries, loaders, interpreters.
//!
//! This makes a base image without any download. Names work as on the host: `/bin/sh` comes with the links it is made of
//! (`/bin -> usr/bin`, `/usr/bin/sh -> dash`). Needs are read from the ELF files by the rules of ld.so(8) and rtld(1); `ldd` would
//! run the program's loader.
//!
//! What a program opens only at run time (`dlopen`, locales, terminfo, name services) cannot be seen and is not
//! copied. glibc from 2.34 on has the `files` and `dns` name services built in, FreeBSD's libc always had; with older glibc name
//! the `libnss_*` files as programs. A FreeBSD image also needs its password database: run `pwd_mkdb -d <root>/etc
//! <root>/etc/master.passwd`.

mod elf;
mod libraries;
mod names;
mod needs;
mod skeleton;

use std::{
    collections::{BTreeSet, VecDeque},
    path::{Path, PathBuf},
};

use crate::{
    Root,
    error::{Error, Result},
};
use libraries::Search;
use names::Copied;
use needs::Needs;

/// What was put into the root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Programs, libraries, loaders and interpreters.
    pub files: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Extended attributes, such as file capabilities, that the file system of the root cannot hold.
    pub attributes_lost: u64,
}

/// Something to be copied, with what led to it.
struct Wanted {
    path: PathBuf,
    /// `DT_RPATH` of the objects that need it, which count for what it needs itself (ld.so(8)).
    inherited: Vec<PathBuf>,
}

/// Copies programs with all they need into a root, and adds the few files and directories every system has.
///
/// # Errors
/// [`Error::ProgramMissing`], [`Error::ProgramNotAbsolute`] and [`Error::NotAProgram`] before anything is written; later
/// [`Error::LibraryMissing`], [`Error::InterpreterMissing`].
pub fn populate(root: &Root, programs: &[PathBuf]) -> Result<Report> {
    for program in programs {
        needs::check_program(program)?;
    }
    let mut search = Search::of_host();
    let mut copied = Copied::new(root);
    let mut todo: VecDeque<Wanted> = programs
        .iter()
        .map(|path| Wanted {
            path: path.clone(),
            inherited: Vec::new(),
        })
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(wanted) = todo.pop_front() {
        if !seen.insert((wanted.path.clone(), wanted.inherited.clone())) {
            continue;
        }
        let real = copied.add(&wanted.path)?;
        match needs::of(&wanted.path, &real)? {
            Needs::Interpreters(interpreters) => {
                for path in interpreters {
                    require(&path, &wanted.path)?;
                    todo.push_back(Wanted {
                        path,
                        inherited: Vec::new(),
                    });
                }
            }
            Needs::Libraries(object) => {
                if let Some(loader) = &object.loader {
                    require(loader, &wanted.path)?;
                    todo.push_back(Wanted {
                        path: loader.clone(),
                        inherited: Vec::new(),
                    });
                }
                let inherited = object.rpaths_for_needed(&wanted.inherited);
                for library in &object.needed {
                    let path = search.find(library, &object, &wanted.inherited, &wanted.path)?;
                    todo.push_back(Wanted {
                        path,
                        inherited: inherited.clone(),
                    });
                }
                for library in &object.stand_ins {
                    if let Ok(path) = search.find(library, &object, &wanted.inherited, &wanted.path) {
                        let inherited = inherited.clone();
                        todo.push_back(Wanted { path, inherited });
                    }
                }
            }
            Needs::Nothing => {}
        }
    }
    if search.needs_loader_cache() {
        for cache in libraries::LOADER_CACHES
            .iter()
            .map(Path::new)
            .filter(|path| path.exists())
        {
            copied.add(cache)?;
        }
    }
    skeleton::write(root)?;
    Ok(copied.report)
}

fn require(interpreter: &Path, needed_by: &Path) -> Result<()> {
    if interpreter.is_file() {
        return Ok(());
    }
    Err(Error::InterpreterMissing {
        interpreter: interpreter.to_owned(),
        needed_by: needed_by.to_owned(),
    })
}
