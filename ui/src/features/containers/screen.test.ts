import { Terminal } from "@xterm/xterm";
import { expect, it, vi } from "vitest";

import { Screen } from "./screen";

const open = () => {
  const made = vi.spyOn(Terminal.prototype, "open");
  const box = document.body.appendChild(document.createElement("div"));
  const screen = new Screen(box, { label: "Terminal in web", onType: () => undefined, onResize: () => undefined });
  const terminal = made.mock.contexts[0] as Terminal | undefined;
  const end = () => {
    screen.dispose();
    box.remove();
  };
  return { screen, options: terminal?.options, end };
};

it("leaves what a program calls a link alone", () => {
  const left = vi.spyOn(window, "open");
  const { options, end } = open();
  const place = { x: 1, y: 1 };
  options?.linkHandler?.activate(new MouseEvent("click"), "https://elsewhere.example/", { start: place, end: place });
  // Without one of ours, xterm asks by itself and goes there.
  expect(options?.linkHandler).toEqual({ activate: expect.any(Function) as unknown });
  expect(left).not.toHaveBeenCalled();
  end();
});

it("marks what is selected in a colour that xterm can read", () => {
  const { options, end } = open();
  expect(options?.theme?.selectionBackground).toMatch(/^#[0-9a-f]{8}$/);
  end();
});
