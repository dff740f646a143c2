//! One nftables transaction: all of it happens, or nothing.

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};

use super::expression::{Expression, Verdict};
use super::family::Family;
use crate::attributes::Attributes;
use crate::netlink::Requests;

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

// Kinds of messages; the subsystem is the upper byte.
const NEW_TABLE: u16 = message_kind(0);
const DELETE_TABLE: u16 = message_kind(2);
const NEW_CHAIN: u16 = message_kind(3);
const NEW_RULE: u16 = message_kind(6);
const NEW_SET: u16 = message_kind(9);
const NEW_ELEMENTS: u16 = message_kind(12);
const DELETE_ELEMENTS: u16 = message_kind(14);

/// Elements in one message: an attribute's length has 16 bits.
const ELEMENTS_PER_MESSAGE: usize = 512;

/// Where in a packet's way a chain stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hook {
    pub(crate) kind: &'static str,
    pub(crate) number: u32,
    pub(crate) priority: i32,
}

/// A map from what packets carry to where they go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Map {
    pub(crate) name: &'static str,
    /// Unique among the maps of one transaction.
    pub(crate) id: u32,
    /// How `nft` shows keys and values; nothing to the kernel.
    pub(crate) key_type: u32,
    pub(crate) value_type: u32,
    pub(crate) key_len: u32,
    pub(crate) value_len: u32,
}

/// A key, and for an addition its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// The transaction under construction.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    table: &'a str,
    family: Family,
    requests: Requests,
    is_empty: bool,
}

impl<'a> Batch<'a> {
    /// Begins a transaction on the table of this name, first that of IPv4.
    pub(crate) fn new(table: &'a str) -> Self {
        let mut requests = Requests::default();
        requests.push("begin an nftables transaction", BATCH_BEGIN, 0, |bytes| {
            write_family(bytes, 0, SUBSYSTEM);
        });
        Self { table, family: Family::Ipv4, requests, is_empty: true }
    }

    /// Goes on with the table of that name and of this family.
    pub(crate) fn switch_to(&mut self, family: Family) {
        self.family = family;
    }

    /// Makes the table. One that is there refuses the transaction.
    pub(crate) fn create_table(&mut self) {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.push("create the nftables table", NEW_TABLE, flags, |_| {});
    }

    /// Makes the table exist and be empty, whatever it was before.
    pub(crate) fn replace_table(&mut self) {
        // A table that is not there cannot be deleted, hence the first of the three.
        self.push("create the nftables table", NEW_TABLE, NLM_F_CREATE, |_| {});
        self.push("delete the nftables table", DELETE_TABLE, 0, |_| {});
        self.push("create the nftables table", NEW_TABLE, NLM_F_CREATE, |_| {});
    }

    /// Deletes the table; one that is not there is no error.
    pub(crate) fn remove_table(&mut self) {
        self.push("create the nftables table", NEW_TABLE, NLM_F_CREATE, |_| {});
        self.push("delete the nftables table", DELETE_TABLE, 0, |_| {});
    }

    /// Adds a chain that packets enter at `hook`, or one that rules jump to.
    pub(crate) fn add_chain(&mut self, name: &str, hook: Option<Hook>) {
        self.push("create the nftables chain", NEW_CHAIN, NLM_F_CREATE, |chain| {
            chain.text(3, name);
            if let Some(hook) = hook {
                chain.nest(4, |attributes| {
                    attributes.number(1, hook.number);
                    attributes.number(2, hook.priority.cast_unsigned());
                });
                chain.number(5, Verdict::Accept.code());
                chain.text(7, hook.kind);
            }
        });
    }

    /// Appends a rule: each expression in turn, until one does not hold.
    pub(crate) fn add_rule(&mut self, chain: &str, expressions: &[Expression]) {
        let flags = NLM_F_CREATE | NLM_F_APPEND;
        self.push("add the nftables rule", NEW_RULE, flags, |rule| {
            rule.text(2, chain);
            rule.nest(4, |list| {
                for expression in expressions {
                    list.nest(1, |element| expression.write(element));
                }
            });
        });
    }

    /// Adds an empty map.
    pub(crate) fn add_map(&mut self, map: &Map) {
        const IS_MAP: u32 = 0x8;
        self.push("create the nftables map", NEW_SET, NLM_F_CREATE, |set| {
            set.text(2, map.name);
            set.number(3, IS_MAP);
            set.number(4, map.key_type);
            set.number(5, map.key_len);
            set.number(6, map.value_type);
            set.number(7, map.value_len);
            set.number(10, map.id);
        });
    }

    /// Adds elements to a map.
    pub(crate) fn add_elements(&mut self, map: &Map, elements: &[Element]) {
        self.push_elements("add to the nftables map", NEW_ELEMENTS, map, elements);
    }

    /// Deletes elements, found by their keys, from a map.
    pub(crate) fn delete_elements(&mut self, map: &Map, elements: &[Element]) {
        self.push_elements("delete from the nftables map", DELETE_ELEMENTS, map, elements);
    }

