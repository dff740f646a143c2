import { fireEvent } from "@testing-library/svelte";
import { expect, it, vi } from "vitest";

import { chunk, fakeContainer, FakeHost } from "../../lib/host/fake";
import { openWindow } from "../../test/render";

const LINE = 18;
const PANE = 10 * LINE;

/** Tells those who watch a box that it has another size. */
const resized: (() => void)[] = [];
vi.stubGlobal(
  "ResizeObserver",
  class {
    readonly boxes = new Set<Element>();
    constructor(hear: (entries: { target: Element }[]) => void) {
      resized.push(() => hear([...this.boxes].map((target) => ({ target }))));
    }
    observe(box: Element) {
      this.boxes.add(box);
    }
    unobserve(box: Element) {
      this.boxes.delete(box);
    }
  },
);

/** Gives the pane what only a page that is laid out has: each line its height, and an end to scroll to. */
const layOut = (log: HTMLElement) => {
  let top = 0;
  const heightOf = (part: Element) =>
    part instanceof HTMLElement && part.dataset["line"] === undefined ? Number.parseFloat(part.style.height) || 0 : LINE;
  const height = () => Array.from(log.children, heightOf).reduce((sum, each) => sum + each, 0);
  Object.defineProperties(log, {
    clientHeight: { get: () => PANE },
    scrollHeight: { get: height },
    scrollTop: { get: () => top, set: (to: number) => (top = Math.max(0, Math.min(to, height() - PANE))) },
  });
};

const open = async (output: string) => {
  const host = new FakeHost();
  host.containers = [fakeContainer("web")];
  const { screen, user } = openWindow(host);
  await user.click(await screen.findByRole("button", { name: "Show web" }));
  const log = screen.getByRole("log", { name: "Output of web" });
  layOut(log);
  host.sayMore(chunk("stdout", output));
  return { host, screen, user, log, follow: screen.getByRole("checkbox", { name: "Follow" }) };
};

it("follows no more when it is told so at the end, until one scrolls back there", async () => {
  const { user, log, follow } = await open("one\n".repeat(100));
  await expect.poll(() => log.scrollTop).toBe(90 * LINE);
  await user.click(follow);
  await fireEvent.scroll(log);
  expect(follow).not.toBeChecked();
  log.scrollTop = 50 * LINE;
  await fireEvent.scroll(log);
  expect(follow).not.toBeChecked();
  log.scrollTop = 90 * LINE;
  await fireEvent.scroll(log);
  expect(follow).toBeChecked();
});

it("stays at a line that was found near the end", async () => {
  const { screen, user, log, follow } = await open(`${"one\n".repeat(100)}two\n`);
  await expect.poll(() => log.scrollTop).toBe(91 * LINE);
  await user.type(screen.getByRole("searchbox", { name: "Search the output" }), "two");
  await user.click(await screen.findByRole("button", { name: "Next match" }));
  await fireEvent.scroll(log);
  expect(follow).not.toBeChecked();
});

it("follows who goes to the end of lines that came below", async () => {
  const { host, screen, user, log, follow } = await open("one\n".repeat(100));
  await user.click(screen.getByRole("checkbox", { name: "Wrap lines" }));
  await expect.poll(() => log.scrollTop).toBe(90 * LINE);
  await user.click(follow);
  host.sayMore(chunk("stdout", "two\n".repeat(100)));
  await expect.poll(() => log.scrollHeight).toBe(200 * LINE);
  log.scrollTop = log.scrollHeight;
  await fireEvent.scroll(log);
  expect(follow).toBeChecked();
});

it("begins anew at the end, whatever was held of the output before", async () => {
  const { host, screen, user, log, follow } = await open("one\n".repeat(5));
  await expect.poll(() => log.textContent).toContain("one");
  await user.click(follow);
  host.sayMore(chunk("end", ""));
  await user.click(await screen.findByRole("button", { name: "Read again" }));
  expect(follow).toBeChecked();
  host.sayMore(chunk("stdout", "two\n".repeat(1010)));
  await expect.poll(() => log.querySelector('[data-line="1010"]')).not.toBeNull();
});

it("holds still for who does not follow from before the first line", async () => {
  const { host, user, log, follow } = await open("");
  await user.click(follow);
  host.sayMore(chunk("stdout", "one\n".repeat(1010)));
  await expect.poll(() => log.querySelector('[data-line="1000"]')).not.toBeNull();
  expect(log.querySelector('[data-line="1"]')).not.toBeNull();
});

it("shows the newest line of a log that is followed when the pane grows", async () => {
  const { log } = await open("one\n".repeat(100));
  await expect.poll(() => log.scrollTop).toBe(90 * LINE);
  log.scrollTop = 0;
  for (const say of resized) say();
  await expect.poll(() => log.scrollTop).toBe(8 * LINE);
  expect(log.scrollHeight).toBe(18 * LINE);
});

it("shows the newest line of a log that is followed when its lines get higher", async () => {
  const { screen, user, log } = await open("one\n".repeat(100));
  await expect.poll(() => log.scrollTop).toBe(90 * LINE);
  log.scrollTop = 80 * LINE;
  await user.click(screen.getByRole("checkbox", { name: "Times" }));
  await expect.poll(() => log.scrollTop).toBe(90 * LINE);
});

it("follows no more once text in it is selected, until one wants to", async () => {
  const { user, log, follow } = await open("one\n".repeat(100));
  await expect.poll(() => log.textContent).toContain("one");
  const select = async (whole: Node) => {
    document.getSelection()?.selectAllChildren(whole);
    await fireEvent(document, new Event("selectionchange"));
  };
  const line = log.querySelector("[data-line]");
  if (line === null) throw new Error("no line");
  await select(line);
  expect(follow).not.toBeChecked();
  await user.click(follow);
  await fireEvent(document, new Event("selectionchange"));
  expect(follow).toBeChecked();
});
