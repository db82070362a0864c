//! Query parameters: all are strings, and those that are not declared are refused.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde_json::{Map, Value};

use super::{Described, Kind, Mistake, UnprocessableBody, read};

/// Query parameters of a declared shape.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: Described, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = UnprocessableBody;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, UnprocessableBody> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let pairs = pairs.map_err(|rejection| {
            UnprocessableBody(vec![Mistake {
                pointer: "/".to_owned(),
                detail: rejection.body_text(),
            }])
        })?;
        parse(pairs.0).map(Self).map_err(UnprocessableBody)
    }
}

/// Of a parameter that is given twice the last one counts.
fn parse<T: Described>(pairs: Vec<(String, String)>) -> Result<T, Vec<Mistake>> {
    let declared = |name: &str| T::FIELDS.iter().find(|field| field.name == name);
    let unexpected: Vec<Mistake> = pairs
        .iter()
        .filter(|(name, _)| declared(name).is_none())
        .map(|(name, _)| Mistake {
            pointer: format!("/{name}"),
            detail: format!("Unexpected field: {name}"),
        })
        .collect();
    if !unexpected.is_empty() {
        return Err(unexpected);
    }
    let typed = pairs.into_iter().map(|(name, text)| {
        let typed = match declared(&name).map(|field| &field.kind) {
            Some(Kind::Boolean) => text.parse().ok().map(Value::Bool),
            Some(Kind::Integer(_)) => text.parse().ok().map(|number: u64| number.into()),
            _ => None,
        };
        (name, typed.unwrap_or(Value::String(text)))
    });
    read(Value::Object(typed.collect::<Map<_, _>>())).map_err(|mistakes| mistakes.shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validation::{ExecStop, ListContainers, StopContainer, TagImage};

    fn pairs(given: &[(&str, &str)]) -> Vec<(String, String)> {
        given
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn mistake<T: Described + std::fmt::Debug>(given: &[(&str, &str)]) -> (String, String) {
        let first = parse::<T>(pairs(given)).unwrap_err().remove(0);
        (first.pointer, first.detail)
    }

    #[test]
    fn an_optional_parameter_has_its_default() {
        assert!(!parse::<ListContainers>(Vec::new()).unwrap().all);
        assert!(parse::<ListContainers>(pairs(&[("all", "true")])).unwrap().all);
    }

    #[test]
    fn booleans_are_exactly_true_or_false() {
        for word in ["True", "1", "", "yes"] {
            let expected = ("/all".to_owned(), "Invalid boolean. Got: string".to_owned());
            assert_eq!(mistake::<ListContainers>(&[("all", word)]), expected);
        }
    }

    #[test]
    fn numbers_are_read_as_such_and_have_a_limit() {
        let timeout = |text| parse::<StopContainer>(pairs(&[("timeout", text)])).map(|stop| stop.timeout);
        assert_eq!(timeout("10").unwrap(), Some(10));
        for text in ["3601", "-1", "1.5", "ten", ""] {
            assert_eq!(timeout(text).unwrap_err()[0].pointer, "/timeout", "{text}");
        }
    }

    #[test]
    fn undeclared_parameters_are_refused_before_anything_else() {
        let expected = ("/al".to_owned(), "Unexpected field: al".to_owned());
        assert_eq!(mistake::<ExecStop>(&[("al", "true")]), expected);
    }

    #[test]
    fn required_parameters_must_be_given() {
        let expected = ("/force_stop".to_owned(), "Missing field: force_stop".to_owned());
        assert_eq!(mistake::<ExecStop>(&[("stop_container", "true")]), expected);
    }

    #[test]
    fn text_that_reads_like_a_boolean_stays_text() {
        assert_eq!(
            parse::<TagImage>(pairs(&[("nametag", "true")])).unwrap().nametag,
            "true"
        );
    }
}
