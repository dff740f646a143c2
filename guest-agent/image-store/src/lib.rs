//! Content-addressed OCI images: registry client, blobs, unpacked layers.
