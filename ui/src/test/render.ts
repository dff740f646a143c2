import { render, screen, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";

import App from "../App.svelte";
import type { FakeHost } from "../lib/host/fake";
import type { View } from "../state/app.svelte";

/** The whole window over `host`, and a person at it. */
export const openWindow = (host: FakeHost, view: View = "containers") => {
  const user = userEvent.setup();
  render(App, { host, view });
  return { user, screen };
};

/** The table's row with this header. */
export const row = async (name: string) => within(await screen.findByRole("row", { name: new RegExp(name) }));
