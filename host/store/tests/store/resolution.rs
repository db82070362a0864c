//! From what a user types to an object (exact id, else exact name, else the unique beginning of an id).

use kleene_plan::Id;
use kleene_store::{Container, Image, Network, Resolution, Store};
use proptest::prelude::*;

use crate::fixtures::*;

fn with_containers(containers: &[(&str, Option<&str>)]) -> Store {
    let store = Store::in_memory().unwrap();
    change(&store, |write| {
        write.insert_image(&image(1))?;
        containers.iter().try_for_each(|(id, name)| {
            let name = name.map(|name| name.parse().unwrap());
            write.insert_container(&Container {
                id: id.parse().unwrap(),
                name,
                ..container(0)
            })
        })
    })
    .unwrap();
    store
}

fn found(text: &str) -> Resolution {
    Resolution::Found(text.parse().unwrap())
}

#[test]
fn an_exact_id_wins_over_a_name_and_a_name_over_the_beginning_of_an_id() {
    let store = with_containers(&[
        ("aaaaaaaaaaaa", None),
        ("bbbbbbbbbbbb", Some("aaaaaaaaaaaa")),
        ("abcabcabcabc", None),
        ("cccccccccccc", Some("abc")),
    ]);
    let resolve = |text: &str| look(&store, |read| read.resolve_container(text));
    assert_eq!(resolve("aaaaaaaaaaaa"), found("aaaaaaaaaaaa"));
    assert_eq!(resolve("abc"), found("cccccccccccc"));
    assert_eq!(resolve("abca"), found("abcabcabcabc"));
}

#[test]
fn what_begins_several_ids_is_ambiguous_and_what_begins_none_is_nothing() {
    let store = with_containers(&[("aaaaaaaaaaa1", None), ("aaaaaaaaaaa2", None)]);
    let resolve = |text: &str| look(&store, |read| read.resolve_container(text));
    assert_eq!(resolve("a"), Resolution::Ambiguous);
    for text in ["", "b", "%", "_", "A", "aaaaaaaaaaa11", "web", " a", "'"] {
        assert_eq!(resolve(text), Resolution::None, "{text:?}");
    }
}

#[test]
fn an_image_is_found_by_name_with_and_without_a_tag() {
    let store = Store::in_memory().unwrap();
    change(&store, |write| {
        write.insert_image(&named(1, "site", "latest"))?;
        write.insert_image(&named(2, "site", "1.0"))?;
        write.insert_image(&named(3, "", "failed"))?;
        write.insert_image(&Image {
            id: "cafecafecafe".parse().unwrap(),
            ..image(4)
        })
    })
    .unwrap();
    let resolve = |text: &str| look(&store, |read| read.resolve_image(text));
    assert_eq!(resolve("site"), Resolution::Found(id(1)));
    assert_eq!(resolve("site:1.0"), Resolution::Found(id(2)));
    assert_eq!(resolve("cafe"), found("cafecafecafe"));
    assert_eq!(resolve("a00"), Resolution::Ambiguous);
    for text in ["site:2", ":failed", ":", "site:", "site:1.0:x", "cafe:latest", ""] {
        assert_eq!(resolve(text), Resolution::None, "{text:?}");
    }
}

#[test]
fn a_network_is_found_by_name_even_if_that_begins_an_id() {
    let store = Store::in_memory().unwrap();
    change(&store, |write| {
        write.insert_network(&Network {
            name: "a".parse().unwrap(),
            ..network(3)
        })?;
        write.insert_network(&network(4))
    })
    .unwrap();
    let resolve = |text: &str| look(&store, |read| read.resolve_network(text));
    assert_eq!(resolve("a"), Resolution::Found(id(3)));
    assert_eq!(resolve("net4"), Resolution::Found(id(4)));
    assert_eq!(resolve("a0"), Resolution::Ambiguous);
}

/// The rule itself, over a list.
fn model(containers: &[(String, Option<String>)], text: &str) -> Resolution {
    let exact = containers
        .iter()
        .find(|(id, _)| id == text)
        .or_else(|| containers.iter().find(|(_, name)| name.as_deref() == Some(text)));
    if let Some((id, _)) = exact {
        return found(id);
    }
    let mut fitting = containers
        .iter()
        .filter(|(id, _)| !text.is_empty() && id.starts_with(text));
    match (fitting.next(), fitting.next()) {
        (Some((id, _)), None) => found(id),
        (Some(_), Some(_)) => Resolution::Ambiguous,
        (None, _) => Resolution::None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn resolution_follows_the_rule(
        // Few letters, so that beginnings, names and ids collide often.
        objects in prop::collection::btree_map("[ab]{12}", prop::option::of("[ab]{1,4}"), 0..8),
        texts in prop::collection::vec("[ab]{0,5}|[ab]{12}", 1..8),
    ) {
        let mut names = Vec::new();
        let objects: Vec<(String, Option<String>)> = objects
            .into_iter()
            .map(|(id, name)| (id, name.filter(|name| !names.contains(name) && { names.push(name.clone()); true })))
            .collect();
        let borrowed: Vec<_> = objects.iter().map(|(id, name)| (id.as_str(), name.as_deref())).collect();
        let store = with_containers(&borrowed);
        for text in texts.iter().chain(objects.iter().map(|(id, _)| id)) {
            prop_assert_eq!(look(&store, |read| read.resolve_container(text)), model(&objects, text), "{}", text);
        }
    }

    #[test]
    fn no_text_can_break_resolution(text in ".*") {
        let store = with_containers(&[("aaaaaaaaaaaa", Some("web"))]);
        let known: Id = "aaaaaaaaaaaa".parse().unwrap();
        let resolution = look(&store, |read| read.resolve_container(&text));
        let expected = text == "web" || (!text.is_empty() && known.as_str().starts_with(&text));
        prop_assert_eq!(resolution == Resolution::Found(known), expected);
    }
}
