//! Byte streams between the host and the guest agent.
