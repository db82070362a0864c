//! Which status and which words each operation has for what the engine says: contract §1.1, where a client of 0.1.1
//! dies of a status that is not listed.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use kleene_engine::EngineError;
use kleene_store::StoreError;

use crate::answer::Failure;

/// The operations of the REST interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the endpoint that its name says")]
pub enum Operation {
    ContainerList,
    ContainerCreate,
    ContainerInspect,
    ContainerUpdate,
    ContainerStop,
    ContainerRemove,
    ContainerPrune,
    ExecCreate,
    ExecStop,
    ImageList,
    ImageCommit,
    ImageHistory,
    ImageInspect,
    ImageExport,
    ImageLoad,
    ImageTag,
    ImageRemove,
    ImagePrune,
    NetworkList,
    NetworkCreate,
    NetworkInspect,
    NetworkRemove,
    NetworkPrune,
    NetworkConnect,
    NetworkDisconnect,
    PlanNetwork,
    PlanConnect,
    PlanContainer,
    SystemDoctor,
    SystemRepair,
    VolumeList,
    VolumeCreate,
    VolumeInspect,
    VolumeRemove,
    VolumePrune,
}

/// What kind of trouble an error is, as far as the status goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// What the request names does not exist.
    NotFound,
    /// It exists, but the request cannot be met: it makes no sense, something is in the way, the host refuses.
    Refused,
    /// The daemon itself failed.
    Internal,
}

fn trouble(error: &EngineError) -> Trouble {
    match error {
        EngineError::ContainerNotFound { .. }
        | EngineError::ImageNotFound { .. }
        | EngineError::NetworkNotFound { .. }
        | EngineError::VolumeNotFound { .. }
        | EngineError::ExecNotFound { .. } => Trouble::NotFound,
        EngineError::HalfUndone { error, .. } => trouble(error),
        EngineError::Store(error) => match error {
            StoreError::Taken { .. } | StoreError::InUse { .. } | StoreError::NotFound { .. } => {
                Trouble::Refused
            }
            _ => Trouble::Internal,
        },
        _ => Trouble::Refused,
    }
}

impl Operation {
    /// The answer to `error`.
    #[must_use]
    pub fn failure(self, error: &EngineError) -> Failure {
        let status = self.status(trouble(error));
        Failure::new(status, self.words(error).unwrap_or_else(|| error.to_string()))
    }

    /// Every status from 400 on that it answers with, besides those of requests that are malformed.
    #[must_use]
    pub fn failures(self) -> BTreeSet<StatusCode> {
        let troubles = [Trouble::NotFound, Trouble::Refused, Trouble::Internal];
        troubles.into_iter().map(|trouble| self.status(trouble)).collect()
    }

