//! The container engine: the Docker Engine API and the services behind it.
