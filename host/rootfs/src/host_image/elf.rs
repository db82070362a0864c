//! What an ELF object says it needs (elf(5)).

use std::path::{Path, PathBuf};

use goblin::elf::Elf;

/// Two objects go together only if these are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    is_64: bool,
    is_little_endian: bool,
    machine: u16,
}

/// An ELF program or library.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub machine: Machine,
    /// `PT_INTERP`: the loader.
    pub loader: Option<PathBuf>,
    /// `DT_NEEDED`: names, seldom paths, of libraries.
    pub needed: Vec<String>,
    /// `DT_AUXILIARY` and `DT_FILTER`: libraries that provide what this one only promises, as libsys does for FreeBSD's
    /// libc from 15 on. A loader goes without one that it does not find.
    pub stand_ins: Vec<String>,
    /// `DT_RPATH`, searched first and for the libraries of libraries too; void if there is a run path.
    rpaths: Vec<PathBuf>,
    /// `DT_RUNPATH`, searched for the object's own needs only.
    pub runpaths: Vec<PathBuf>,
}

impl Object {
    /// Reads an object that is at `real` on the host, links resolved.
    pub fn parse(content: &[u8], real: &Path) -> Result<Self, goblin::error::Error> {
        let elf = Elf::parse(content)?;
        let origin = real.parent().unwrap_or(Path::new("/"));
        let directories = |lists: &[&str]| -> Vec<PathBuf> {
            lists
                .iter()
                .flat_map(|list| list.split(':'))
                .filter_map(|entry| directory(entry, origin))
                .collect()
        };
        Ok(Self {
            machine: Machine {
                is_64: elf.is_64,
                is_little_endian: elf.little_endian,
                machine: elf.header.e_machine,
            },
            loader: elf.interpreter.map(PathBuf::from),
            needed: elf.libraries.iter().map(|name| (*name).to_owned()).collect(),
            stand_ins: stand_ins(&elf),
            rpaths: directories(&elf.rpaths),
            runpaths: directories(&elf.runpaths),
        })
    }

    /// All directories of `DT_RPATH` that count for this object: its own and those of the objects that led to it.
    pub fn rpaths(&self, inherited: &[PathBuf]) -> Vec<PathBuf> {
        if self.runpaths.is_empty() {
            [&self.rpaths, inherited].concat()
        } else {
            Vec::new()
        }
    }

    /// What the libraries this object needs inherit.
    pub fn rpaths_for_needed(&self, inherited: &[PathBuf]) -> Vec<PathBuf> {
        if self.runpaths.is_empty() {
            [&self.rpaths, inherited].concat()
        } else {
            inherited.to_vec()
        }
    }
}

/// The libraries of `DT_AUXILIARY` and `DT_FILTER`.
fn stand_ins(elf: &Elf<'_>) -> Vec<String> {
    const DT_AUXILIARY: u64 = 0x7fff_fffd;
    const DT_FILTER: u64 = 0x7fff_ffff;
    let entries = elf.dynamic.iter().flat_map(|dynamic| &dynamic.dyns);
    entries
        .filter(|entry| [DT_AUXILIARY, DT_FILTER].contains(&entry.d_tag))
        .filter_map(|entry| elf.dynstrtab.get_at(usize::try_from(entry.d_val).ok()?))
        .map(str::to_owned)
        .collect()
}

/// One entry of a run path. `$ORIGIN` is where the object is; entries with other tokens (`$LIB`, `$PLATFORM`: different on each
/// machine) or relative to a working directory that nobody knows yet cannot be searched.
fn directory(entry: &str, origin: &Path) -> Option<PathBuf> {
    let origin = origin.to_str()?;
    let expanded = entry.replace("${ORIGIN}", origin).replace("$ORIGIN", origin);
    (expanded.starts_with('/') && !expanded.contains('$')).then(|| PathBuf::from(expanded))
}