    fn status(self, trouble: Trouble) -> StatusCode {
        match trouble {
            Trouble::NotFound => self.not_found(),
            Trouble::Refused => self.refused(),
            Trouble::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn not_found(self) -> StatusCode {
        match self {
            Self::ImageLoad | Self::NetworkCreate => StatusCode::CONFLICT,
            Self::VolumeCreate => StatusCode::INTERNAL_SERVER_ERROR,
            operation if operation.names_no_object() => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::NOT_FOUND,
        }
    }

    /// Where the client of 0.1.1 knows no 409, 404 shows the message; it hides that of most 500s.
    fn refused(self) -> StatusCode {
        match self {
            Self::ContainerUpdate | Self::ContainerRemove | Self::NetworkCreate | Self::NetworkConnect => {
                StatusCode::CONFLICT
            }
            Self::ImageExport | Self::ImageLoad => StatusCode::CONFLICT,
            Self::PlanNetwork | Self::PlanConnect | Self::PlanContainer => StatusCode::CONFLICT,
            Self::VolumeCreate => StatusCode::INTERNAL_SERVER_ERROR,
            operation if operation.names_no_object() => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::NOT_FOUND,
        }
    }

    fn names_no_object(self) -> bool {
        matches!(
            self,
            Self::ContainerList
                | Self::ContainerPrune
                | Self::ImageList
                | Self::ImagePrune
                | Self::NetworkList
                | Self::NetworkPrune
                | Self::SystemDoctor
                | Self::SystemRepair
                | Self::VolumeList
                | Self::VolumePrune
        )
    }

    /// Where the contract has other words than the engine.
    fn words(self, error: &EngineError) -> Option<String> {
        match (self, error) {
            (Self::ContainerCreate, EngineError::ImageNotFound { given }) => {
                Some(format!("no such image '{given}'"))
            }
            (Self::ContainerRemove, EngineError::ContainerNotFound { .. }) => {
                Some("no such container".to_owned())
            }
            (Self::ContainerUpdate, EngineError::ContainerNotFound { given }) => {
                Some(format!("no such container '{given}'"))
            }
            (Self::ImageRemove, EngineError::ImageNotFound { given }) => {
                Some(format!("Error: No such image: {given}\n"))
            }
            (Self::NetworkRemove, EngineError::NetworkNotFound { .. }) => {
                Some("network not found.".to_owned())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes from 400 on that contract §1.1 lists. Where it lists none, 500 is all that is left to say.
    const DOCUMENTED: &[(Operation, &[u16])] = &[
        (Operation::ContainerList, &[500]),
        (Operation::ContainerCreate, &[404, 500]),
        (Operation::ContainerInspect, &[404, 500]),
        (Operation::ContainerUpdate, &[404, 409, 500]),
        (Operation::ContainerStop, &[404, 500]),
        (Operation::ContainerRemove, &[404, 409, 500]),
        (Operation::ContainerPrune, &[500]),
        (Operation::ExecCreate, &[404, 500]),
        (Operation::ExecStop, &[404, 500]),
        (Operation::ImageList, &[500]),
        (Operation::ImageInspect, &[404, 500]),
        (Operation::ImageExport, &[404, 409, 500]),
        (Operation::ImageLoad, &[409, 500]),
        (Operation::ImageTag, &[404, 500]),
        (Operation::ImageRemove, &[404, 500]),
        (Operation::ImagePrune, &[500]),
        (Operation::NetworkList, &[500]),
        (Operation::NetworkCreate, &[409, 500]),
        (Operation::NetworkInspect, &[404, 500]),
        (Operation::NetworkRemove, &[404, 500]),
        (Operation::NetworkPrune, &[500]),
        (Operation::NetworkConnect, &[404, 409, 500]),
        (Operation::NetworkDisconnect, &[404, 500]),
        (Operation::SystemDoctor, &[500]),
        (Operation::SystemRepair, &[500]),
        (Operation::VolumeList, &[500]),
        (Operation::VolumeCreate, &[500]),
        (Operation::VolumeInspect, &[404, 500]),
        (Operation::VolumeRemove, &[404, 500]),
        (Operation::VolumePrune, &[500]),
    ];

    #[test]
    fn no_operation_answers_with_a_status_that_the_original_client_dies_of() {
        for (operation, documented) in DOCUMENTED {
            let statuses: Vec<u16> = operation.failures().into_iter().map(|s| s.as_u16()).collect();
            assert_eq!(statuses, *documented, "{operation:?}");
        }
    }

    fn answer(operation: Operation, error: &EngineError) -> (u16, String) {
        let failure = operation.failure(error);
        (failure.status.as_u16(), failure.message)
    }

    #[test]
    fn an_unknown_container_has_the_words_of_the_operation() {
        let unknown = EngineError::ContainerNotFound { given: "web".into() };
        let cases = [
            (Operation::ContainerInspect, "container not found"),
            (Operation::ContainerStop, "container not found"),
            (Operation::ContainerRemove, "no such container"),
            (Operation::ContainerUpdate, "no such container 'web'"),
            (Operation::ExecCreate, "container not found"),
            (Operation::NetworkConnect, "container not found"),
        ];
        for (operation, words) in cases {
            assert_eq!(
                answer(operation, &unknown),
                (404, words.to_owned()),
                "{operation:?}"
            );
        }
    }

    #[test]
    fn an_unknown_image_has_the_words_of_the_operation() {
        let unknown = EngineError::ImageNotFound {
            given: "a:b@c".into(),
        };
        let cases = [
            (Operation::ImageInspect, "image not found"),
            (Operation::ImageTag, "image not found"),
            (Operation::ImageRemove, "Error: No such image: a:b@c\n"),
            (Operation::ContainerCreate, "no such image 'a:b@c'"),
        ];
        for (operation, words) in cases {
            assert_eq!(
                answer(operation, &unknown),
                (404, words.to_owned()),
                "{operation:?}"
            );
        }
    }

    #[test]
    fn what_is_in_the_way_is_told_and_what_is_broken_is_the_daemons_fault() {
        let taken = EngineError::Store(StoreError::Taken {
            what: "port 80".into(),
            by: "container web".into(),
        });
        let expected = (404, "port 80 is already taken by container web".to_owned());
        assert_eq!(answer(Operation::ContainerCreate, &taken), expected);
        let broken = EngineError::Store(StoreError::Unfinished {
            transaction: 1,
            seq: 2,
        });
        assert_eq!(answer(Operation::ContainerCreate, &broken).0, 500);
    }

    #[test]
    fn a_failure_that_left_something_behind_has_the_status_of_its_cause() {
        let error = Box::new(EngineError::ContainerNotRunning);
        let error = EngineError::HalfUndone {
            error,
            leftovers: vec!["bridge kleene0".into()],
        };
        let (status, message) = answer(Operation::ContainerStop, &error);
        assert_eq!(status, 404);
        assert!(message.contains("bridge kleene0"), "{message}");
    }

    #[test]
    fn an_unknown_network_has_a_period_only_when_it_is_removed() {
        let unknown = EngineError::NetworkNotFound { given: "n".into() };
        assert_eq!(answer(Operation::NetworkInspect, &unknown).1, "network not found");
        assert_eq!(answer(Operation::NetworkRemove, &unknown).1, "network not found.");
    }
}
