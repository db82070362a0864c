//! Building images: a Dockerfile is read by the builder plugin, and what its instructions ask for is done in containers
//! of the build's own, which become images.
//!
//! * [`request`]: what is asked for, read and checked before anything is done
//! * [`graph`]: the stages, and which of them need which
//! * [`preamble`]: what stands before the first FROM, and what all FROMs see
//! * [`stage`]: one stage, instruction by instruction; [`copying`] its files, [`container`] where it happens
//! * [`position`], [`key`]: where a stage stands, and how steps of earlier builds are found again
//! * [`board`], [`transcript`]: stages beside each other, and their log in the order of the file
//! * [`problem`]: why a build fails, and which words of the Dockerfile are to blame
//! * [`finish`]: stages become images, or everything goes

mod board;
mod container;
mod copying;
mod event;
mod fetching;
mod finish;
mod graph;
mod key;
mod position;
mod preamble;
mod problem;
mod request;
mod stage;
mod transcript;

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::thread::{self, ScopedJoinHandle};

pub use event::{BuildError, BuildEvent};
use kleene_api::ImageBuildConfig;
use kleene_plan::Id;
use kleene_plugins::BuildState;
use kleene_store::Image;
pub use problem::BuildProblem;

use self::board::Board;
use self::graph::Graph;
use self::position::Position;
use self::problem::NO_SUCH_IMAGE;
use self::request::Request;
use self::stage::{Failure, Progress, Stage};
use self::transcript::Transcript;
use crate::Engine;
use crate::cancel::Cancel;
use crate::error::{EngineError, Result};
use crate::image::pins::Pin;
use crate::locks::unpoisoned;
use crate::parse;

impl Engine {
    /// Builds an image.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build_image(
        &self,
        config: &ImageBuildConfig,
        cancel: &Cancel,
        tell: &mut dyn FnMut(BuildEvent),
    ) -> std::result::Result<Id, BuildError> {
        let request = Request::read(self, config)?;
        // Names of stages hold no variables: whether there is such a target is known before anything is done.
        let outline = Graph::of(&request.instructions, |_, _| None)
            .map_err(|reason| BuildError::Dockerfile(reason.into()))?;
        let target = outline
            .target(&config.target)
            .map_err(|reason| BuildError::Dockerfile(reason.into()))?;
        let ids: Vec<Id> = outline.stages.iter().map(|_| Id::generate()).collect();
        let image = ids[target].clone();
        tell(BuildEvent::Started { image: image.clone() });

        let base = match preamble::done(&request, &outline, tell) {
            Ok(base) => base,
            Err(problem) => {
                tell(BuildEvent::Error(problem));
                return Err(BuildError::Failed { kept: None });
            }
        };
        let graph = Graph::of(&request.instructions, |stage, from| {
            preamble::parent_of(&request, stage, from, &base)
        })
        .map_err(|reason| BuildError::Dockerfile(reason.into()))?;
        let build = Build {
            board: Board::new(cancel, graph.stages.len()),
            surroundings: key::surroundings(config),
            request,
            graph,
            target,
            base,
            ids,
            containers: Mutex::default(),
            copied_images: Mutex::default(),
            pins: Mutex::default(),
        };
        build.run(tell)?;
        Ok(image)
    }
}

/// A build under way; shared by its stages.
struct Build<'a> {
    request: Request<'a>,
    graph: Graph,
    /// The stage that is wanted.
    target: usize,
    /// Where every stage begins.
    base: BuildState,
    /// Of the stages: of their containers, and of the images that they may become.
    ids: Vec<Id>,
    board: Board<'a>,
    /// What commands can see of the request, for keys.
    surroundings: String,
    /// The containers made, in order: what is there to be cleaned up.
    containers: Mutex<Vec<Id>>,
    /// Images that files are copied from, and the containers by which they are seen.
    copied_images: Mutex<Vec<(Position, Id)>>,
    pins: Mutex<Vec<Pin>>,
}

