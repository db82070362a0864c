//! Templates of `--format`: Jinja's language, and the simple forms of Docker's besides.
//!
//! `{{ name }}` and `{{.name}}` mean the same. Of Go's language only what people type from memory is understood
//! (fields, `json`, `join`, `lower`, `upper`); conditions and loops are Jinja's. Fields are those of the API, in any
//! spelling: `{{.ImageName}}` is `{{ image_name }}`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, ObjectExt, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use serde_json::Map;

use crate::failure::Failure;

/// The name by which a template can mean the whole object; `{{.}}` and `{{json .}}` become it.
const WHOLE: &str = "this";
/// Functions of Go's templates that are filters of ours: `{{join .cmd " "}}`.
const FUNCTIONS: &[&str] = &["json", "join", "lower", "upper"];
/// What Go's templates have and ours write differently.
const KEYWORDS: &[&str] = &["range", "if", "else", "end", "with", "index", "printf", "len"];

/// A template whose syntax has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let source = translated(&text.replace(r"\t", "\t").replace(r"\n", "\n"))?;
        match environment().template_from_str(&source) {
            Ok(_) => {}
            Err(error) => return Err(explained(&error)),
        }
        Ok(Self { source })
    }
}

impl Template {
    /// The text that the template makes of `object`.
    ///
    /// # Errors
    /// [`Failure::BadValue`] if it asks for a field that does not exist, or for what cannot be done to one.
    pub fn fill(&self, object: &serde_json::Value) -> Result<String, Failure> {
        let environment = environment();
        environment
            .template_from_str(&self.source)
            .and_then(|template| template.render(value(object)))
            .map(|text| text.to_string())
            .map_err(|error| Failure::BadValue(format!("--format: {}", explained(&error))))
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // Without the syntax of blocks, which is left as it is, there is nothing here that could be wrong.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.unwrap_or_default());
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("json", json);
    environment.add_filter("tojson", json);
    environment.set_formatter(|output, _: &mut State, value: &Value| match value.kind() {
        // A container that does not run has no JID: nothing, as in the table, instead of a word for nothing.
        ValueKind::None => Ok(()),
        ValueKind::Undefined => Err(ErrorKind::UndefinedError.into()),
        ValueKind::Bool | ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
            Ok(output.write_str(&json(value.clone())?)?)
        }
        _ => Ok(write!(output, "{value}")?),
    });
    environment
}

fn json(value: Value) -> Result<String, Error> {
    serde_json::to_string(&value).map_err(|error| {
        Error::new(
            ErrorKind::BadSerialization,
            format!("cannot be written as JSON: {error}"),
        )
    })
}

/// What went wrong, in one sentence without the place: a template is one line long.
fn explained(error: &Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}

/// The template with Go's forms written as Jinja's.
fn translated(text: &str) -> Result<String, String> {
    let mut source = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inner, after)) = after.split_once("}}") else {
            break;
        };
        source.push_str(before);
        source.push_str(&format!("{{{{{}}}}}", translated_expression(inner)?));
        rest = after;
    }
    source.push_str(rest);
    Ok(source)
}

fn translated_expression(inner: &str) -> Result<String, String> {
    // A hyphen at either end takes the blanks outside away, in both languages.
    let (start, inner) = match inner.strip_prefix('-') {
        Some(inner) => ("-", inner),
        None => ("", inner),
    };
    let (inner, end) = match inner.strip_suffix('-') {
        Some(inner) => (inner, "-"),
        None => (inner, ""),
    };
    let inner = inner.trim();
    let (first, rest) = inner.split_once(' ').unwrap_or((inner, ""));
    let is_go = rest.trim_start().starts_with('.') || rest.is_empty();
    let expression = if KEYWORDS.contains(&first) && is_go {
        return Err(format!(
            "'{{{{{inner}}}}}' is Go's language, of which only fields and {} are understood; \
             loops and conditions are Jinja's: '{{% for … in … %}}', '{{% if … %}}'",
            FUNCTIONS.join(", ")
        ));
    } else if FUNCTIONS.contains(&first) && is_go && !rest.is_empty() {
        let rest = rest.trim_start();
        let (field, argument) = rest.split_once(' ').unwrap_or((rest, ""));
        match argument.trim() {
            "" => format!("{}|{first}", plain_field(field)),
            argument => format!("{}|{first}({argument})", plain_field(field)),
        }
    } else {
        plain_field(inner)
    };
    Ok(format!("{start} {expression} {end}"))
}

/// `.name` without its dot, `.` as a word.
fn plain_field(expression: &str) -> String {
    match expression.strip_prefix('.') {
        None => expression.to_owned(),
        Some(rest) if rest.starts_with(|char: char| char.is_alphabetic() || char == '_') => rest.to_owned(),
        Some(rest) => format!("{WHOLE}{rest}"),
    }
}

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Object(map) => Value::from_object(Fields(map.clone())),
        serde_json::Value::Array(items) => items.iter().map(value).collect(),
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64()),
        },
    }
}

