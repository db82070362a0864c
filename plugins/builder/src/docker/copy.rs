//! COPY and ADD: what is copied, from where, to where, and whose it is.

use kleene_sdk::PluginError;
use kleene_sdk::build::{BuildState, CopyAction, CopyFiles, InlineFile};

use super::expand::Text;
use super::paths;

/// The action of a COPY, or with `extract` of an ADD.
///
/// # Errors
/// If variables cannot be replaced, or what they become makes no sense.
pub(super) fn action(
    text: &Text<'_>,
    files: CopyFiles,
    state: &BuildState,
    extract: bool,
) -> Result<CopyAction, PluginError> {
    let sources = files
        .sources
        .iter()
        .map(|source| text.some(source, "the source"))
        .collect::<Result<Vec<_>, _>>()?;
    if extract && let Some(remote) = sources.iter().find(|source| is_remote(source)) {
        return Err(text.wrong(format!(
            "ADD does not fetch '{remote}': fetch it into the context, or in the build with RUN and fetch, curl or wget"
        )));
    }
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
        extract,
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
