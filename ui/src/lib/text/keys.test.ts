import { expect, it } from "vitest";

import { isShortcut, written } from "./keys";

const press = (init: KeyboardEventInit) => new KeyboardEvent("keydown", init);

it("is Ctrl here and Command on a Mac, and nothing with it", () => {
  expect(isShortcut(press({ key: "k", ctrlKey: true }), "mod+k", false)).toBe(true);
  expect(isShortcut(press({ key: "k", ctrlKey: true }), "mod+k", true)).toBe(false);
  expect(isShortcut(press({ key: "k", metaKey: true }), "mod+k", true)).toBe(true);
  expect(isShortcut(press({ key: "K", ctrlKey: true, shiftKey: true }), "mod+k", false)).toBe(false);
  expect(isShortcut(press({ key: "k" }), "mod+k", false)).toBe(false);
  expect(isShortcut(press({ key: "F", ctrlKey: true, shiftKey: true }), "mod+shift+f", false)).toBe(true);
  expect(isShortcut(press({ key: "f", ctrlKey: true }), "mod+shift+f", false)).toBe(false);
});

it("works while Korean is typed", () => {
  expect(isShortcut(press({ key: "ㅏ", code: "KeyK", ctrlKey: true }), "mod+k", false)).toBe(true);
});

it("goes by the layout, not by the places of another one", () => {
  expect(isShortcut(press({ key: "t", code: "KeyK", ctrlKey: true }), "mod+k", false)).toBe(false);
});

it("is written as the keys have it", () => {
  expect(written("mod+k", false)).toBe("Ctrl+K");
  expect(written("mod+1", true)).toBe("⌘1");
  expect(written("mod+shift+f", false)).toBe("Ctrl+Shift+F");
  expect(written("mod+shift+f", true)).toBe("⇧⌘F");
});
