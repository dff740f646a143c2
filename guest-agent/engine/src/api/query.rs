//! Query parameters as Docker reads them.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use hyper::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ApiError;

/// What a request's query says; what cannot be read is refused by name, as all else is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = axum::extract::Query::from_request_parts(parts, state).await;
        let axum::extract::Query(query) = read.map_err(|rejected| {
            let text = rejected.body_text();
            let (_, why) = text.split_once(": ").unwrap_or(("", &text));
            ApiError::invalid(format!("invalid query parameter {why}"))
        })?;
        Ok(Self(query))
    }
}

/// A query boolean: absent, empty, `0`, `no`, `false` and `none` are false, all else is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

impl Flag {
    pub(super) fn parse(text: &str) -> Self {
        Self(!matches!(
            text.trim().to_ascii_lowercase().as_str(),
            "" | "0" | "no" | "false" | "none"
        ))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}

/// `filters=`: for each key its values, OR-ed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads `{"key":{"value":true}}` and the older `{"key":["value"]}`; a key that
    /// is not in `known` is refused by name.
    pub(crate) fn parse(text: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Self::default()) };
        let malformed = || ApiError::invalid("invalid filter");
        let parsed: BTreeMap<String, Value> =
            serde_json::from_str(text).map_err(|_| malformed())?;
        let mut filters = BTreeMap::new();
        for (key, values) in parsed {
            if !known.contains(&key.as_str()) {
                return Err(ApiError::invalid(format!("invalid filter '{key}'")));
            }
            let values = match values {
                Value::Object(map) => map
                    .into_iter()
                    .filter(|(_, wanted)| wanted.as_bool() != Some(false))
                    .map(|(value, _)| value)
                    .collect(),
                Value::Array(list) => list
                    .into_iter()
                    .map(|value| value.as_str().map(str::to_owned).ok_or_else(malformed))
                    .collect::<Result<_, _>>()?,
                _ => return Err(malformed()),
            };
            filters.insert(key, values);
        }
        Ok(Self(filters))
    }

    /// The values of `key`; none when it was not given.
    pub(crate) fn values(&self, key: &str) -> Option<&[String]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// Whether `key` was not given, or one of its values satisfies `matches`.
    pub(crate) fn any(&self, key: &str, matches: impl Fn(&str) -> bool) -> bool {
        self.values(key).is_none_or(|values| values.iter().any(|value| matches(value)))
    }

    /// Whether all `label` values (`k` or `k=v`) hold for `labels`.
    pub(crate) fn labels<'a>(&self, labels: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.all_labels("label", &labels)
    }

    /// The same, and not all those of `label!` hold, if there are any.
    pub(crate) fn labels_or_not<'a>(&self, labels: impl Fn(&str) -> Option<&'a str>) -> bool {
        let excluded = self.values("label!").is_some() && self.all_labels("label!", &labels);
        self.all_labels("label", &labels) && !excluded
    }

    fn all_labels<'a>(&self, key: &str, labels: &impl Fn(&str) -> Option<&'a str>) -> bool {
        self.values(key).unwrap_or_default().iter().all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => labels(key) == Some(value),
            None => labels(wanted).is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_filters_are_read() {
        let new = Filters::parse(Some(r#"{"name":{"a":true,"b":true}}"#), &["name"]).unwrap();
        let old = Filters::parse(Some(r#"{"name":["a","b"]}"#), &["name"]).unwrap();
        assert_eq!(new, old);
        assert!(new.any("name", |value| value == "b"));
        assert!(new.any("absent", |_| false), "a filter that was not given matches all");
    }

    #[test]
    fn an_unknown_filter_is_refused_by_name() {
        let error = Filters::parse(Some(r#"{"colour":["red"]}"#), &["name"]).unwrap_err();
        assert_eq!(error.message(), "invalid filter 'colour'");
    }

    #[test]
    fn all_labels_must_match() {
        let filters = Filters::parse(Some(r#"{"label":["a=1","b"]}"#), &["label"]).unwrap();
        let labels = |key: &str| match key {
            "a" => Some("1"),
            "b" => Some("x"),
            _ => None,
        };
        assert!(filters.labels(labels));
        assert!(!filters.labels(|key| (key == "a").then_some("1")));
    }

    #[test]
    fn labels_can_be_excluded() {
        let filters = r#"{"label":["a"],"label!":["keep","b=2"]}"#;
        let filters = Filters::parse(Some(filters), &["label", "label!"]).unwrap();
        for (labels, expected) in [
            (&[("a", "1")] as &[_], true),
            (&[("a", "1"), ("keep", "")], true),
            (&[("a", "1"), ("keep", ""), ("b", "2")], false),
            (&[("b", "1")], false),
        ] {
            let value = |wanted: &str| labels.iter().find(|(k, _)| *k == wanted).map(|(_, v)| *v);
            assert_eq!(filters.labels_or_not(value), expected, "{labels:?}");
        }
    }

    #[test]
    fn booleans_are_dockers() {
        for (text, expected) in
            [("1", true), ("true", true), ("yes", true), ("0", false), ("", false), ("none", false)]
        {
            assert_eq!(Flag::parse(text).0, expected, "{text:?}");
        }
    }
}
