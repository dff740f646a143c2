//! The real window, on a display without a screen, over a real machine and registry.

mod journey;
mod looks;
mod tray;
mod trouble;
mod words;
