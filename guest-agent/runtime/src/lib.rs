//! An OCI runtime: namespaces, cgroup v2, overlayfs, seccomp, capabilities.
