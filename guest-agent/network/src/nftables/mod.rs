//! Naru's own nftables table, written as netlink messages.
//!
//! `expression` says what a rule can look at and do, `batch` turns tables, chains,
//! rules and map elements into the bytes of one transaction, `ruleset` holds what
//! Naru's table says, `resolver` what the one inside a container's namespace does. Constants and layouts are those of
//! `linux/netfilter/nf_tables.h`; `nft --debug=netlink` prints the same expressions.

mod batch;
mod expression;
mod resolver;
mod ruleset;

pub(crate) use resolver::lead_to_resolver;
pub(crate) use ruleset::{Ruleset, Table};
