//! The real window, on a display without a screen, over a real machine and registry.

mod journey;
mod trouble;
mod words;
