//! Stock Docker clients against the engine.