impl Build<'_> {
    fn run(&self, tell: &mut dyn FnMut(BuildEvent)) -> std::result::Result<(), BuildError> {
        let failures = self.run_stages(tell);
        if let Some(failure) = failures.into_iter().next() {
            return Err(self.fail(failure.progress));
        }
        let finished = self.stage_done(self.target).and_then(|last| {
            let (name, tag) = &self.request.nametag;
            self.finish(&last, (name, tag))
        });
        finished.map_err(|error| {
            tell(BuildEvent::Error(failed(&error)));
            self.abandon()
        })
    }

    /// Builds the stages that the target needs, each on a thread, and tells of them in the order of the file. Returns
    /// those that failed, the one that was the first to fail before others.
    fn run_stages(&self, tell: &mut dyn FnMut(BuildEvent)) -> Vec<Failure> {
        let needed = self.graph.needed(self.target);
        let transcripts: Vec<_> = self.graph.stages.iter().map(|_| Transcript::default()).collect();
        let mut failures = Vec::new();
        let mut panic = None;
        thread::scope(|scope| {
            // Whoever listens may panic, too: then nobody needs the stages any more.
            let stop = StopOnDrop(&self.board);
            let mut threads: Vec<Option<ScopedJoinHandle<'_, _>>> = Vec::new();
            for (plan, log) in self.graph.stages.iter().zip(&transcripts) {
                let stage = Stage {
                    build: self,
                    plan,
                    log,
                };
                threads.push(
                    needed
                        .contains(&plan.index)
                        .then(|| scope.spawn(move || stage.build())),
                );
            }
            for (at, thread) in threads.into_iter().enumerate() {
                let Some(thread) = thread else {
                    let (stage, target) = (&self.graph.stages[at], &self.graph.stages[self.target]);
                    if at < self.target {
                        tell(BuildEvent::Note(format!(
                            "Skipping stage {}: stage {} does not need it",
                            stage.shown(),
                            target.shown()
                        )));
                    }
                    continue;
                };
                transcripts[at].read_to_end(&mut *tell);
                match thread.join() {
                    Ok(None) => {}
                    Ok(Some((true, failure))) => failures.insert(0, failure),
                    Ok(Some((false, failure))) => failures.push(failure),
                    Err(payload) => panic = Some(payload),
                }
            }
            std::mem::forget(stop);
        });
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
        failures
    }

    /// An earlier stage, which the graph has had done before.
    fn stage_done(&self, stage: usize) -> Result<Arc<Progress>> {
        self.board.get(stage).ok_or_else(|| {
            EngineError::invalid(format!(
                "stage {} is not built at this point: only FROM, COPY and ADD may name it",
                self.graph.stages[stage].shown()
            ))
        })
    }

    /// An image or a snapshot of one, which stays until the build has ended.
    fn find_image(&self, reference: &str) -> Result<(Image, Position)> {
        let engine = self.request.engine;
        let (given, snapshot) = parse::image_reference(reference);
        let (image, found) = match engine.find_snapshot(reference) {
            Ok(found) => found,
            Err(EngineError::Invalid(_)) if reference == "scratch" => {
                let image = engine.empty_image()?;
                let found = engine.final_snapshot(&image.id)?;
                (image, found)
            }
            Err(EngineError::Invalid(_)) => {
                return Err(EngineError::invalid(format!("{NO_SUCH_IMAGE} {given}")));
            }
            Err(error) => return Err(error),
        };
        if let Some(snapshot) = snapshot
            && image.snapshot(found.name()).is_none()
        {
            return Err(EngineError::SnapshotNotFound {
                image: given.to_owned(),
                snapshot: snapshot.to_owned(),
                known: image
                    .snapshots
                    .iter()
                    .map(|known| known.name().to_owned())
                    .collect(),
            });
        }
        self.pin(&image.id)?;
        let position = Position::of_image(image.id.clone(), found);
        Ok((image, position))
    }

    fn pin(&self, image: &Id) -> Result<()> {
        let pin = self.request.engine.pin_image(image)?;
        unpoisoned(&self.pins).push(pin);
        Ok(())
    }

    /// The container by which the files of an image are seen: one for all who copy from it.
    fn container_of(&self, position: &Position) -> Id {
        let mut known = unpoisoned(&self.copied_images);
        if let Some((_, id)) = known.iter().find(|(at, _)| at == position) {
            return id.clone();
        }
        let id = Id::generate();
        known.push((position.clone(), id.clone()));
        id
    }

    /// The lines before the first FROM are part of every image's instructions.
    fn preamble_lines(&self) -> Vec<(String, Option<Id>)> {
        let lines = &self.request.instructions[self.graph.preamble.clone()];
        lines.iter().map(|line| (line.text.clone(), None)).collect()
    }
}

impl Stage<'_> {
    /// Waits for its turn, and builds the stage. Returns how it failed, and whether it was the first to.
    fn build(self) -> Option<(bool, Failure)> {
        let end = EndOnDrop(self.log);
        let stop = StopOnDrop(&self.build.board);
        let done = match self.build.board.enter(&self.plan.needs) {
            Ok(_slot) => self.run(),
            Err(_) => Err(Failure {
                problem: None,
                progress: None,
            }),
        };
        std::mem::forget(stop);
        let failed = match done {
            Ok(progress) => {
                self.build.board.done(self.plan.index, Arc::new(progress));
                None
            }
            Err(failure) => {
                let is_first = self.build.board.fail() && failure.problem.is_some();
                if let Some(problem) = &failure.problem {
                    self.log.tell(BuildEvent::Error(problem.clone()));
                } else if self.build.board.is_cancelled() && failure.progress.is_some() {
                    self.log.tell(BuildEvent::Error(failed(&EngineError::Cancelled)));
                } else if failure.progress.is_some() {
                    self.log.tell(BuildEvent::Note(
                        "Stopped, because another stage failed".to_owned(),
                    ));
                }
                Some((is_first, failure))
            }
        };
        drop(end);
        failed
    }
}

/// What goes wrong beside the instructions.
fn failed(error: &EngineError) -> BuildProblem {
    BuildProblem::general(format!("error: {error}"), error.to_string())
}

/// Ends a log, also when a panic ends who writes it.
struct EndOnDrop<'a>(&'a Transcript);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Stops all stages when a panic ends one.
struct StopOnDrop<'b, 'a>(&'b Board<'a>);

impl Drop for StopOnDrop<'_, '_> {
    fn drop(&mut self) {
        self.0.fail();
    }
}
