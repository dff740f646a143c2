import "./styles/tokens.css";
import "./styles/base.css";

import { mount } from "svelte";

import App from "./App.svelte";
import { tauriHost } from "./lib/host/tauri";
import { en } from "./lib/i18n/en";

const target = document.getElementById("app") ?? document.body;

try {
  if (import.meta.env.MODE === "fake") {
    const { scene } = await import("./scenes");
    mount(App, { target, props: scene(new URLSearchParams(location.search)) });
  } else if (import.meta.env.MODE === "loopback") {
    const { connect } = await import("./lib/host/loopback");
    mount(App, { target, props: { host: await connect() } });
  } else {
    mount(App, { target, props: { host: tauriHost } });
  }
} catch (error) {
  // Better a plain sentence than an empty window.
  target.textContent = `${en.errors.mount} ${String(error)}`;
}
