import { render, screen } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { createRawSnippet } from "svelte";
import { describe, expect, it, vi } from "vitest";

import ComboboxHarness from "../test/ComboboxHarness.svelte";
import IconButton from "./IconButton.svelte";
import Menu from "./Menu.svelte";
import Split from "./Split.svelte";
import Toasts from "./Toasts.svelte";

const text = (words: string) => createRawSnippet(() => ({ render: () => `<p>${words}</p>` }));

describe("a menu", () => {
  const open = () => {
    const restart = vi.fn();
    const remove = vi.fn();
    render(Menu, {
      label: "More",
      items: [
        { id: "restart", text: "Restart", icon: "restart", onselect: restart },
        { id: "start", text: "Start", icon: "play", disabled: true, onselect: vi.fn() },
        { id: "remove", text: "Remove", icon: "trash", danger: true, onselect: remove },
      ],
    });
    return { user: userEvent.setup(), restart, remove };
  };

  it("opens, walks past what cannot be done, and does by keyboard alone", async () => {
    const { user, restart, remove } = open();
    await user.tab();
    expect(screen.getByRole("button", { name: "More" })).toHaveFocus();
    await user.keyboard("{Enter}");
    const first = await screen.findByRole("menuitem", { name: "Restart" });
    await expect.poll(() => document.activeElement).toBe(first);
    await user.keyboard("{ArrowDown}");
    expect(screen.getByRole("menuitem", { name: "Remove" })).toHaveFocus();
    await user.keyboard("{Enter}");
    expect(remove).toHaveBeenCalledOnce();
    expect(restart).not.toHaveBeenCalled();
  });

  it("closes on Escape and gives the focus back", async () => {
    const { user } = open();
    await user.tab();
    await user.keyboard("{Enter}");
    await screen.findByRole("menu");
    await user.keyboard("{Escape}");
    await expect.poll(() => screen.queryByRole("menu")).toBeNull();
    await expect.poll(() => document.activeElement).toBe(screen.getByRole("button", { name: "More" }));
  });
});

describe("a combobox", () => {
  it("finds by what is typed, and takes with Enter", async () => {
    const user = userEvent.setup();
    render(ComboboxHarness, {});
    const box = screen.getByRole("combobox", { name: "container" });
    await user.type(box, "BASE");
    expect(await screen.findByRole("option", { name: "database" })).toBeInTheDocument();
    expect(screen.queryByRole("option", { name: "web" })).toBeNull();
    await user.keyboard("{ArrowDown}{Enter}");
    await expect.poll(() => screen.getByRole("status").textContent).toBe("id-database");
  });

  it("says that nothing fits", async () => {
    const user = userEvent.setup();
    render(ComboboxHarness, {});
    await user.type(screen.getByRole("combobox"), "xyz");
    expect(await screen.findByText("nothing")).toBeInTheDocument();
  });

  it("carries its field's error", () => {
    render(ComboboxHarness, { error: "choose one" });
    expect(screen.getByRole("combobox")).toBeInvalid();
    expect(screen.getByRole("combobox")).toHaveAccessibleDescription("choose one");
  });
});

describe("a tooltip", () => {
  it("shows the button's name when the keyboard comes to it, and goes on Escape", async () => {
    const user = userEvent.setup();
    const onclick = vi.fn();
    render(IconButton, { icon: "cross", label: "Close", onclick });
    await user.tab();
    expect(await screen.findByText("Close")).toBeInTheDocument();
    await user.keyboard("{Escape}");
    await expect.poll(() => screen.queryByText("Close")).toBeNull();
    await user.keyboard("{Enter}");
    expect(onclick).toHaveBeenCalledOnce();
  });
});

describe("a split", () => {
  const props = (name: string) => ({ name, label: "Width", list: text("the list"), details: text("the details") });

  it("moves by keys, between its bounds, and comes back to the usual", async () => {
    const user = userEvent.setup();
    render(Split, props("keys"));
    const handle = screen.getByRole("separator", { name: "Width" });
    handle.focus();
    await user.keyboard("{ArrowRight}{ArrowRight}");
    expect(handle).toHaveAttribute("aria-valuenow", "54");
    await user.keyboard("{End}{ArrowRight}");
    expect(handle).toHaveAttribute("aria-valuenow", "75");
    await user.keyboard("{Enter}");
    expect(handle).toHaveAttribute("aria-valuenow", "50");
  });

  it("remembers its width", async () => {
    const user = userEvent.setup();
    const first = render(Split, props("kept"));
    screen.getByRole("separator").focus();
    await user.keyboard("{Home}");
    first.unmount();
    render(Split, props("kept"));
    expect(screen.getByRole("separator")).toHaveAttribute("aria-valuenow", "25");
  });

  it("has no handle while nothing is open", () => {
    render(Split, { name: "none", label: "Width", list: text("the list") });
    expect(screen.queryByRole("separator")).toBeNull();
    expect(screen.getByText("the list")).toBeVisible();
  });
});

describe("notices", () => {
  it("are in a region that is there before they are, and can be put away", async () => {
    const user = userEvent.setup();
    const ondismiss = vi.fn();
    const view = render(Toasts, { label: "Notices", close: "Close", toasts: [], ondismiss, onhold: vi.fn() });
    const region = screen.getByRole("region", { name: "Notices" });
    expect(region).toHaveAttribute("aria-live", "polite");
    await view.rerender({ toasts: [{ id: 7, text: "done" }] });
    expect(region).toHaveTextContent("done");
    await user.click(screen.getByRole("button", { name: "Close" }));
    expect(ondismiss).toHaveBeenCalledExactlyOnceWith(7);
  });
});
