import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { Toasts } from "./toasts.svelte";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("go by themselves, but not while someone reads", () => {
  const toasts = new Toasts();
  toasts.say("a");
  toasts.hold(true);
  vi.advanceTimersByTime(60_000);
  expect(toasts.items).toHaveLength(1);
  toasts.hold(false);
  vi.advanceTimersByTime(60_000);
  expect(toasts.items).toHaveLength(0);
});

it("keep the newest when there are many", () => {
  const toasts = new Toasts();
  for (const text of ["a", "b", "c", "d", "e"]) toasts.say(text);
  expect(toasts.items.map(({ text }) => text)).toEqual(["b", "c", "d", "e"]);
});
