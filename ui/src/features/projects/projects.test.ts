import { expect, it } from "vitest";

import { fakeContainer, FakeHost } from "../../lib/host/fake";
import { needsOf, serviceRows } from "../../state/services";
import { openWindow, row } from "../../test/render";

const withProject = () => {
  const host = new FakeHost();
  host.containers = [
    fakeContainer("shop-web-1", { project: "shop", service: "web" }),
    fakeContainer("shop-db-1", { project: "shop", service: "db", state: "exited" }),
    fakeContainer("alone"),
  ];
  return host;
};

it("shows what compose made together, and nothing else", async () => {
  const { screen } = openWindow(withProject(), "projects");
  expect((await row("shop")).getByText("1 of 2 running")).toBeVisible();
  expect(screen.queryByRole("row", { name: /alone/ })).toBeNull();
});

it("starts those that do not run, and stops those that do", async () => {
  const host = withProject();
  const { user } = openWindow(host, "projects");
  const [web, db] = host.containers;
  await user.click((await row("shop")).getByRole("button", { name: "Start all of shop" }));
  expect(await (await row("shop")).findByText("2 of 2 running")).toBeVisible();
  expect(host.requests("container.start")).toEqual([{ id: db?.id }]);
  await user.click((await row("shop")).getByRole("button", { name: "Stop all of shop" }));
  expect(await (await row("shop")).findByText("0 of 2 running")).toBeVisible();
  expect(host.requests("container.stop").map(({ id }) => id).sort()).toEqual([web?.id, db?.id].sort());
});

it("says why all of them can be neither started nor stopped, in the list and from close by", async () => {
  const host = withProject();
  host.containers = host.containers.map((each) => ({ ...each, state: "running" }));
  const { screen, user } = openWindow(host, "projects");
  const start = (await row("shop")).getByRole("button", { name: "Start all of shop" });
  expect(start).toHaveAttribute("title", "All of them run already.");
  await user.click((await row("shop")).getByRole("button", { name: "Stop all of shop" }));
  await user.click((await row("shop")).getByRole("button", { name: "Show shop" }));
  for (const stop of screen.getAllByRole("button", { name: "Stop all of shop" })) {
    await expect.poll(() => stop.getAttribute("title")).toBe("None of them runs.");
    expect(stop).toHaveAttribute("aria-disabled", "true");
  }
  expect(start).toHaveAttribute("title", "Start all");
});

it("lists the services in its details, and leads to their containers", async () => {
  const { screen, user } = openWindow(withProject(), "projects");
  await user.click((await row("shop")).getByRole("button", { name: "Show shop" }));
  await user.click(screen.getByRole("button", { name: "shop-web-1" }));
  expect(await screen.findByRole("heading", { name: "shop-web-1" })).toBeVisible();
});

it("says how a project comes about when there is none", async () => {
  const host = withProject();
  host.containers = [fakeContainer("alone")];
  const { screen } = openWindow(host, "projects");
  expect(await screen.findByText("No projects yet")).toBeVisible();
  expect(screen.getByRole("button", { name: "Open a compose file" })).toBeVisible();
});

it("lists those that run, or that are called like that", async () => {
  const host = new FakeHost();
  host.containers = Array.from({ length: 8 }, (_, at) =>
    fakeContainer(`p${at}-web-1`, { project: `p${at}`, service: "web", state: at < 2 ? "running" : "exited" }),
  );
  const { screen, user } = openWindow(host, "projects");
  await user.click(await screen.findByRole("checkbox", { name: "Only running" }));
  expect(screen.getAllByRole("row")).toHaveLength(3);
  await user.type(screen.getByRole("searchbox", { name: "Filter by name" }), "p1");
  expect(screen.getAllByRole("row")).toHaveLength(2);
  await user.type(screen.getByRole("searchbox", { name: "Filter by name" }), "zzz");
  expect(screen.getByText("Nothing here has this in its name.")).toBeVisible();
});

it("shows what needs what, in words and as lines from what stands above", async () => {
  const host = withProject();
  host.containers = host.containers.map((each) => (each.service === "web" ? { ...each, needs: ["cache", "db"] } : each));
  const { screen, user } = openWindow(host, "projects");
  await user.click((await row("shop")).getByRole("button", { name: "Show shop" }));
  expect(screen.getByText("needs cache, db")).toBeVisible();
  expect(document.querySelectorAll(".picture > svg path")).toHaveLength(1);
  expect([...document.querySelectorAll(".picture .name")].map(({ textContent }) => textContent)).toEqual(["db", "web"]);
});

it("puts a service after all that it needs, and leaves a circle as it is", () => {
  const service = (name: string, needs: string[], copies = 1) =>
    Array.from({ length: copies }, (_, at) => fakeContainer(`${name}-${at}`, { project: "p", service: name, needs }));
  const rows = serviceRows([...service("a", ["c", "gone"]), ...service("b", ["a"], 2), ...service("c", []), ...service("x", ["y"]), ...service("y", ["x", "y"])]);
  expect(rows.map(({ container }) => container.name)).toEqual(["c-0", "a-0", "b-0", "b-1", "y-0", "x-0"]);
  expect(needsOf(rows)).toEqual([
    { from: 0, to: 1 },
    { from: 1, to: 2 },
    { from: 5, to: 4 },
    { from: 4, to: 5 },
  ]);
});
