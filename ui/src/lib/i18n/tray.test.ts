import { expect, it } from "vitest";

import { FakeHost } from "../host/fake";
import { openWindow } from "../../test/render";
import { en } from "./en";
import { ko } from "./ko";
import { trayWords } from "./tray";

it("has a place in every text into which the app puts something", () => {
  for (const catalogue of [en, ko]) {
    const words = trayWords(catalogue);
    for (const text of [words.stop_with, words.open_port, words.more]) expect(text).toContain("{}");
  }
});

it("is told to the tray at the start, and again in another language", async () => {
  const host = new FakeHost();
  const { screen, user } = openWindow(host, "settings");
  await user.selectOptions(await screen.findByRole("combobox", { name: "Language" }), "ko");
  await screen.findByRole("heading", { name: "설정" });
  const told = host.requests("tray.words");
  expect([told.at(0)?.quit, told.at(-1)?.quit]).toEqual([en.tray.quit, ko.tray.quit]);
});
