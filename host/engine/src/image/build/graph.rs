//! The stages of a Dockerfile, and which of them need which. Pure.

use std::collections::BTreeSet;
use std::ops::Range;

use kleene_plugins::{Instruction, InstructionKind};

/// More stages than anybody writes; each is a thread.
const MAX_STAGES: usize = 128;

/// A FROM and all up to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StagePlan {
    /// Its number, from 0.
    pub index: usize,
    /// What AS calls it.
    pub name: Option<String>,
    /// Its instructions among all, FROM being the first.
    pub instructions: Range<usize>,
    /// The stages that must be done before it.
    pub needs: BTreeSet<usize>,
}

/// All stages, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Graph {
    /// What stands before the first FROM.
    pub preamble: Range<usize>,
    pub stages: Vec<StagePlan>,
}

impl Graph {
    /// Finds the stages. `parent` says what a FROM names, once its variables are replaced.
    ///
    /// # Errors
    /// In words for the user: there are none or too many.
    pub fn of(
        instructions: &[Instruction],
        parent: impl Fn(usize, &Instruction) -> Option<String>,
    ) -> Result<Self, String> {
        let begins: Vec<usize> = (0..instructions.len())
            .filter(|at| matches!(instructions[*at].kind, InstructionKind::From { .. }))
            .collect();
        let Some(first) = begins.first().copied() else {
            return Err(
                "the Dockerfile has no FROM instruction: begin with the image to build on".to_owned(),
            );
        };
        if begins.len() > MAX_STAGES {
            return Err(format!(
                "the Dockerfile has {} stages, more than {MAX_STAGES}",
                begins.len()
            ));
        }
        let ends = begins.iter().skip(1).copied().chain([instructions.len()]);
        let mut graph = Self {
            preamble: 0..first,
            stages: Vec::with_capacity(begins.len()),
        };
        for (index, (begin, end)) in begins.iter().copied().zip(ends).enumerate() {
            let from = &instructions[begin];
            let mut needs = BTreeSet::new();
            needs.extend(parent(index, from).and_then(|parent| graph.named(&parent)));
            for instruction in &instructions[begin..end] {
                graph.sources(instruction, &mut needs);
            }
            let name = match &from.kind {
                InstructionKind::From { stage, .. } => stage.clone(),
                _ => None,
            };
            graph.stages.push(StagePlan {
                index,
                name,
                instructions: begin..end,
                needs,
            });
        }
        Ok(graph)
    }

    /// The stages known so far that an instruction copies from.
    fn sources(&self, instruction: &Instruction, needs: &mut BTreeSet<usize>) {
        let (InstructionKind::Copy(files) | InstructionKind::Add(files)) = &instruction.kind else {
            return;
        };
        // One with variables is refused when its turn comes.
        if let Some(origin) = files.origin.as_deref() {
            needs.extend(self.source(origin, self.stages.len()));
        }
    }

    /// The stage of this name; of several, the last.
    fn named(&self, name: &str) -> Option<usize> {
        self.stages.iter().rposition(|stage| stage.is_called(name))
    }

    /// The stage before stage `before` that FROM means by this name.
    pub fn parent(&self, name: &str, before: usize) -> Option<usize> {
        self.stages[..before]
            .iter()
            .rposition(|stage| stage.is_called(name))
    }

    /// The stage before stage `before` that `--from` means, by name or number.
    pub fn source(&self, name: &str, before: usize) -> Option<usize> {
        let numbered = || name.parse().ok().filter(|number| *number < before);
        self.parent(name, before).or_else(numbered)
    }

    /// The stage to build: the last one, or the one that is asked for by name or number.
    ///
    /// # Errors
    /// In words for the user.
    pub fn target(&self, wanted: &str) -> Result<usize, String> {
        let last = self.stages.len() - 1;
        if wanted.is_empty() {
            return Ok(last);
        }
        self.source(wanted, self.stages.len()).ok_or_else(|| {
            let names: Vec<_> = self
                .stages
                .iter()
                .filter_map(|stage| stage.name.as_deref())
                .collect();
            let known = match names.as_slice() {
                [] => format!("no stage of it has a name, the last has the number {last}"),
                names => format!("its stages are {}", names.join(", ")),
            };
            format!("the Dockerfile has no stage '{wanted}': {known}")
        })
    }

