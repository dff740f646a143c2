//! What builds have left lying, as BuildKit's clients list it, and its removal.

use std::time::{Duration, SystemTime};

use naru_buildkit::BuildError;
use naru_buildkit::wire::control::{DiskUsageRequest, PruneRequest, UsageRecord};
use naru_buildkit::wire::google::Timestamp;
use naru_buildkit::wire::worker::GcPolicy;
use naru_error::ErrorKind;
use tokio::sync::mpsc;

use super::failure::of_engine;
use crate::build::{self, PruneBounds, PruneWanted};
use crate::engine::Engine;

/// Everything, what was used last first.
pub(super) async fn disk_usage(
    engine: &Engine,
    request: &DiskUsageRequest,
) -> Result<Vec<UsageRecord>, BuildError> {
    let filter = Filter::parse(&request.filter)?;
    let before = before(request.age_limit);
    let records = engine.build_usage().await.map_err(of_engine)?;
    let records = records.iter().map(wire);
    let records = records.filter(|it| filter.fits(it) && is_unused_since(it, before));
    Ok(records.collect())
}

/// Removes what the request names, and tells of it.
pub(super) async fn prune(
    engine: &Engine,
    request: &PruneRequest,
    removed: &mpsc::Sender<UsageRecord>,
) -> Result<(), BuildError> {
    let filter = Filter::parse(&request.filter)?;
    let before = before(request.keep_duration);
    let bytes = |bytes: i64| u64::try_from(bytes).unwrap_or(0);
    let bounds = PruneBounds {
        reserved: bytes(request.reserved_space),
        max_used: bytes(request.max_used_space),
        min_free: bytes(request.min_free_space),
    };
    let wanted = PruneWanted {
        all: request.all,
        bounds,
        fits: Box::new(move |record| {
            let record = wire(record);
            filter.fits(&record) && is_unused_since(&record, before)
        }),
    };
    let pruned = engine.prune_builds(wanted).await.map_err(of_engine)?;
    for record in &pruned.records {
        // Who is gone does not need to know.
        drop(removed.send(wire(record)).await);
    }
    Ok(())
}

/// A policy by which something goes by itself, as clients are told of it.
pub(super) fn policy(policy: &build::Policy) -> GcPolicy {
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let build::Policy { kinds, unused_for, all, bounds } = policy;
    GcPolicy {
        all: *all,
        keep_duration: i64::try_from(unused_for.as_nanos()).unwrap_or(i64::MAX),
        filters: kinds.iter().map(|kind| format!("type=={}", kind.as_str())).collect(),
        reserved_space: bytes(bounds.reserved),
        max_used_space: bytes(bounds.max_used),
        min_free_space: bytes(bounds.min_free),
    }
}

/// The moment that lies so many nanoseconds back.
fn before(nanoseconds: i64) -> Option<SystemTime> {
    let age = u64::try_from(nanoseconds).ok().filter(|age| *age > 0)?;
    SystemTime::now().checked_sub(Duration::from_nanos(age))
}

fn is_unused_since(record: &UsageRecord, before: Option<SystemTime>) -> bool {
    let Some(before) = before.map(Timestamp::from) else { return true };
    let used = record.last_used_at.or(record.created_at);
    used.is_none_or(|used| (used.seconds, used.nanos) < (before.seconds, before.nanos))
}

fn wire(record: &build::UsageRecord) -> UsageRecord {
    UsageRecord {
        id: record.id.clone(),
        mutable: record.kind != build::UsageKind::Step,
        in_use: record.in_use,
        size: i64::try_from(record.size).unwrap_or(i64::MAX),
        created_at: Some(SystemTime::from(record.created).into()),
        last_used_at: Some(SystemTime::from(record.last_used).into()),
        usage_count: i64::try_from(record.uses).unwrap_or(i64::MAX),
        description: record.description.clone(),
        record_type: record.kind.as_str().to_owned(),
        shared: record.shared,
        ..UsageRecord::default()
    }
}

/// containerd's filters: one of several lists fits when all in it do.
struct Filter(Vec<Vec<Rule>>);

struct Rule {
    field: String,
    is_not: bool,
    /// A part of it is enough.
    is_part: bool,
    /// Without a value the field is to be there.
    value: Option<String>,
}

impl Filter {
    fn parse(texts: &[String]) -> Result<Self, BuildError> {
        let lists = texts.iter().filter(|text| !text.is_empty());
        let lists = lists.map(|text| text.split(',').map(Rule::parse).collect());
        Ok(Self(lists.collect::<Result<_, _>>()?))
    }

    fn fits(&self, record: &UsageRecord) -> bool {
        self.0.is_empty() || self.0.iter().any(|rules| rules.iter().all(|rule| rule.fits(record)))
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, BuildError> {
        let operator = ["==", "!=", "~="].into_iter().find_map(|operator| {
            text.split_once(operator).map(|(field, value)| (field, operator, value))
        });
        let rule = match operator {
            Some((field, operator, value)) => Self {
                field: field.to_owned(),
                is_not: operator == "!=",
                is_part: operator == "~=",
                value: Some(value.trim_matches('"').to_owned()),
            },
            None => Self { field: text.to_owned(), is_not: false, is_part: false, value: None },
        };
        match field(&rule.field, &UsageRecord::default()) {
            Some(_) => Ok(rule),
            None => Err(BuildError::new(
                ErrorKind::Unsupported,
                format!("the filter {} is not supported by this builder", rule.field),
            )),
        }
    }

    fn fits(&self, record: &UsageRecord) -> bool {
        let found = field(&self.field, record).unwrap_or_default();
        let Some(value) = &self.value else { return !found.is_empty() };
        let is_it = if self.is_part { found.contains(value) } else { found == *value };
        is_it != self.is_not
    }
}

/// A field as a filter sees it; what is not so is empty.
fn field(name: &str, record: &UsageRecord) -> Option<String> {
    let flag = |is_so: bool| if is_so { "true".to_owned() } else { String::new() };
    Some(match name {
        "id" => record.id.clone(),
        "description" => record.description.clone(),
        "type" => record.record_type.clone(),
        "inuse" => flag(record.in_use),
        "mutable" => flag(record.mutable),
        "immutable" => flag(!record.mutable),
        "shared" => flag(record.shared),
        "private" => flag(!record.shared),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_fit_as_containerds_do() {
        let record = UsageRecord {
            id: "abcdef".to_owned(),
            record_type: "regular".to_owned(),
            shared: true,
            ..UsageRecord::default()
        };
        let fits = |filters: &[&str]| {
            let filters: Vec<String> = filters.iter().map(|text| (*text).to_owned()).collect();
            Filter::parse(&filters).map(|filter| filter.fits(&record))
        };
        assert!(fits(&[]).unwrap());
        assert!(fits(&["id~=bcd,type==regular"]).unwrap());
        assert!(fits(&["type==other", "shared"]).unwrap());
        assert!(!fits(&["type!=regular"]).unwrap());
        assert!(!fits(&["private"]).unwrap());
        fits(&["parent==x"]).unwrap_err();
    }

    #[test]
    fn what_was_used_of_late_is_kept() {
        let used = |at: SystemTime| UsageRecord {
            last_used_at: Some(at.into()),
            ..UsageRecord::default()
        };
        let hour = Some(SystemTime::now() - Duration::from_hours(1));
        assert!(!is_unused_since(&used(SystemTime::now()), hour));
        assert!(is_unused_since(&used(SystemTime::UNIX_EPOCH), hour));
        assert!(is_unused_since(&used(SystemTime::now()), None));
    }
}