    fn push_elements(
        &mut self,
        operation: &'static str,
        kind: u16,
        map: &Map,
        elements: &[Element],
    ) {
        for chunk in elements.chunks(ELEMENTS_PER_MESSAGE) {
            self.push(operation, kind, NLM_F_CREATE, |message| {
                message.text(2, map.name);
                message.nest(3, |list| {
                    for element in chunk {
                        list.nest(1, |attributes| {
                            attributes.data(1, &element.key);
                            attributes.data(2, &element.value);
                        });
                    }
                });
            });
        }
    }

    /// The whole transaction. Nothing has changed if it is refused.
    ///
    /// One answer says that all was done, and a refusal comes unasked. More answers
    /// than needed could overrun the socket.
    pub(crate) fn finish(mut self) -> Requests {
        if !self.is_empty {
            self.requests.acknowledge_last();
        }
        self.requests.push("commit the nftables transaction", BATCH_END, 0, |bytes| {
            write_family(bytes, 0, SUBSYSTEM);
        });
        self.requests
    }

    /// Appends a message about the table. Whatever the message, its first attribute is
    /// the table's name.
    fn push(
        &mut self,
        operation: &'static str,
        kind: u16,
        flags: u16,
        write: impl FnOnce(&mut Attributes<'_>),
    ) {
        let (table, family) = (self.table, self.family.number());
        self.is_empty = false;
        self.requests.push(operation, kind, flags, |bytes| {
            write_family(bytes, family, 0);
            let mut attributes = Attributes::new(bytes);
            attributes.text(1, table);
            write(&mut attributes);
        });
    }
}

const fn message_kind(message: u8) -> u16 {
    SUBSYSTEM << 8 | message as u16
}

/// `struct nfgenmsg`.
fn write_family(bytes: &mut Vec<u8>, family: u8, resource: u16) {
    bytes.extend_from_slice(&[family, 0]);
    bytes.extend_from_slice(&resource.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Message kinds in order, and whether each message is whole.
    fn kinds(mut bytes: &[u8]) -> Vec<u16> {
        let mut kinds = Vec::new();
        while !bytes.is_empty() {
            let length = u32::from_ne_bytes(*bytes.first_chunk().unwrap()) as usize;
            kinds.push(u16::from_ne_bytes(bytes[4..6].try_into().unwrap()));
            bytes = &bytes[length.next_multiple_of(4)..];
        }
        kinds
    }

    #[test]
    fn transaction_is_framed_by_begin_and_end() {
        let mut batch = Batch::new("naru");
        batch.replace_table();
        let requests = batch.finish();
        let expected = [BATCH_BEGIN, NEW_TABLE, DELETE_TABLE, NEW_TABLE, BATCH_END];
        assert_eq!(kinds(requests.bytes()), expected);
    }

    #[test]
    fn only_the_message_before_the_end_asks_for_an_answer() {
        let mut batch = Batch::new("naru");
        batch.remove_table();
        let requests = batch.finish();
        let mut bytes = requests.bytes();
        let mut asks = Vec::new();
        while let Some(length) = bytes.first_chunk() {
            asks.push(bytes[6] & 4 != 0);
            bytes = &bytes[u32::from_ne_bytes(*length) as usize..];
        }
        assert_eq!(asks, [false, false, true, false]);
    }

    #[test]
    fn chain_message_is_the_kernels_byte_for_byte() {
        let mut batch = Batch::new("t");
        batch.add_chain("c", Some(Hook { kind: "nat", number: 0, priority: -100 }));
        let bytes = batch.requests.bytes()[20..].to_vec();
        let expected = [
            72, 0, 0, 0, 3, 10, 1, 4, 2, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr: request, create
            2, 0, 0, 0, // nfgenmsg: IPv4
            6, 0, 1, 0, b't', 0, 0, 0, // table
            6, 0, 3, 0, b'c', 0, 0, 0, // name
            20, 0, 4, 0x80, // hook
            8, 0, 1, 0, 0, 0, 0, 0, // number
            8, 0, 2, 0, 0xff, 0xff, 0xff, 0x9c, // priority
            8, 0, 5, 0, 0, 0, 0, 1, // policy accept
            8, 0, 7, 0, b'n', b'a', b't', 0, // type
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn many_elements_are_split_so_that_lengths_fit() {
        let map = Map { name: "m", id: 1, key_type: 13, value_type: 13, key_len: 12, value_len: 8 };
        let elements: Vec<_> = (0..5000_u32)
            .map(|number| Element { key: [number.to_be_bytes(); 3].concat(), value: vec![0; 8] })
            .collect();
        let mut batch = Batch::new("naru");
        batch.add_elements(&map, &elements);
        let messages = kinds(batch.finish().bytes());
        assert_eq!(messages.iter().filter(|kind| **kind == NEW_ELEMENTS).count(), 10);
    }
}
