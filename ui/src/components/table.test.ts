import { render, screen, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { SvelteSet } from "svelte/reactivity";
import { describe, expect, it, vi } from "vitest";

import TableHarness from "../test/TableHarness.svelte";
import { roomFor } from "./table";
import { Elements, scrollTo, visibleRange } from "./windowing";

const ROWS = [
  { name: "beta", size: 3 },
  { name: "alpha", size: 20 },
  { name: "gamma", size: 1 },
];

const bodyRows = () => screen.getAllByRole("row").slice(1);
const names = () => bodyRows().map((row) => within(row).getByRole("rowheader").textContent.trim());

const open = () => {
  const chosen = new SvelteSet<string>();
  const onopen = vi.fn();
  render(TableHarness, { rows: ROWS, chosen, onopen });
  return { user: userEvent.setup(), chosen, onopen };
};

const focusFirst = () => bodyRows()[0]?.focus();

describe("order", () => {
  it("goes up, down and back to how it came", async () => {
    const { user } = open();
    const sort = screen.getByRole("button", { name: "Size" });
    await user.click(sort);
    expect(names()).toEqual(["gamma", "beta", "alpha"]);
    expect(sort.closest("th")).toHaveAttribute("aria-sort", "ascending");
    await user.click(sort);
    expect(names()).toEqual(["alpha", "beta", "gamma"]);
    expect(sort.closest("th")).toHaveAttribute("aria-sort", "descending");
    await user.click(sort);
    expect(names()).toEqual(["beta", "alpha", "gamma"]);
    expect(sort.closest("th")).not.toHaveAttribute("aria-sort");
  });
});

describe("the keyboard", () => {
  it("walks the rows with the arrows and stops at both ends", async () => {
    const { user } = open();
    focusFirst();
    await user.keyboard("{ArrowUp}{ArrowDown}");
    expect(bodyRows()[1]).toHaveFocus();
    await user.keyboard("{End}{ArrowDown}");
    expect(bodyRows()[2]).toHaveFocus();
    await user.keyboard("{Home}");
    expect(bodyRows()[0]).toHaveFocus();
  });

  it("opens with Enter and chooses with Space", async () => {
    const { user, chosen, onopen } = open();
    focusFirst();
    await user.keyboard("{ArrowDown}{Enter} ");
    expect(onopen).toHaveBeenCalledExactlyOnceWith("alpha");
    expect([...chosen]).toEqual(["alpha"]);
    expect(bodyRows()[1]).toHaveAttribute("aria-selected", "true");
  });

  it("chooses a stretch with Shift, all with Ctrl+A, none with Escape", async () => {
    const { user, chosen } = open();
    focusFirst();
    await user.keyboard("{Shift>}{ArrowDown}{/Shift}");
    expect([...chosen]).toEqual(["beta", "alpha"]);
    await user.keyboard("{Control>}a{/Control}");
    expect(chosen.size).toBe(3);
    expect(screen.getByRole("checkbox", { name: "Select all" })).toBeChecked();
    await user.keyboard("{Escape}");
    expect(chosen.size).toBe(0);
  });

  it("stops with Tab in one row only, the one that the arrows are at", async () => {
    const { user } = open();
    focusFirst();
    await user.keyboard("{ArrowDown}");
    expect(screen.getByRole("button", { name: "ALPHA" })).toHaveAttribute("tabindex", "0");
    expect(screen.getByRole("button", { name: "BETA" })).toHaveAttribute("tabindex", "-1");
  });

  it("goes on from the title when the row it was at is no longer there", async () => {
    document.body.innerHTML = '<main><h1 tabindex="-1">Things</h1></main>';
    const { rerender } = render(TableHarness, { rows: ROWS });
    screen.getByRole("button", { name: "ALPHA" }).focus();
    await rerender({ rows: ROWS.filter(({ name }) => name !== "alpha") });
    await expect.poll(() => document.activeElement).toBe(screen.getByRole("heading", { name: "Things" }));
    document.body.innerHTML = "";
  });

  it("leaves Enter on a row's own button to the button", async () => {
    const { user, onopen } = open();
    screen.getByRole("button", { name: "ALPHA" }).focus();
    await user.keyboard("{Enter}");
    expect(onopen).not.toHaveBeenCalled();
  });
});

describe("the mouse", () => {
  it("opens a row, and with Ctrl chooses it", async () => {
    const { user, chosen, onopen } = open();
    await user.click(screen.getByText("gamma"));
    expect(onopen).toHaveBeenCalledExactlyOnceWith("gamma");
    await user.keyboard("{Control>}");
    await user.click(screen.getByText("beta"));
    expect([...chosen]).toEqual(["beta"]);
    expect(onopen).toHaveBeenCalledOnce();
  });

  it("chooses by the box without opening", async () => {
    const { user, chosen, onopen } = open();
    await user.click(screen.getByRole("checkbox", { name: "Select gamma" }));
    expect([...chosen]).toEqual(["gamma"]);
    expect(onopen).not.toHaveBeenCalled();
  });
});

describe("what a list has room for", () => {
  const columns = [
    { key: "name", title: "Name", width: "minmax(96px, 1.8fr)" },
    { key: "image", title: "Image", width: "minmax(96px, 1.6fr)", spare: 2 as const },
    { key: "ports", title: "Ports", width: "200px", spare: 3 as const },
    { key: "created", title: "Created", width: "400px", spare: 1 as const },
    { key: "actions", title: "Actions", width: "96px" },
  ];
  const at = (width: number) => roomFor(columns, width, ["22px"]).map(({ key }) => key);

  it("is all of its columns where they fit", () => {
    expect(at(966)).toEqual(["name", "image", "ports", "created", "actions"]);
  });

  it("is no column that would cut off another, however much room there is", () => {
    expect(at(965)).toEqual(["name", "image", "ports", "actions"]);
  });

  it("is few columns rather than narrow names", () => {
    expect(at(619)).toEqual(["name", "ports", "actions"]);
    expect(at(479)).toEqual(["name", "actions"]);
  });
});

describe("a long list", () => {
  const rows = Array.from({ length: 1000 }, (_, at) => ({ name: `row-${String(at).padStart(4, "0")}`, size: at }));

  it("has a screenful of rows in the page, and says how many there are", () => {
    render(TableHarness, { rows });
    expect(screen.getByRole("grid")).toHaveAttribute("aria-rowcount", "1001");
    expect(bodyRows().length).toBeLessThan(60);
  });

  it("stays where one has scrolled to when it is read anew, and goes to what is opened", async () => {
    const { rerender } = render(TableHarness, { rows, opened: "row-0000" });
    const pane = document.querySelector(".pane");
    if (pane === null) throw new Error("no pane");
    pane.scrollTop = 20_000;
    await rerender({ rows: rows.map((row) => ({ ...row })) });
    expect(pane.scrollTop).toBe(20_000);
    await rerender({ opened: "row-0001" });
    expect(pane.scrollTop).toBe(44);
  });

  it("shows what is in sight and a little around it", () => {
    expect(visibleRange(1000, 44, 0, 440)).toEqual({ first: 0, end: 18 });
    expect(visibleRange(1000, 44, 4400, 440)).toEqual({ first: 92, end: 118 });
    expect(visibleRange(1000, 44, 43_560, 440)).toEqual({ first: 982, end: 1000 });
  });

  it("shows the end of a list that has become shorter than where one is in it", () => {
    expect(visibleRange(5, 44, 4400, 440)).toEqual({ first: 4, end: 5 });
    expect(visibleRange(0, 44, 4400, 440)).toEqual({ first: 0, end: 0 });
  });

  it("scrolls no further than it has to", () => {
    expect(scrollTo(3, 44, 0, 440)).toBeNull();
    expect(scrollTo(10, 44, 0, 440)).toBe(44);
    expect(scrollTo(2, 44, 440, 440)).toBe(88);
  });

  it("gives a row that comes the element of one that goes, and moves no other", () => {
    const elements = new Elements();
    const [a, b, c] = elements.of(["a", "b", "c"], null);
    expect(new Set([a, b, c]).size).toBe(3);
    expect(elements.of(["b", "c", "d"], null)).toEqual([b, c, a]);
    expect(elements.of(["d", "c"], null)).toEqual([a, c]);
    expect(elements.of(["d", "e"], null)).toEqual([a, c]);
  });

  it("gives the element of the row with the focus to no other", () => {
    const elements = new Elements();
    const [a, b] = elements.of(["a", "b"], null);
    const [d] = elements.of(["d", "b"], "a");
    expect([a, b]).not.toContain(d);
    expect(elements.of(["d", "b", "a"], "a")[2]).not.toBe(a);
  });
});
