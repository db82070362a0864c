//! COPY and ADD: what is copied, from where, to where, and whose it is.

use kleene_sdk::PluginError;
use kleene_sdk::build::{Action, BuildState, CopyAction, CopyFiles, FetchAction, InlineFile};

use super::paths;
use super::text::Text;

/// What a COPY does.
///
/// # Errors
/// If variables cannot be replaced, or what they become makes no sense.
pub(super) fn copy(text: &Text<'_>, files: CopyFiles, state: &BuildState) -> Result<CopyAction, PluginError> {
    let sources = sources(text, &files)?;
    action(text, sources, files, state)
}

/// What an ADD does: archives are unpacked, and what a URL names is fetched.
///
/// # Errors
/// As of [`copy`].
pub(super) fn add(text: &Text<'_>, files: CopyFiles, state: &BuildState) -> Result<Action, PluginError> {
    let sources = sources(text, &files)?;
    if let Some(remote) = sources.iter().find(|source| is_remote(source)) {
        if sources.len() > 1 || !files.documents.is_empty() {
            return Err(text.wrong(format!(
                "'{remote}' is fetched by an ADD of its own: write one for each"
            )));
        }
        return Ok(Action::Fetch(fetch(text, remote, files, state)?));
    }
    if files.checksum.is_some() {
        return Err(text.wrong("--checksum is for what is fetched, and no source is a URL"));
    }
    let copied = action(text, sources, files, state)?;
    Ok(Action::Copy(CopyAction {
        extract: true,
        ..copied
    }))
}

fn sources(text: &Text<'_>, files: &CopyFiles) -> Result<Vec<String>, PluginError> {
    let sources = files.sources.iter();
    sources.map(|source| text.some(source, "the source")).collect()
}

fn fetch(
    text: &Text<'_>,
    url: &str,
    files: CopyFiles,
    state: &BuildState,
) -> Result<FetchAction, PluginError> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(text.wrong(format!(
            "ADD does not fetch '{url}', only http:// and https://: get it into the context, or in the build with RUN"
        )));
    }
    let destination = text.some(&files.destination, "the destination")?;
    let mut destination = paths::destination(state.workdir.as_deref(), &destination);
    if destination.ends_with('/') {
        let name = name_of(url).ok_or_else(|| {
            text.wrong(format!(
                "'{url}' does not say what the file is called: write {destination}NAME as destination"
            ))
        })?;
        destination.push_str(name);
    }
    Ok(FetchAction {
        url: url.to_owned(),
        checksum: files
            .checksum
            .map(|checksum| text.some(&checksum, "the checksum"))
            .transpose()?,
        destination,
        owner: files.owner.map(|owner| self::owner(text, &owner)).transpose()?,
        mode: files.mode.map(|mode| self::mode(text, &mode)).transpose()?,
    })
}

/// The last part of a URL's path, as it is written.
fn name_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let path = rest.split(['?', '#']).next()?;
    let (_, name) = path.rsplit_once('/')?;
    (!matches!(name, "" | "." | "..")).then_some(name)
}

fn action(
    text: &Text<'_>,
    sources: Vec<String>,
    files: CopyFiles,
    state: &BuildState,
) -> Result<CopyAction, PluginError> {
    let inline = files
        .documents
        .into_iter()
        .map(|document| {
            let content = if document.expanded {
                text.document(&document.content)?
            } else {
                document.content
            };
            Ok(InlineFile {
                name: document.name,
                content,
            })
        })
        .collect::<Result<Vec<_>, PluginError>>()?;
    let destination = text.some(&files.destination, "the destination")?;
    let directory = destination.ends_with(['/', '.']);
    if let Some(unusable) = inline.iter().find(|file| directory && file.name.contains('/')) {
        return Err(text.wrong(format!(
            "'{}' is no name of a file in {destination}: choose another delimiter",
            unusable.name
        )));
    }
    Ok(CopyAction {
        sources,
        inline,
        destination: paths::destination(state.workdir.as_deref(), &destination),
        origin: files
            .origin
            .map(|origin| self::origin(text, origin))
            .transpose()?,
        owner: files.owner.map(|owner| self::owner(text, &owner)).transpose()?,
        mode: files.mode.map(|mode| self::mode(text, &mode)).transpose()?,
        extract: false,
    })
}

/// What Docker would fetch.
fn is_remote(source: &str) -> bool {
    let schemes = ["http://", "https://", "ftp://", "git://", "ssh://"];
    schemes.iter().any(|scheme| source.starts_with(scheme)) || source.starts_with("git@")
}

/// A stage or an image. It stands before any variable has a value.
fn origin(text: &Text<'_>, origin: String) -> Result<String, PluginError> {
    if origin.contains('$') {
        return Err(text.wrong(format!(
            "--from has no variables: write FROM {origin} AS name above, and --from=name here"
        )));
    }
    Ok(origin)
}

fn owner(text: &Text<'_>, owner: &str) -> Result<String, PluginError> {
    let owner = text.some(owner, "the owner")?;
    let parts = owner.split(':').count();
    if parts > 2 || owner.contains(char::is_whitespace) || owner == ":" {
        return Err(text.wrong("--chown takes user, user:group or :group, as names or numbers"));
    }
    Ok(owner)
}

fn mode(text: &Text<'_>, mode: &str) -> Result<u32, PluginError> {
    let mode = text.some(mode, "the mode")?;
    let octal = (3..=5).contains(&mode.len()) && mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    u32::from_str_radix(&mode, 8)
        .ok()
        .filter(|number| octal && *number <= 0o7777)
        .ok_or_else(|| {
            text.wrong(format!(
                "'{mode}' is no mode: write octal digits, such as --chmod=755"
            ))
        })
}
