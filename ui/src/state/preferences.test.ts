import { expect, it } from "vitest";

import { failure, FakeHost } from "../lib/host/fake";
import { Preferences } from "./preferences.svelte";

it("keeps both of two changes that are made at once", async () => {
  const host = new FakeHost();
  const preferences = new Preferences(host);
  await preferences.refresh();
  await Promise.all([preferences.change({ theme: "dark" }), preferences.change({ language: "ko" })]);
  expect(host.settings).toMatchObject({ theme: "dark", language: "ko" });
});

it("takes the next change after one that was refused", async () => {
  const host = new FakeHost();
  const preferences = new Preferences(host);
  await preferences.refresh();
  host.failures.set("settings.set", failure("internal", "the disk is full"));
  expect(await preferences.change({ theme: "dark" })).toBe(false);
  host.failures.delete("settings.set");
  expect(await preferences.change({ language: "ko" })).toBe(true);
  expect(host.settings).toMatchObject({ theme: "system", language: "ko" });
});
