//! How a client carries a solution from one build to another.
//!
//! To buildx a result is a graph of build steps, which it may put before another build as an
//! input without a look at what is in it. Ours has one step: a source whose address is the
//! solution's id. The graph is made so that the client's library takes it for a whole one.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::wire::ops::{Definition, Input, Op, OpMetadata, SourceOp};

const SCHEME: &str = "naru-solution://";

/// The graph that stands for a solution.
pub(crate) fn definition(id: &str) -> Definition {
    let identifier = format!("{SCHEME}{id}");
    let source = Some(SourceOp { identifier, ..SourceOp::default() });
    let source = Op { source, ..Op::default() }.encode_to_vec();
    let digest = digest(&source);
    let end = Op { inputs: vec![Input { digest: digest.clone(), index: 0 }], source: None };
    let metadata = BTreeMap::from([(digest, OpMetadata::default())]);
    Definition { def: vec![source, end.encode_to_vec()], metadata }
}

/// The solution that a graph stands for.
pub(crate) fn id(definition: &Definition) -> Option<String> {
    definition.def.iter().find_map(|step| {
        let source = Op::decode(step.as_slice()).ok()?.source?;
        source.identifier.strip_prefix(SCHEME).map(str::to_owned)
    })
}

fn digest(step: &[u8]) -> String {
    format!("sha256:{:x}", Bytes::copy_from_slice(&Sha256::digest(step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_ends_in_the_solution_it_stands_for() -> anyhow::Result<()> {
        let graph = definition("a/0");
        assert_eq!(id(&graph).as_deref(), Some("a/0"));
        let [source, end] = graph.def.as_slice() else { anyhow::bail!("not two steps") };
        let end = Op::decode(end.as_slice())?;
        assert_eq!(end.inputs[0].digest, digest(source));
        assert!(graph.metadata.contains_key(&end.inputs[0].digest), "the client asks for it");
        Ok(())
    }

    #[test]
    fn other_graphs_stand_for_none() {
        let source = SourceOp { identifier: "docker-image://a".to_owned(), ..SourceOp::default() };
        let op = Op { source: Some(source), ..Op::default() };
        let graph =
            Definition { def: vec![op.encode_to_vec(), vec![0xff]], ..Definition::default() };
        assert_eq!(id(&graph), None);
        assert_eq!(id(&Definition::default()), None);
    }
}
