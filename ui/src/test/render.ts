import { render, screen, waitFor, within } from "@testing-library/svelte";
import userEvent, { type UserEvent } from "@testing-library/user-event";
import { expect } from "vitest";

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

/** Picks `item` in the menu that is open, and waits for its end: until then nothing else takes a press. */
export const pick = async (user: UserEvent, item: string) => {
  await user.click(await screen.findByRole("menuitem", { name: item }));
  await waitFor(() => expect(document.body).not.toHaveStyle({ pointerEvents: "none" }));
};
