//! Cases that boot the VM.
