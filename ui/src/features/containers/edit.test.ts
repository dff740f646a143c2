import { within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";

import { failure, fakeContainer, FakeHost, fakeNetwork, fakePort, fakeRun, fakeVolume } from "../../lib/host/fake";
import { openWindow, pick } from "../../test/render";

const MADE = fakeRun({
  image: "shop:1",
  command: ["serve", "--port", "80"],
  env: ["MODE=slow", "DB_PASSWORD=hush"],
  ports: [{ host_ip: "0.0.0.0", host_port: 8080, container_port: 80 }],
  mounts: [{ kind: "volume", source: "data", target: "/data", read_only: false }],
  memory: 64_000_001,
  network: "container:db",
});

const withOne = (made = MADE) => {
  const host = new FakeHost();
  const ports = [fakePort(8080, 80)];
  host.containers = [
    fakeContainer("web", { image: "shop:1", state: "exited", status: "Exited (1) 2 minutes ago", ports }),
    fakeContainer("other", { ports: [fakePort(5432, 80)] }),
  ];
  host.networks = [fakeNetwork("bridge"), fakeNetwork("shop")];
  host.volumes = [fakeVolume("data")];
  host.close.settings = { settings: made, image_moved: false };
  host.close.changes = [{ path: "/tmp/a", kind: "added" }, { path: "/etc/b", kind: "changed" }];
  return host;
};

const open = async (host = withOne()) => {
  const opened = openWindow(host);
  const { screen, user } = opened;
  await user.click(await screen.findByRole("button", { name: "Show web" }));
  await user.click(screen.getByRole("button", { name: "More actions" }));
  await pick(user, "Edit");
  const dialog = within(await screen.findByRole("dialog", { name: "Edit web" }));
  // The menu has let go of the page.
  await expect.poll(() => document.body.style.pointerEvents).not.toBe("none");
  return { ...opened, host, dialog };
};

/** What the preview says, a line each. */
const preview = (dialog: Awaited<ReturnType<typeof open>>["dialog"]) =>
  within(dialog.getByRole("list", { name: "What changes" }))
    .getAllByRole("listitem")
    .map((item) => item.textContent.replace(/\s+/g, " ").trim());

describe("the form of a container's settings", () => {
  it("is filled in with what it was made with, and changes nothing by itself", async () => {
    const { dialog, user, host } = await open();
    expect(await dialog.findByRole("textbox", { name: "Image" })).toHaveValue("shop:1");
    expect(dialog.getByRole("textbox", { name: "Command" })).toHaveValue("serve --port 80");
    expect(dialog.getByRole("textbox", { name: "Port on this computer" })).toHaveValue("8080");
    expect(dialog.getByText(/Open on 0\.0\.0\.0/)).toBeVisible();
    expect(dialog.getByRole("combobox", { name: "Volume name" })).toHaveValue("data");
    expect(dialog.getByRole("combobox", { name: "Network" })).toHaveValue("container:db");
    expect(dialog.queryByRole("textbox", { name: "Name" })).toBeNull();
    expect(preview(dialog)).toEqual(["Nothing yet."]);
    await user.click(dialog.getByRole("button", { name: "Make it anew" }));
    expect(host.requests("container.remake")).toEqual([]);
  });

  it("says ahead what changes and what is lost, and sends all of it", async () => {
    const { dialog, screen, user, host } = await open();
    const [mode] = await dialog.findAllByRole("textbox", { name: "Value" });
    if (mode === undefined) throw new Error("there is no variable");
    await user.clear(mode);
    await user.type(mode, "fast");
    await user.click(dialog.getByRole("button", { name: "Remove variable 2" }));
    await user.click(dialog.getByRole("button", { name: "Add a port" }));
    await user.type(dialog.getAllByRole("textbox", { name: "Port in the container" })[1] ?? mode, "443");
    await user.click(dialog.getByText("Limits, restart, network"));
    await user.selectOptions(dialog.getByRole("combobox", { name: "Network" }), "shop");
    expect(preview(dialog)).toEqual([
      "Port 443 none → 127.0.0.1:any free port",
      "Variable MODE slow → fast",
      "Variable DB_PASSWORD •••••• → none",
      "Network container:db → shop",
    ]);
    expect(dialog.getByText(/2 files and folders that it has changed/)).toBeVisible();
    await user.click(dialog.getByRole("button", { name: "Make it anew" }));
    expect(host.requests("container.remake")).toEqual([
      {
        id: fakeContainer("web").id,
        settings: {
          ...MADE,
          env: ["MODE=fast"],
          ports: [...MADE.ports, { host_ip: "127.0.0.1", host_port: 0, container_port: 443 }],
          network: "shop",
        },
      },
    ]);
    // Its successor's output is looked at.
    expect(await screen.findByRole("heading", { name: "web" })).toBeVisible();
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(screen.getByText("web was made anew")).toBeVisible();
  });

  it("marks what is wrong while it is typed, but not the container's own port", async () => {
    const { dialog, user, host } = await open();
    const port = await dialog.findByRole("textbox", { name: "Port on this computer" });
    expect(port).toBeValid();
    await user.clear(port);
    await user.type(port, "5432");
    expect(port).toBeInvalid();
    await user.click(dialog.getByRole("button", { name: "Make it anew" }));
    expect(host.requests("container.remake")).toEqual([]);
  });

  it("stays with what went wrong, and can be tried again", async () => {
    const host = withOne();
    host.failures.set("container.remake", failure("not_found", "No such image: nope"));
    const { dialog, user } = await open(host);
    await user.type(await dialog.findByRole("textbox", { name: "Image" }), "x");
    await user.click(dialog.getByRole("button", { name: "Make it anew" }));
    expect(await dialog.findByRole("alert")).toHaveTextContent("No such image: nope");
    expect(dialog.getByRole("textbox", { name: "Image" })).toHaveValue("shop:1x");
  });

  it("tells what it could not read, and reads it again", async () => {
    const host = withOne();
    host.failures.set("container.settings", failure("unavailable", "no answer"));
    const { dialog, user } = await open(host);
    expect(await dialog.findByRole("alert")).toHaveTextContent("no answer");
    host.failures.clear();
    await user.click(dialog.getByRole("button", { name: "Try again" }));
    expect(await dialog.findByRole("textbox", { name: "Image" })).toHaveValue("shop:1");
  });

  it("does not make anew what would be gone before another one runs", async () => {
    const { dialog, user, host } = await open(withOne({ ...MADE, auto_remove: true }));
    await user.type(await dialog.findByRole("textbox", { name: "Image" }), "x");
    expect(dialog.getByText(/It is removed when it ends/)).toBeVisible();
    await user.click(dialog.getByRole("button", { name: "Make it anew" }));
    expect(host.requests("container.remake")).toEqual([]);
  });

  it("makes it anew unchanged where its image is a newer one", async () => {
    const host = withOne();
    host.close.settings = { settings: MADE, image_moved: true };
    const { dialog, user } = await open(host);
    expect(await dialog.findByText(/shop:1 is a newer image by now/)).toBeVisible();
    await user.click(dialog.getByRole("button", { name: "Make it anew" }));
    expect(host.requests("container.remake")).toHaveLength(1);
  });
});
