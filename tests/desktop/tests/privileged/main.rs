//! The real window, on a display without a screen, over a real machine and registry; and its pages
//! in a browser, over a native engine.

mod accessible;
mod details;
mod edit;
mod images;
mod journey;
mod looks;
mod machine;
mod measured;
mod tour;
mod tray;
mod trouble;
mod words;
