//! Builders and build steps as components: what passes the border, and what is refused at it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use kleene_plugins::{BuildAction, BuildState, Dialect, PluginState, Plugins, PluginsConfig, Variable};
use support::{Home, component, with_manifest};

const ALL_INSTRUCTIONS: &str = r#"ARG V=1
FROM base:$V AS build
ARG V
ENV A=1 B=$V
LABEL "a b"=c
WORKDIR /w
USER www
SHELL ["/bin/bash", "-c"]
RUN x
COPY --from=other --chown=a:b --chmod=750 c <<D /e/
D is $V
D
ADD f.tar g
CMD x
ENTRYPOINT ["y"]
EXPOSE 80-81
VOLUME /v
HEALTHCHECK --interval=1s --timeout=2s --start-period=3s --retries=4 CMD z
STOPSIGNAL INT
"#;

fn variable(name: &str, value: &str) -> Variable {
    Variable {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

#[test]
fn all_of_docker_s_dialect_passes_the_border() {
    let builder = Home::with(&["builder"]).open().builder().unwrap();
    let parsed = builder.parse(ALL_INSTRUCTIONS, &[]).unwrap().unwrap();
    assert_eq!((parsed.dialect, parsed.instructions.len()), (Dialect::Docker, 17));
    let state = BuildState {
        dialect: parsed.dialect,
        args: vec![variable("V", "1")],
        globals: vec![variable("V", "1")],
        user: "www".to_owned(),
        workdir: Some("/w".to_owned()),
        shell: vec!["/bin/bash".to_owned(), "-c".to_owned()],
        ..BuildState::default()
    };
    let actions: Vec<_> = parsed
        .instructions
        .iter()
        .flat_map(|instruction| builder.expand(instruction, &state).unwrap())
        .collect();
    insta::assert_debug_snapshot!(actions);
}

#[test]
fn a_wrong_dockerfile_is_told_with_its_line() {
    let builder = Home::with(&["builder"]).open().builder().unwrap();
    let parsed = builder.parse("FROM base\n\nMAKE it\n", &["PKG".to_owned()]);
    let error = parsed.unwrap().unwrap_err();
    assert_eq!(
        (error.line, error.words.as_str(), error.to_string().as_str()),
        (3, "MAKE", "error in 'MAKE it': invalid instruction")
    );
    assert!(error.hint.unwrap().ends_with("ONBUILD and PKG"));
}

/// What the site's plugins make of the second line of this Dockerfile.
fn second_step(plugins: &Plugins, dockerfile: &str) -> Result<Vec<BuildAction>, String> {
    let steps = plugins.build_steps();
    let parsed = plugins.builder().unwrap().parse(dockerfile, &steps.keywords());
    let instruction = parsed.unwrap().unwrap().instructions.remove(1);
    let expanded = steps.expand(&instruction, &BuildState::default());
    expanded.map_err(|error| error.to_string())
}

#[test]
fn a_build_step_serves_its_instruction_within_its_grant() {
    let home = Home::with(&["builder", "step-pkg"]);
    let actions = second_step(&home.open(), "FROM base\nPKG nginx\n").unwrap();
    let [BuildAction::Run(process)] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(process.argv.last().unwrap(), "nginx");

    let config = PluginsConfig {
        allow: BTreeMap::from([("step-pkg".to_owned(), BTreeSet::new())]),
        ..home.config()
    };
    let denied = second_step(&Plugins::open(config).unwrap(), "FROM base\nPKG nginx\n").unwrap_err();
    assert!(
        denied.starts_with("plugin 'step-pkg' planned in expand what it may not: 'run /bin/sh -c")
            && denied.ends_with("needs the capability 'run', which is not granted"),
        "{denied}"
    );
}

#[test]
fn a_build_step_refuses_in_its_own_words() {
    let plugins = Home::with(&["builder", "step-pkg"]).open();
    assert_eq!(
        second_step(&plugins, "FROM base\nPKG -y nginx\n").unwrap_err(),
        "error in 'PKG -y nginx': invalid instruction"
    );
}

fn step(name: &str, serves: &str) -> Vec<u8> {
    let manifest = format!(
        "name = '{name}'\nversion = '0.2.0'\nkind = 'step'\nserves = ['{serves}']\ngrant = ['run']\n"
    );
    with_manifest(&component("step-pkg"), &manifest)
}

#[test]
fn a_build_step_cannot_take_an_instruction_of_the_builder_or_of_another_step() {
    let home = Home::with(&["builder", "step-pkg"]);
    // Before the builder in the order of files, which must not help.
    home.put("a.wasm", &step("a", "RUN"));
    home.put("z.wasm", &step("z", "PKG"));
    let plugins = home.open();
    let broken: Vec<_> = plugins
        .list()
        .into_iter()
        .filter_map(|plugin| match plugin.state {
            PluginState::Broken(reason) => Some((plugin.manifest.unwrap().name.to_string(), reason)),
            _ => None,
        })
        .collect();
    let taken = |serves: &str, by: &str| {
        let holder = home.plugins().join(by);
        format!(
            "what it serves, '{serves}', is taken by {}; remove one of the two",
            holder.display()
        )
    };
    assert_eq!(
        broken,
        [
            ("a".to_owned(), taken("RUN", "builder.wasm")),
            ("z".to_owned(), taken("PKG", "step-pkg.wasm")),
        ]
    );
    assert_eq!(plugins.build_steps().keywords(), ["PKG"]);
    assert!(second_step(&plugins, "FROM base\nPKG nginx\n").is_ok());
}

#[test]
fn an_instruction_whose_plugin_is_broken_is_told_why() {
    let home = Home::with(&["builder"]);
    home.put("mill.wasm", &step("mill", "GRIND"));
    let reason = second_step(&home.open(), "FROM base\nGRIND flour\n").unwrap_err();
    assert!(
        reason.starts_with("plugin 'mill' cannot be used: its manifest does not fit its code"),
        "{reason}"
    );
}
