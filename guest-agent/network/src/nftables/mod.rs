//! Naru's own nftables tables, written as netlink messages.
//!
//! `expression` and `matches` say what a rule can look at and do, `batch` turns tables,
//! chains, rules and map elements into the bytes of one transaction, `maps` and `ruleset`
//! hold what Naru's tables say, `table` has the kernel take it, and `resolver` holds what
//! the table inside of a container's namespace says. Constants and layouts are those of
//! `linux/netfilter/nf_tables.h`; `nft --debug=netlink` prints the same expressions.

mod batch;
mod expression;
mod family;
mod maps;
mod matches;
mod resolver;
mod ruleset;
mod table;

pub(crate) use resolver::lead_to_resolver;
pub(crate) use ruleset::Ruleset;
pub(crate) use table::Table;
