//! What the tests share: registry, engine and VM under test.
