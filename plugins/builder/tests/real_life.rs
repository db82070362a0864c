//! Dockerfiles as people write them, and all that they ask for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{build, print};

fn asks_for(dockerfile: &str, given: &[(&str, &str)]) -> String {
    let actions = build(dockerfile, given).unwrap_or_else(|error| panic!("{error:?}"));
    actions.iter().map(|action| print(action) + "\n").collect()
}

macro_rules! real_life {
    ($($test:ident: $file:literal $given:expr;)*) => {$(
        #[test]
        fn $test() {
            let asked = asks_for(include_str!(concat!("dockerfiles/", $file, ".Dockerfile")), &$given);
            insta::assert_snapshot!($file, asked);
        }
    )*};
}

real_life! {
    a_static_server: "static-server" [];
    a_python_application: "python" [];
    a_c_program_in_stages: "stages" [("VERSION", "2.1")];
    here_documents: "here-documents" [];
    a_node_application: "node" [];
    a_go_program_from_scratch: "go" [];
    a_database: "database" [];
    what_users_of_0_1_have: "classic" [("VERSION", "13.2")];
}
