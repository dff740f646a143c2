import { describe, expect, it } from "vitest";

import { fakeContainer, FakeHost } from "../../lib/host/fake";
import { openWindow, pick, row } from "../../test/render";

const withMany = (count: number) => {
  const host = new FakeHost();
  host.containers = Array.from({ length: count }, (_, at) =>
    fakeContainer(`c${at}x`, { state: at % 2 === 0 ? "running" : "exited", status: "Exited (0) 1 hour ago" }),
  );
  return host;
};

describe("several containers", () => {
  it("are stopped at once, those that run", async () => {
    const host = withMany(3);
    const { screen, user } = openWindow(host);
    await row("c0x");
    await user.click(screen.getByRole("checkbox", { name: "Select all" }));
    expect(screen.getByText("3 selected")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Stop" }));
    await expect.poll(() => host.requests("container.stop")).toHaveLength(2);
  });

  it("are removed after one question that names them and who is killed", async () => {
    const host = withMany(3);
    const { screen, user } = openWindow(host);
    await row("c0x");
    await user.click(screen.getByRole("checkbox", { name: "Select c0x" }));
    await user.click(screen.getByRole("checkbox", { name: "Select c1x" }));
    await user.click(screen.getByRole("button", { name: "Remove" }));
    const dialog = screen.getByRole("dialog", { name: "Remove 2 containers?" });
    expect(dialog).toHaveTextContent("c0x, c1x");
    expect(dialog).toHaveTextContent("One of them is running and will be killed.");
    await user.click(screen.getAllByRole("button", { name: "Remove" }).at(-1) ?? dialog);
    await expect.poll(() => host.containers).toHaveLength(1);
    // What is gone is no longer selected.
    await expect.poll(() => screen.queryByText(/selected/)).toBeNull();
  });
});

describe("the filter", () => {
  it("is there for a long list, and says when nothing fits", async () => {
    const { screen, user } = openWindow(withMany(9));
    const filter = await screen.findByRole("searchbox", { name: "Filter by name" });
    await user.type(filter, "C4");
    expect(screen.getAllByRole("row")).toHaveLength(2);
    await user.type(filter, "zzz");
    expect(screen.getByText("Nothing here has this in its name.")).toBeVisible();
  });

  it("leaves those that run, if that is wanted", async () => {
    const host = withMany(9);
    const { screen, user } = openWindow(host);
    await user.click(await screen.findByRole("checkbox", { name: "Only running" }));
    // The header's row, and c0x, c2x, c4x, c6x, c8x.
    expect(screen.getAllByRole("row")).toHaveLength(6);
    host.containers = host.containers.map((each) => ({ ...each, state: "exited" }));
    host.emit({ type: "containers" });
    expect(await screen.findByText("None of them is running.")).toBeVisible();
    await user.click(screen.getByRole("checkbox", { name: "Only running" }));
    expect(screen.getAllByRole("row")).toHaveLength(10);
  });

  it("leaves the focus at the title when what was done with the last row makes it one not looked for", async () => {
    const host = withMany(9);
    const { screen, user } = openWindow(host);
    await user.click(await screen.findByRole("checkbox", { name: "Only running" }));
    await user.type(screen.getByRole("searchbox"), "c4");
    await user.click((await row("c4x")).getByRole("button", { name: "Stop c4x" }));
    expect(await screen.findByText("Nothing here has this in its name.")).toBeVisible();
    expect(screen.getByRole("heading", { name: "Containers" })).toHaveFocus();
  });

  it("stays while it holds rows back of a list that has become short", async () => {
    const host = withMany(9);
    const { screen, user } = openWindow(host);
    await user.type(await screen.findByRole("searchbox"), "c4");
    host.containers = host.containers.slice(0, 5).map((each) => ({ ...each, image: "newer:2" }));
    host.emit({ type: "containers" });
    await screen.findByText("newer:2");
    await user.clear(screen.getByRole("searchbox"));
    expect(await row("c0x")).toBeTruthy();
    expect(screen.queryByRole("searchbox")).toBeNull();
  });

  it("is not there for a short one", async () => {
    const { screen } = openWindow(withMany(3));
    await row("c0x");
    expect(screen.queryByRole("searchbox")).toBeNull();
  });
});

describe("the details' own menu", () => {
  it("offers what fits the state, and asks before a removal", async () => {
    const { screen, user } = openWindow(withMany(1));
    await user.click((await row("c0x")).getByRole("button", { name: "Show c0x" }));
    screen.getByRole("button", { name: "More actions" }).focus();
    await user.keyboard("{Enter}");
    expect(await screen.findByRole("menuitem", { name: "Start" })).toHaveAttribute("aria-disabled", "true");
    await pick(user, "Remove");
    expect(await screen.findByRole("dialog", { name: "Remove c0x?" })).toBeVisible();
  });
});
