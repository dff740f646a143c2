import { describe, expect, it } from "vitest";

import { fakeContainer, FakeHost, fakeNetwork, fakeStatus, fakeVolume } from "./lib/host/fake";
import { openWindow, row } from "./test/render";

const filled = () => {
  const host = new FakeHost();
  const web = fakeContainer("web");
  host.containers = [web, fakeContainer("old", { state: "exited", status: "Exited (0) 2 hours ago" })];
  host.volumes = [
    fakeVolume("data", {
      users: [{ container_id: web.id, container_name: "web", running: true, destination: "/data", read_only: false }],
    }),
  ];
  host.networks = [fakeNetwork("bridge", { built_in: true })];
  return host;
};

const open = async (host = filled()) => {
  const opened = openWindow(host);
  await row("web");
  await opened.user.keyboard("{Control>}k{/Control}");
  return { ...opened, host, box: await opened.screen.findByRole("combobox", { name: "Search and do" }) };
};

describe("the palette", () => {
  it("opens by its keys and by its button, and closes on Escape", async () => {
    const { screen, user } = openWindow(filled());
    await row("web");
    await user.click(screen.getByRole("button", { name: "Search and do" }));
    screen.getByRole("dialog").dispatchEvent(new Event("cancel", { cancelable: true }));
    await expect.poll(() => screen.queryByRole("dialog")).toBeNull();
    await user.keyboard("{Control>}k{/Control}");
    expect(screen.getByRole("dialog", { name: "Search and do" })).toBeVisible();
  });

  it("finds by a few letters, shows the command, and does it", async () => {
    const { screen, user, host, box } = await open();
    await user.type(box, "stop web");
    expect(screen.getByRole("option", { selected: true })).toHaveTextContent("Stop web");
    expect(screen.getByText("docker --context naru stop web")).toBeVisible();
    await user.keyboard("{Enter}");
    await expect.poll(() => host.requests("container.stop")).toHaveLength(1);
    expect(screen.queryByRole("combobox", { name: "Search and do" })).toBeNull();
  });

  it("says why something cannot be done, and does not do it", async () => {
    const { screen, user, host, box } = await open();
    await user.type(box, "start web");
    const option = screen.getByRole("option", { name: /Start web/ });
    expect(option).toHaveTextContent("runs already");
    expect(option).toHaveAttribute("aria-disabled", "true");
    await user.click(option);
    expect(host.requests("container.start")).toHaveLength(0);
    await user.clear(box);
    await user.type(box, "remove data");
    expect(screen.getByRole("option", { name: /Remove data/ })).toHaveTextContent("in use");
  });

  it("leads to a view of a container", async () => {
    const { screen, user, box } = await open();
    await user.type(box, "files web");
    expect(screen.getByText("docker --context naru diff web")).toBeVisible();
    await user.keyboard("{Enter}");
    expect(await screen.findByRole("tab", { name: "Files" })).toHaveAttribute("aria-selected", "true");
  });

  it("asks before it removes, as the screen does", async () => {
    const { screen, user, host, box } = await open();
    await user.type(box, "remove old{Enter}");
    expect(await screen.findByRole("dialog", { name: "Remove old?" })).toHaveTextContent("is lost");
    expect(host.requests("container.remove")).toHaveLength(0);
  });

  it("finds in registries what is not here, after all that is", async () => {
    const { screen, user, host, box } = await open();
    host.found = [{ name: "webhook", description: "", stars: 3, mark: null }];
    await user.type(box, "webho");
    expect(screen.getAllByRole("option")).toHaveLength(1);
    expect(screen.getByText("docker --context naru search webho")).toBeVisible();
    await user.keyboard("{Enter}");
    expect(await screen.findByRole("button", { name: "webhook" })).toBeVisible();
    expect(host.requests("registry.search")).toMatchObject([{ term: "webho" }]);
  });

  it("pulls what is one image's name", async () => {
    const { screen, user, host, box } = await open();
    await user.type(box, "postgres:17");
    expect(screen.getByText("docker --context naru pull postgres:17")).toBeVisible();
    await user.keyboard("{Enter}");
    expect(await screen.findByText("postgres:17 is ready")).toBeVisible();
    expect(host.requests("image.pull")).toMatchObject([{ reference: "postgres:17" }]);
  });

  it("says why nothing is found while the machine is off", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("failed");
    const { screen, user } = openWindow(host);
    await user.click(screen.getByRole("button", { name: "Search and do" }));
    await user.type(await screen.findByRole("combobox", { name: "Search and do" }), "zzz");
    expect(screen.getByRole("option")).toHaveTextContent("needs the machine");
    expect(screen.getByRole("option")).toHaveAttribute("aria-disabled", "true");
  });

  it("changes the language, and is in it from then on", async () => {
    const { screen, user, box } = await open();
    await user.type(box, "한국어{Enter}");
    expect(await screen.findByRole("heading", { name: "컨테이너" })).toBeVisible();
    await user.keyboard("{Control>}k{/Control}");
    expect(screen.getByRole("combobox", { name: "찾기와 실행" })).toBeVisible();
  });
});

describe("keys", () => {
  it("go to each place", async () => {
    const { screen, user } = openWindow(filled());
    await row("web");
    for (const [key, heading] of [["3", "Volumes"], ["4", "Networks"], ["5", "Projects"], ["7", "Settings"], ["2", "Images"]] as const) {
      await user.keyboard(`{Control>}${key}{/Control}`);
      expect(await screen.findByRole("heading", { name: heading })).toBeVisible();
    }
  });

  it("do nothing behind a question", async () => {
    const { screen, user } = openWindow(filled());
    await user.click((await row("web")).getByRole("button", { name: "Remove web" }));
    await user.keyboard("{Control>}3{/Control}{Control>}k{/Control}");
    expect(screen.getByRole("heading", { name: "Containers" })).toBeVisible();
    expect(screen.queryByRole("combobox", { name: "Search and do" })).toBeNull();
  });
});

describe("without the machine", () => {
  it("what needs it says so", async () => {
    const host = filled();
    host.machine = fakeStatus("failed");
    const { screen, user } = openWindow(host);
    await screen.findByRole("heading", { name: "The machine did not start" });
    await user.keyboard("{Control>}k{/Control}");
    await user.type(screen.getByRole("combobox"), "create volume");
    const [first] = screen.getAllByRole("option");
    expect(first).toHaveTextContent("needs the machine");
  });
});
