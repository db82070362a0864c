//! Actions of a build, on their way from a builder or a build step.

use super::build::{healthcheck_from_wit, label_from_wit, variable_from_wit, variables_from_wit};
use crate::action::{BuildAction, CopyAction, FetchAction, InlineFile, Process};
use crate::bindings::building as wit;

pub(crate) fn actions_from_wit(actions: Vec<wit::Action>) -> Vec<BuildAction> {
    actions.into_iter().map(action_from_wit).collect()
}

fn action_from_wit(action: wit::Action) -> BuildAction {
    match action {
        wit::Action::UseImage(image) => BuildAction::UseImage(image),
        wit::Action::DeclareArg(variable) => BuildAction::DeclareArg(variable_from_wit(variable)),
        wit::Action::SetEnv(variable) => BuildAction::SetEnv(variable_from_wit(variable)),
        wit::Action::SetLabel(label) => BuildAction::SetLabel(label_from_wit(label)),
        wit::Action::SetUser(user) => BuildAction::SetUser(user),
        wit::Action::SetWorkdir(path) => BuildAction::SetWorkdir(path),
        wit::Action::SetShell(argv) => BuildAction::SetShell(argv),
        wit::Action::SetCommand(argv) => BuildAction::SetCommand(argv),
        wit::Action::SetEntrypoint(argv) => BuildAction::SetEntrypoint(argv),
        wit::Action::SetHealthcheck(check) => BuildAction::SetHealthcheck(healthcheck_from_wit(check)),
        wit::Action::SetStopSignal(signal) => BuildAction::SetStopSignal(signal),
        wit::Action::Expose(ports) => BuildAction::Expose(ports),
        wit::Action::DeclareVolume(path) => BuildAction::DeclareVolume(path),
        wit::Action::Run(process) => BuildAction::Run(Process {
            argv: process.argv,
            env: variables_from_wit(process.env),
            user: process.user,
            directory: process.directory,
        }),
        wit::Action::Copy(copy) => BuildAction::Copy(copy_from_wit(copy)),
        wit::Action::Fetch(fetch) => BuildAction::Fetch(FetchAction {
            url: fetch.url,
            checksum: fetch.checksum,
            destination: fetch.destination,
            owner: fetch.owner,
            mode: fetch.mode,
        }),
    }
}

fn copy_from_wit(copy: wit::CopyAction) -> CopyAction {
    let file = |wit::InlineFile { name, content }: wit::InlineFile| InlineFile { name, content };
    CopyAction {
        sources: copy.sources,
        inline: copy.inline.into_iter().map(file).collect(),
        destination: copy.destination,
        origin: copy.origin,
        owner: copy.owner,
        mode: copy.mode,
        extract: copy.extract,
    }
}
