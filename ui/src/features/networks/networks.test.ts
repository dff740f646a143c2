import { describe, expect, it } from "vitest";

import { failure, fakeContainer, FakeHost, fakeNetwork } from "../../lib/host/fake";
import { openWindow, row } from "../../test/render";

const withNetworks = () => {
  const host = new FakeHost();
  host.containers = [fakeContainer("web"), fakeContainer("db")];
  const [web] = host.containers;
  host.networks = [
    fakeNetwork("bridge", { built_in: true }),
    fakeNetwork("shop", {
      users: [{ container_id: web?.id ?? "", container_name: "web", running: true, addresses: ["172.18.0.2"] }],
    }),
    fakeNetwork("unused"),
  ];
  return host;
};

describe("the list", () => {
  it("says what each is and who is in it", async () => {
    openWindow(withNetworks(), "networks");
    expect((await row("shop")).getByText("1 container")).toBeVisible();
    expect((await row("shop")).getByText("172.18.0.0/16")).toBeVisible();
  });

  it("offers no removal of what is in use or the engine's own", async () => {
    const { screen, user } = openWindow(withNetworks(), "networks");
    for (const [name, why] of [["shop", "in use"], ["bridge", "part of the engine"]] as const) {
      const button = (await row(`Select ${name}`)).getByRole("button", { name: `Remove ${name}` });
      expect(button).toHaveAttribute("title", why);
      await user.click(button);
      expect(screen.queryByRole("dialog")).toBeNull();
    }
  });

  it("finds those that nobody is in, and not the engine's own", async () => {
    const host = withNetworks();
    host.networks = [...host.networks, ...Array.from({ length: 5 }, (_, at) => fakeNetwork(`old-${at}`))];
    const { screen, user } = openWindow(host, "networks");
    await user.click(await screen.findByRole("checkbox", { name: "Only unused" }));
    expect(screen.getAllByRole("row")).toHaveLength(7);
    for (const name of ["bridge", "shop"]) expect(screen.queryByRole("button", { name: `Show ${name}` })).toBeNull();
  });

  it("asks before it removes", async () => {
    const host = withNetworks();
    const { screen, user } = openWindow(host, "networks");
    await user.click((await row("unused")).getByRole("button", { name: "Remove unused" }));
    await user.click(screen.getByRole("button", { name: "Remove" }));
    expect(await screen.findByText("unused was removed")).toBeVisible();
  });
});

describe("details", () => {
  it("show who is in it, and let one go", async () => {
    const host = withNetworks();
    const { screen, user } = openWindow(host, "networks");
    await user.click((await row("shop")).getByRole("button", { name: "Show shop" }));
    expect(screen.getByText("172.18.0.2")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Disconnect web" }));
    expect(await screen.findByText("No container is in this network.")).toBeVisible();
    expect(host.requests("network.disconnect")[0]?.container_id).toBe(host.containers[0]?.id);
  });

  it("connect a container that is found by its name", async () => {
    const host = withNetworks();
    const { screen, user } = openWindow(host, "networks");
    await user.click((await row("shop")).getByRole("button", { name: "Show shop" }));
    await user.type(screen.getByRole("combobox", { name: "Container to connect" }), "d");
    await screen.findByRole("option", { name: "db" });
    await user.keyboard("{ArrowDown}{Enter}");
    await user.click(screen.getByRole("button", { name: "Connect" }));
    expect(await screen.findByText("172.18.0.9")).toBeVisible();
  });

  it("say why one could not be connected", async () => {
    const host = withNetworks();
    host.failures.set("network.disconnect", failure("conflict", "it would have no network left"));
    const { screen, user } = openWindow(host, "networks");
    await user.click((await row("shop")).getByRole("button", { name: "Show shop" }));
    await user.click(screen.getByRole("button", { name: "Disconnect web" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("it would have no network left");
  });
});

describe("creating", () => {
  it("marks a wrong range at its field and sends nothing", async () => {
    const host = withNetworks();
    const { screen, user } = openWindow(host, "networks");
    await user.click(await screen.findByRole("button", { name: "Create network" }));
    await user.type(screen.getByRole("textbox", { name: "Name" }), "inner");
    const range = screen.getByRole("textbox", { name: "Range of addresses" });
    await user.type(range, "10.20.0.0/99");
    expect(range).toHaveAccessibleDescription("A range is written like 10.20.0.0/16.");
    await user.click(screen.getByRole("button", { name: "Create" }));
    expect(host.requests("network.create")).toHaveLength(0);
    await user.type(range, "{Backspace}{Backspace}16");
    await user.click(screen.getByRole("checkbox", { name: /No way out/ }));
    expect(screen.getByText("docker --context naru network create --internal --subnet 10.20.0.0/16 inner")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Create" }));
    expect(await screen.findByRole("heading", { name: "inner" })).toBeVisible();
    expect(host.requests("network.create")).toEqual([{ name: "inner", subnet: "10.20.0.0/16", internal: true }]);
  });
});
