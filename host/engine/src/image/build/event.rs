//! What a build tells, while it runs and at its end.

use kleene_plan::Id;

use super::problem::BuildProblem;

/// What a build tells while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildEvent {
    /// The Dockerfile is right; the image will have this id.
    Started {
        /// The id.
        image: Id,
    },
    /// An instruction begins.
    Step {
        /// From 1.
        index: usize,
        /// How many there are.
        total: usize,
        /// Its line.
        line: String,
    },
    /// A command printed this.
    Output(Vec<u8>),
    /// The step need not be done: this snapshot of an earlier build is what it leads to. [`BuildEvent::Snapshot`] follows.
    Cached(Id),
    /// What was done until now is kept as a snapshot.
    Snapshot(Id),
    /// The parent image is not that of the Dockerfile.
    ParentImage(String),
    /// What else users should know, such as that a stage is left out.
    Note(String),
    /// Why the build fails.
    Error(BuildProblem),
}

/// A build failed; why was told by a [`BuildEvent::Error`], or is the text of the first variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// There is no Dockerfile, or it is wrong. Nothing was begun.
    #[error("{0}")]
    Dockerfile(BuildProblem),
    /// An instruction failed.
    #[error("image build failed")]
    Failed {
        /// Whether what was built is kept as an image tagged `failed`, and its last snapshot, if there is one.
        kept: Option<Option<Id>>,
    },
}
