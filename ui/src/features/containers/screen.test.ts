import { Terminal } from "@xterm/xterm";
import { expect, it, vi } from "vitest";

import { Screen } from "./screen";

it("leaves what a program calls a link alone", () => {
  const made = vi.spyOn(Terminal.prototype, "open");
  const left = vi.spyOn(window, "open");
  const box = document.body.appendChild(document.createElement("div"));
  const screen = new Screen(box, { label: "Terminal in web", onType: () => undefined, onResize: () => undefined });
  const terminal = made.mock.contexts[0] as Terminal | undefined;
  const linkHandler = terminal?.options.linkHandler;
  const place = { x: 1, y: 1 };
  linkHandler?.activate(new MouseEvent("click"), "https://elsewhere.example/", { start: place, end: place });
  // Without one of ours, xterm asks by itself and goes there.
  expect(linkHandler).toEqual({ activate: expect.any(Function) as unknown });
  expect(left).not.toHaveBeenCalled();
  screen.dispose();
  box.remove();
});
