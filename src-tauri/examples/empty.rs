//! A window with nothing in it, for comparison: what any program of Tauri's takes.

use tauri::{Builder, Context, WebviewUrl, WebviewWindowBuilder, Wry};

fn main() -> Result<(), tauri::Error> {
    let mut context = context();
    context.config_mut().app.windows.clear();
    Builder::<Wry>::new()
        .setup(|app| {
            let nothing = WebviewUrl::External("about:blank".parse()?);
            WebviewWindowBuilder::new(app, "empty", nothing).inner_size(1100.0, 720.0).build()?;
            Ok(())
        })
        .run(context)
}

#[expect(clippy::exit, clippy::disallowed_methods, reason = "it is inside the macro, not ours")]
fn context() -> Context<Wry> {
    tauri::generate_context!()
}
