import { describe, expect, it } from "vitest";

import { failure, fakeContainer, FakeHost, fakeVolume } from "../../lib/host/fake";
import { openWindow, row } from "../../test/render";

const withVolumes = () => {
  const host = new FakeHost();
  const container = fakeContainer("db");
  host.containers = [container];
  host.volumes = [
    fakeVolume("data", {
      users: [{ container_id: container.id, container_name: "db", running: true, destination: "/var/lib/db", read_only: true }],
    }),
    fakeVolume("cache"),
  ];
  host.volumeSizes = [
    { name: "data", bytes: 438_200_000 },
    { name: "cache", bytes: 1200 },
  ];
  return host;
};

describe("the list", () => {
  it("says how large each is and how many have it", async () => {
    openWindow(withVolumes(), "volumes");
    expect(await (await row("data")).findByText("438 MB")).toBeVisible();
    expect((await row("data")).getByText("1 container")).toBeVisible();
  });

  it("is whole while the sizes are not there", async () => {
    const host = withVolumes();
    host.failures.set("volume.sizes", failure("unavailable", "no answer"));
    const { screen } = openWindow(host, "volumes");
    expect(await row("cache")).toBeTruthy();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("says what a volume is for when there is none", async () => {
    const { screen } = openWindow(new FakeHost(), "volumes");
    expect(await screen.findByText("No volumes yet")).toBeVisible();
  });

  it("keeps what it had, and says so, when the engine goes away", async () => {
    const host = withVolumes();
    const { screen } = openWindow(host, "volumes");
    await row("data");
    host.failures.set("volume.list", failure("unavailable", "the engine closed the connection"));
    host.emit({ type: "volumes" });
    expect(await screen.findByText(/what it said last/)).toBeVisible();
    expect(await row("data")).toBeTruthy();
  });

  it("reads again when the engine says that something changed", async () => {
    const host = withVolumes();
    openWindow(host, "volumes");
    await row("data");
    host.volumes = [...host.volumes, fakeVolume("new-one")];
    host.emit({ type: "volumes" });
    expect(await row("new-one")).toBeTruthy();
  });
});

describe("removing", () => {
  it("asks, names what is lost, and tells when it is done", async () => {
    const host = withVolumes();
    const { screen, user } = openWindow(host, "volumes");
    await (await row("cache")).findByText("1.2 kB");
    await user.click((await row("cache")).getByRole("button", { name: "Remove cache" }));
    const dialog = screen.getByRole("dialog", { name: "Remove the volume cache?" });
    expect(dialog).toHaveTextContent("All files in it are lost");
    expect(dialog).toHaveTextContent("1.2 kB");
    await user.click(screen.getByRole("button", { name: "Remove" }));
    expect(await screen.findByText("cache was removed")).toBeVisible();
    expect(host.requests("volume.remove")).toEqual([{ name: "cache" }]);
  });

  it("is not offered for one that a container has, and the button says why", async () => {
    const host = withVolumes();
    const { user, screen } = openWindow(host, "volumes");
    const button = (await row("data")).getByRole("button", { name: "Remove data" });
    expect(button).toHaveAttribute("title", "db still has it; remove that first.");
    await user.click(button);
    expect(screen.queryByRole("dialog")).toBeNull();
  });

  it("explains what could not be done", async () => {
    const host = withVolumes();
    host.failures.set("volume.remove", failure("conflict", "volume is in use"));
    const { screen, user } = openWindow(host, "volumes");
    await user.click((await row("cache")).getByRole("button", { name: "Remove cache" }));
    await user.click(screen.getByRole("button", { name: "Remove" }));
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("cache could not be removed");
    expect(alert).toHaveTextContent("volume is in use");
  });

  it("takes several at once", async () => {
    const host = withVolumes();
    host.volumes = [fakeVolume("a1"), fakeVolume("a2"), fakeVolume("a3")];
    host.volumeSizes = host.volumes.map(({ name }) => ({ name, bytes: 1_000_000 }));
    const { screen, user } = openWindow(host, "volumes");
    await (await row("a1")).findByText("1 MB");
    await user.click((await row("a1")).getByRole("checkbox"));
    await user.click((await row("a3")).getByRole("checkbox"));
    await user.click(screen.getByRole("button", { name: "Remove" }));
    expect(screen.getByRole("dialog", { name: "Remove 2 volumes?" })).toHaveTextContent("a1, a3");
    expect(screen.getByRole("dialog")).toHaveTextContent("They hold 2 MB.");
    await user.click(screen.getAllByRole("button", { name: "Remove" }).at(-1) ?? document.body);
    expect(await screen.findByText("2 were removed")).toBeVisible();
    expect(host.volumes.map(({ name }) => name)).toEqual(["a2"]);
  });
});

it("finds those that nobody has, all of which are then removed", async () => {
  const host = withVolumes();
  const [used] = host.volumes;
  host.volumes = [...(used ? [used] : []), ...Array.from({ length: 8 }, (_, at) => fakeVolume(`old-${at}`))];
  const { screen, user } = openWindow(host, "volumes");
  await user.click(await screen.findByRole("checkbox", { name: "Only unused" }));
  expect(screen.queryByRole("row", { name: /data/ })).toBeNull();
  await user.click(screen.getByRole("checkbox", { name: "Select all" }));
  await user.click(screen.getByRole("button", { name: "Remove" }));
  await user.click(screen.getAllByRole("button", { name: "Remove" }).at(-1) ?? document.body);
  expect(await screen.findByText("None of them is unused.")).toBeVisible();
  expect(host.volumes.map(({ name }) => name)).toEqual(["data"]);
  await user.click(screen.getByRole("checkbox", { name: "Only unused" }));
  expect(await row("data")).toBeTruthy();
});

describe("details", () => {
  it("say who has it and where, and lead there", async () => {
    const { screen, user } = openWindow(withVolumes(), "volumes");
    await user.click((await row("data")).getByRole("button", { name: "Show data" }));
    expect(screen.getByText("at /var/lib/db")).toBeVisible();
    expect(screen.getByText("· read only")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "db" }));
    expect(await screen.findByRole("heading", { name: "db" })).toBeVisible();
  });

  it("show what the engine says of it", async () => {
    const { screen, user } = openWindow(withVolumes(), "volumes");
    await user.click((await row("data")).getByRole("button", { name: "Show data" }));
    await user.click(screen.getByRole("tab", { name: "Inspect" }));
    expect(await screen.findByText(/"Driver": "local"/)).toBeVisible();
  });

  it("give the focus back to the row that they were opened from", async () => {
    const { screen, user } = openWindow(withVolumes(), "volumes");
    await user.click((await row("data")).getByRole("button", { name: "Show data" }));
    await user.click(screen.getByRole("button", { name: "Close" }));
    await expect.poll(() => document.activeElement?.getAttribute("data-key")).toBe("data");
  });
});

describe("creating", () => {
  it("checks the name while it is typed and shows the command", async () => {
    const host = withVolumes();
    const { screen, user } = openWindow(host, "volumes");
    await user.click(await screen.findByRole("button", { name: "Create volume" }));
    const name = screen.getByRole("textbox", { name: "Name" });
    await user.type(name, "data");
    expect(name).toHaveAccessibleDescription("There is a volume of this name already.");
    await user.click(screen.getByRole("button", { name: "Create" }));
    expect(host.requests("volume.create")).toHaveLength(0);
    await user.type(name, "-2");
    expect(screen.getByText("docker --context naru volume create data-2")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Create" }));
    expect(await screen.findByRole("heading", { name: "data-2" })).toBeVisible();
    expect(screen.getByText("Volume data-2 was created")).toBeVisible();
  });
});