    /// A stage and all that it needs, directly or through others.
    pub fn needed(&self, target: usize) -> BTreeSet<usize> {
        let mut needed = BTreeSet::from([target]);
        // Stages only need earlier ones.
        for index in (0..=target).rev() {
            if needed.contains(&index) {
                needed.extend(&self.stages[index].needs);
            }
        }
        needed
    }
}

impl StagePlan {
    /// What users call it.
    pub fn shown(&self) -> String {
        match &self.name {
            Some(name) => format!("'{name}'"),
            None => self.index.to_string(),
        }
    }

    fn is_called(&self, name: &str) -> bool {
        self.name
            .as_ref()
            .is_some_and(|own| own.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use kleene_plugins::CopyFiles;

    use super::*;

    /// `FROM image [AS name]`, `COPY from`, anything else.
    fn instruction(text: &str) -> Instruction {
        let words: Vec<&str> = text.split(' ').collect();
        let kind = match words.as_slice() {
            ["FROM", image, rest @ ..] => InstructionKind::From {
                image: (*image).to_owned(),
                stage: rest.last().map(ToString::to_string),
            },
            ["COPY", origin] => InstructionKind::Copy(CopyFiles {
                origin: Some((*origin).to_owned()),
                ..CopyFiles::default()
            }),
            _ => InstructionKind::User(text.to_owned()),
        };
        Instruction {
            line: 1,
            text: text.to_owned(),
            kind,
        }
    }

    fn graph(lines: &[&str]) -> Graph {
        let instructions: Vec<_> = lines.iter().map(|line| instruction(line)).collect();
        let named = |_: usize, from: &Instruction| match &from.kind {
            InstructionKind::From { image, .. } => Some(image.clone()),
            _ => None,
        };
        Graph::of(&instructions, named).unwrap()
    }

    fn needs(graph: &Graph) -> Vec<Vec<usize>> {
        graph
            .stages
            .iter()
            .map(|stage| stage.needs.iter().copied().collect())
            .collect()
    }

    #[test]
    fn a_stage_needs_its_parent_and_what_it_copies_from() {
        let graph = graph(&[
            "ARG",
            "FROM base AS one",
            "FROM base AS two",
            "COPY ONE",
            "FROM Two AS three",
            "COPY 0",
            "COPY elsewhere",
            "COPY 7",
        ]);
        assert_eq!(graph.preamble, 0..1);
        assert_eq!(needs(&graph), [vec![], vec![0], vec![0, 1]]);
        assert_eq!(graph.stages[2].instructions, 4..8);
    }

    #[test]
    fn a_name_means_the_last_stage_before() {
        let graph = graph(&["FROM a AS x", "FROM b AS x", "FROM x AS x", "FROM x"]);
        assert_eq!(needs(&graph), [vec![], vec![], vec![1], vec![2]]);
        assert_eq!(graph.parent("x", 0), None);
        assert_eq!(graph.source("2", 2), None);
    }

    #[test]
    fn a_source_with_variables_is_waited_for_by_nobody() {
        let graph = graph(&["FROM a", "FROM b", "FROM c", "COPY $which", "FROM d"]);
        assert_eq!(needs(&graph), [vec![], vec![], vec![], vec![]] as [Vec<usize>; 4]);
    }

    #[test]
    fn only_what_the_target_needs_is_built() {
        let graph = graph(&[
            "FROM a AS x",
            "FROM b AS y",
            "FROM x AS z",
            "COPY y",
            "FROM x AS w",
        ]);
        let of = |target: &str| -> Vec<usize> {
            graph.needed(graph.target(target).unwrap()).into_iter().collect()
        };
        assert_eq!(of(""), [0, 3]);
        assert_eq!(of("Z"), [0, 1, 2]);
        assert_eq!(of("1"), [1]);
    }

    #[test]
    fn an_unknown_target_is_answered_by_what_there_is() {
        assert_eq!(
            graph(&["FROM a AS x", "FROM b AS y"]).target("z").unwrap_err(),
            "the Dockerfile has no stage 'z': its stages are x, y"
        );
        assert_eq!(
            graph(&["FROM a", "FROM b"]).target("2").unwrap_err(),
            "the Dockerfile has no stage '2': no stage of it has a name, the last has the number 1"
        );
    }

    #[test]
    fn a_file_without_a_stage_or_with_too_many_is_refused() {
        assert!(Graph::of(&[instruction("ARG")], |_, _| None).is_err());
        let many = vec![instruction("FROM a"); MAX_STAGES + 1];
        assert!(Graph::of(&many, |_, _| None).is_err());
    }
}
