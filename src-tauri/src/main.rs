//! The desktop shell: windows, tray, commands.

fn main() {
    let _ = tauri::generate_context!();
}
