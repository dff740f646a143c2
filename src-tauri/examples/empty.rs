//! A window with nothing in it, for comparison: what any program of Tauri's takes.

use tauri::{Builder, WebviewUrl, WebviewWindowBuilder, Wry};

fn main() -> Result<(), tauri::Error> {
    let mut context = tauri::generate_context!();
    context.config_mut().app.windows.clear();
    Builder::<Wry>::new()
        .setup(|app| {
            let nothing = WebviewUrl::External("about:blank".parse()?);
            WebviewWindowBuilder::new(app, "empty", nothing).inner_size(1100.0, 720.0).build()?;
            Ok(())
        })
        .run(context)
}
