//! The crate `parse-dockerfile` reads Docker's dialect, too: where both understand a file, they see the same instructions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use builder::docker;
use parse_dockerfile::Instruction;

const DOCKERFILES: [(&str, &str); 7] = [
    (
        "static server",
        include_str!("dockerfiles/static-server.Dockerfile"),
    ),
    ("python", include_str!("dockerfiles/python.Dockerfile")),
    ("stages", include_str!("dockerfiles/stages.Dockerfile")),
    (
        "here-documents",
        include_str!("dockerfiles/here-documents.Dockerfile"),
    ),
    ("node", include_str!("dockerfiles/node.Dockerfile")),
    ("go", include_str!("dockerfiles/go.Dockerfile")),
    ("database", include_str!("dockerfiles/database.Dockerfile")),
];

fn keyword(instruction: &Instruction<'_>) -> &'static str {
    match instruction {
        Instruction::Add(_) => "ADD",
        Instruction::Arg(_) => "ARG",
        Instruction::Cmd(_) => "CMD",
        Instruction::Copy(_) => "COPY",
        Instruction::Entrypoint(_) => "ENTRYPOINT",
        Instruction::Env(_) => "ENV",
        Instruction::Expose(_) => "EXPOSE",
        Instruction::From(_) => "FROM",
        Instruction::Healthcheck(_) => "HEALTHCHECK",
        Instruction::Label(_) => "LABEL",
        Instruction::Maintainer(_) => "MAINTAINER",
        Instruction::Onbuild(_) => "ONBUILD",
        Instruction::Run(_) => "RUN",
        Instruction::Shell(_) => "SHELL",
        Instruction::Stopsignal(_) => "STOPSIGNAL",
        Instruction::User(_) => "USER",
        Instruction::Volume(_) => "VOLUME",
        Instruction::Workdir(_) => "WORKDIR",
        _ => "another",
    }
}

#[test]
fn both_see_the_same_instructions() {
    for (name, text) in DOCKERFILES {
        let ours: Vec<_> = docker::dockerfile(text, &[])
            .unwrap_or_else(|error| panic!("{name}: {error:?}"))
            .iter()
            .map(|instruction| instruction.text.split(' ').next().unwrap().to_owned())
            .collect();
        let theirs = parse_dockerfile::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let theirs: Vec<_> = theirs.instructions.iter().map(keyword).collect();
        assert_eq!(ours, theirs, "{name}");
    }
}
