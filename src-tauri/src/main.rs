//! The desktop shell: windows, tray, commands.

fn main() {}
