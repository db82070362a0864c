//! ADD of a URL: a file that is fetched, and then copied as the only one of a context of its own.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use kleene_fetch::{Download, Patience};
use kleene_plugins::{CopyAction, FetchAction};
use kleene_rootfs::Root;
use kleene_rootfs::archive::Limits;
use kleene_rootfs::copy::Origin;
use tempfile::TempDir;

use super::stage::{Progress, Stage, Step};
use crate::error::{EngineError, Result};
use crate::image::checksum::{Checksum, Summed};

/// Permissions of what is fetched, as Docker has them.
const MODE: u32 = 0o600;

impl Stage<'_> {
    /// A file is fetched in every build; that it is the one that was copied before is told by its content.
    pub(super) fn fetch(&self, action: &FetchAction, progress: &mut Progress) -> Result<Step> {
        let url = &action.url;
        let name = Path::new(&action.destination).file_name().and_then(OsStr::to_str);
        let name = name.ok_or_else(|| {
            EngineError::invalid(format!(
                "'{url}' cannot be fetched to '{}', which is no file",
                action.destination
            ))
        })?;
        let context = self.fetched(action, name)?;
        let root = Root::open(context.path())?;
        let copied = CopyAction {
            sources: vec![literally(name)],
            destination: action.destination.clone(),
            owner: action.owner.clone(),
            mode: Some(action.mode.unwrap_or(MODE)),
            ..CopyAction::default()
        };
        self.copy_from_context(&Origin::context(&root, None), &copied, progress)
    }

    /// A directory with the file; it goes with the value.
    fn fetched(&self, action: &FetchAction, name: &str) -> Result<TempDir> {
        let (engine, url) = (self.build.request.engine, &action.url);
        if !engine.add_urls {
            return Err(EngineError::invalid(format!(
                "'{url}' is not fetched: builds of this daemon fetch no files, unless its configuration says add_urls = \
                 true; get it into the context, or in the build with RUN and fetch, curl or wget"
            )));
        }
        let expected: Option<Checksum> = action
            .checksum
            .as_deref()
            .map(|text| text.parse().map_err(EngineError::Invalid))
            .transpose()?;
        let given_up = || self.build.board.check().is_err();
        let failed = |reason: &dyn std::fmt::Display| match self.build.board.check() {
            Ok(()) => EngineError::invalid(format!("could not fetch '{url}': {reason}")),
            Err(error) => error,
        };
        fs::create_dir_all(&engine.uploads).map_err(|error| failed(&error))?;
        let directory = TempDir::new_in(&engine.uploads).map_err(|error| failed(&error))?;
        let mut file = File::create(directory.path().join(name)).map_err(|error| failed(&error))?;
        let download = Download::open(url, Patience::default(), &given_up).map_err(|error| failed(&error))?;
        let limit = Limits::default().bytes;
        let mut summed = Summed::new(download.take(limit + 1), expected.as_ref());
        let length = io::copy(&mut summed, &mut file).map_err(|error| failed(&error))?;
        if length > limit {
            return Err(failed(&format_args!("it has more than {limit} bytes")));
        }
        let found = summed.finish().map_err(|error| failed(&error))?;
        match (expected, found) {
            (Some(expected), Some(found)) if expected != found => Err(EngineError::invalid(format!(
                "'{url}' is not what was expected: its checksum is {found}, and not {expected}"
            ))),
            _ => Ok(directory),
        }
    }
}

/// A pattern that only this name matches.
fn literally(name: &str) -> String {
    let mut pattern = String::new();
    for char in name.chars() {
        if "*?[]{}\\".contains(char) {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}
