import { within } from "@testing-library/svelte";
import { beforeEach, describe, expect, it } from "vitest";

import { fakeContainer, FakeHost } from "../../lib/host/fake";
import { openWindow, row } from "../../test/render";

const withProject = () => {
  const host = new FakeHost();
  host.containers = [
    fakeContainer("alone"),
    fakeContainer("shop-web-1", { project: "shop", service: "web" }),
    fakeContainer("shop-db-1", { project: "shop", service: "db", state: "exited" }),
    fakeContainer("later"),
  ];
  return host;
};

const GROUP = /2 running/;
const open = async (host = withProject()) => {
  const opened = openWindow(host);
  await row("alone");
  const { screen } = opened;
  return { ...opened, host, group: () => screen.getByRole("row", { name: GROUP }) };
};
const rows = (screen: ReturnType<typeof openWindow>["screen"]) =>
  screen.getAllByRole("row").slice(1).map((each) => each.dataset["key"] ?? "");

// What was folded away is remembered.
beforeEach(() => localStorage.clear());

describe("containers of a project", () => {
  it("stand together where the first of them would, with how many run", async () => {
    const { screen, host, group } = await open();
    const [alone, web, db, later] = host.containers.map(({ id }) => id);
    expect(rows(screen)).toEqual([alone, "group shop", web, db, later]);
    expect(group()).toHaveTextContent("1 of 2 running");
    expect(screen.getByRole("treegrid")).toHaveAttribute("aria-rowcount", "6");
    expect(group()).toHaveAttribute("aria-posinset", "2");
    expect(group()).toHaveAttribute("aria-setsize", "3");
    expect(screen.getByRole("row", { name: /shop-db-1/ })).toHaveAttribute("aria-level", "2");
  });

  it("are a plain grid where there is no project", async () => {
    const host = withProject();
    host.containers = [fakeContainer("alone")];
    const { screen } = await open(host);
    expect(screen.getByRole("grid")).toBeVisible();
    expect(screen.queryByRole("treegrid")).toBeNull();
  });

  it("open and fold wherever their row is pressed, on a picture in it, too", async () => {
    const { screen, user, group } = await open();
    const web = screen.getByRole("row", { name: /shop-web-1/ });
    const picture = web.querySelector("td:not(.actions) svg");
    await user.click(picture ?? document.body);
    expect(await screen.findByRole("heading", { name: "shop-web-1" })).toBeVisible();
    await user.click(within(group()).getByText("1 of 2 running"));
    expect(group()).toHaveAttribute("aria-expanded", "false");
  });

  it("fold away by the keys of a tree, and stay so", async () => {
    const { screen, user, group } = await open();
    group().focus();
    await user.keyboard("{ArrowRight}");
    expect(screen.getByRole("row", { name: /shop-web-1/ })).toHaveFocus();
    await user.keyboard("{ArrowLeft}");
    expect(group()).toHaveFocus();
    await user.keyboard("{ArrowLeft}");
    expect(group()).toHaveAttribute("aria-expanded", "false");
    expect(screen.queryByRole("row", { name: /shop-web-1/ })).toBeNull();
    await user.keyboard("{ArrowDown}");
    expect(screen.getByRole("row", { name: /later/ })).toHaveFocus();
    await user.click(screen.getByRole("button", { name: /^Images/ }));
    await user.click(screen.getByRole("button", { name: /^Containers/ }));
    expect(group()).toHaveAttribute("aria-expanded", "false");
    group().focus();
    await user.keyboard("{Enter}");
    expect(group()).toHaveAttribute("aria-expanded", "true");
    expect(localStorage.getItem("naru.containers.folded")).toBe("[]");
  });

  it("are chosen together by Space on their row, folded or not", async () => {
    const { screen, user, group } = await open();
    await user.click(screen.getByRole("checkbox", { name: "Select shop-web-1" }));
    const box = screen.getByRole<HTMLInputElement>("checkbox", { name: "Select all of shop" });
    expect(box.indeterminate).toBe(true);
    group().focus();
    await user.keyboard(" ");
    expect(screen.getByText("2 selected")).toBeVisible();
    await user.keyboard("{ArrowLeft} ");
    expect(screen.queryByText(/selected/)).toBeNull();
  });

  it("are started, stopped, restarted and removed together", async () => {
    const { screen, user, host, group } = await open();
    await user.click(screen.getByRole("button", { name: "Start all of shop" }));
    await expect.poll(() => group().textContent).toContain("2 of 2 running");
    expect(host.requests("container.start")).toHaveLength(1);
    await user.click(screen.getByRole("button", { name: "Restart all of shop" }));
    await expect.poll(() => host.requests("container.restart")).toHaveLength(2);
    await user.click(screen.getByRole("button", { name: "Stop all of shop" }));
    await expect.poll(() => group().textContent).toContain("0 of 2 running");
    await user.click(screen.getByRole("button", { name: "Remove all of shop" }));
    const dialog = screen.getByRole("dialog", { name: "Remove 2 containers?" });
    expect(dialog).toHaveTextContent("shop-db-1, shop-web-1");
    await user.click(screen.getByRole("button", { name: "Remove" }));
    await expect.poll(() => screen.queryByRole("row", { name: GROUP })).toBeNull();
    expect(host.containers.map(({ name }) => name)).toEqual(["alone", "later"]);
  });

  it("come into sight when one of them is shown from elsewhere", async () => {
    const { screen, user, group } = await open();
    await user.click(screen.getByRole("button", { name: "shop", expanded: true }));
    expect(group()).toHaveAttribute("aria-expanded", "false");
    await user.keyboard("{Control>}k{/Control}");
    await user.type(screen.getByRole("combobox"), "show shop-db-1{Enter}");
    expect(await screen.findByRole("row", { name: /shop-db-1/ })).toBeVisible();
  });

  it("are found by the project's name, folded or not, with the counts of all of it", async () => {
    const host = withProject();
    host.containers.push(...Array.from({ length: 8 }, (_, at) => fakeContainer(`other-${at}`)));
    const { screen, user, group } = await open(host);
    await user.click(screen.getByRole("button", { name: "shop", expanded: true }));
    const filter = screen.getByRole("searchbox");
    await user.type(filter, "shop-db");
    expect(rows(screen)).toHaveLength(2);
    expect(group()).toHaveTextContent("1 of 2 running");
    await user.click(screen.getByRole("button", { name: "shop", expanded: true }));
    expect(rows(screen)).toHaveLength(1);
    await user.clear(filter);
    expect(group()).toHaveAttribute("aria-expanded", "false");
    await user.type(filter, "shop-db");
    expect(rows(screen)).toHaveLength(2);
  });
});