/// An object of the API, which knows what it does not have.
struct Fields(Map<String, serde_json::Value>);

impl Fields {
    fn find(&self, key: &str) -> Option<&serde_json::Value> {
        let same = |name: &str| letters(name).eq(letters(key));
        self.0
            .get(key)
            .or_else(|| self.0.iter().find(|(name, _)| same(name)).map(|(_, value)| value))
    }
}

/// What is left of a name when spelling does not count: `ImageName` is `image_name`.
fn letters(name: &str) -> impl Iterator<Item = char> {
    name.chars()
        .filter(|&char| char != '_')
        .flat_map(char::to_lowercase)
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        if let Some(found) = self.find(key) {
            return Some(value(found));
        }
        if key == WHOLE {
            return Some(Value::from_dyn_object(Arc::clone(self)));
        }
        let mut names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        // An error instead of nothing, so that whoever prints it learns what there is.
        Some(Value::from(Error::new(
            ErrorKind::UndefinedError,
            format!("there is no field '{key}'; the fields are: {}", names.join(", ")),
        )))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let mut names: Vec<Value> = self.0.keys().map(Value::from).collect();
        names.sort();
        self.mapped_enumerator(move |_| Box::new(names.into_iter()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fill(template: &str) -> String {
        let object = json!({
            "id": "0123456789ab", "image_name": "minimal", "jid": null, "running": true, "cmd": ["/bin/sh", "-c <b>"],
            "endpoints": [{"network": "lan", "ip": "10.0.0.2"}, {"network": "wan", "ip": "10.1.0.2"}],
        });
        match template.parse::<Template>() {
            Ok(template) => template
                .fill(&object)
                .unwrap_or_else(|failure| failure.to_string()),
            Err(error) => error,
        }
    }

    #[test]
    fn fields_can_be_written_in_either_language_and_any_spelling() {
        for template in ["{{ id }}", "{{id}}", "{{.id}}", "{{ .ID }}", "{{- .Id -}}"] {
            assert_eq!(fill(template), "0123456789ab", "{template}");
        }
        assert_eq!(fill("{{.ImageName}}/{{.image_name}}"), "minimal/minimal");
    }

    #[test]
    fn escapes_for_tab_and_newline_are_understood() {
        assert_eq!(fill(r"{{.id}}\t{{.running}}\n"), "0123456789ab\ttrue\n");
    }

    #[test]
    fn nothing_is_printed_as_nothing() {
        assert_eq!(fill("<{{.jid}}>"), "<>");
    }

    #[test]
    fn lists_and_objects_are_printed_as_json() {
        assert_eq!(fill("{{.cmd}}"), r#"["/bin/sh","-c <b>"]"#);
        assert_eq!(fill("{{json .cmd}}"), r#"["/bin/sh","-c <b>"]"#);
        assert_eq!(fill("{{.cmd|json}}"), r#"["/bin/sh","-c <b>"]"#);
        assert_eq!(fill("{{json .id}}"), r#""0123456789ab""#);
        let whole: serde_json::Value = serde_json::from_str(&fill("{{json .}}")).unwrap();
        assert_eq!(whole["endpoints"][1]["ip"], "10.1.0.2");
        assert_eq!(fill("{{.}}"), fill("{{json .}}"));
    }

    #[test]
    fn functions_of_go_are_filters() {
        assert_eq!(fill("{{upper .id}}"), "0123456789AB");
        assert_eq!(fill(r#"{{join .cmd ", "}}"#), "/bin/sh, -c <b>");
    }

    #[test]
    fn loops_and_conditions_are_jinjas() {
        assert_eq!(
            fill("{% for e in endpoints %}{{ e.network }}={{ e.ip }} {% endfor %}"),
            "lan=10.0.0.2 wan=10.1.0.2 "
        );
        assert_eq!(fill("{% if running %}up{% else %}down{% endif %}"), "up");
    }

    #[test]
    fn an_unknown_field_is_named_with_those_that_exist() {
        let fields = "the fields are: cmd, endpoints, id, image_name, jid, running";
        assert_eq!(
            fill("{{.Names}}"),
            format!("--format: there is no field 'Names'; {fields}")
        );
        assert_eq!(
            fill("{% for e in endpoints %}{{ e.mac }}{% endfor %}"),
            "--format: there is no field 'mac'; the fields are: ip, network"
        );
    }

    #[test]
    fn loops_of_go_are_refused_with_what_to_write_instead() {
        assert!(fill("{{range .endpoints}}x{{end}}").contains("'{% for … in … %}'"));
    }

    #[test]
    fn a_template_that_does_not_end_is_refused() {
        for template in ["{{ id", "{{ id | }}", "{% for %}", "{{ id | nosuch }}"] {
            assert!(!fill(template).contains("0123456789ab"), "{template}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[{}%. |a-z\"()\\-]{0,24}") {
            fill(&text);
        }

        #[test]
        fn text_without_braces_stays_as_it_is(text in "[^{}\\\\]{0,24}[^{}\\\\\n]") {
            prop_assert_eq!(fill(&text), text);
        }
    }
}
