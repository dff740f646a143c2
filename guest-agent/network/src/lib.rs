//! Container networks: bridges, veth pairs, addresses, nftables.
