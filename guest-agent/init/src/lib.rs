//! PID 1 of the VM.
