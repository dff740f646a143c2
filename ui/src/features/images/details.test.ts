import { describe, expect, it } from "vitest";

import { failure, fakeDetails, fakeEntry, FakeHost, fakeImage, fakeUsers } from "../../lib/host/fake";
import { openWindow, pick, row } from "../../test/render";
import { instruction } from "./steps";

const withImage = () => {
  const host = new FakeHost();
  const image = fakeImage("web:1", { users: fakeUsers("front") });
  host.images = [image];
  const plain = fakeDetails(image);
  host.details.set(image.id, {
    ...plain,
    platform: "linux/arm64/v8",
    config: { ...plain.config, command: ["nginx", "-g", "daemon off;"], ports: ["80/tcp"], env: ["OPTS=a=b"] },
  });
  host.steps = [
    { created: 2, created_by: '/bin/sh -c #(nop)  CMD ["nginx"]', size: 0, comment: "" },
    { created: 1, created_by: "/bin/sh -c apk add <b>nginx</b>", size: 3_000_000, comment: "" },
  ];
  return host;
};

const open = async (host = withImage()) => {
  const opened = openWindow(host, "images");
  await opened.user.click(await opened.screen.findByRole("button", { name: "Show web:1" }));
  return { ...opened, host };
};

describe("an image's details", () => {
  it("say what it is and lead to the containers that use it", async () => {
    const { screen, user } = await open();
    expect(await screen.findByText("linux/arm64/v8")).toBeVisible();
    expect(screen.getByText(/^web@sha256:/)).toBeVisible();
    await user.click(screen.getByRole("button", { name: "front" }));
    expect(await screen.findByRole("heading", { name: "Containers" })).toBeVisible();
  });

  it("show the steps of its making, the first at the top, as text", async () => {
    const { screen, user } = await open();
    await user.click(screen.getByRole("tab", { name: "Layers" }));
    const steps = await screen.findAllByRole("listitem");
    expect(steps.find((step) => step.textContent.includes("RUN apk add <b>nginx</b>"))).toHaveTextContent("3 MB");
    const texts = steps.map((step) => step.textContent);
    expect(texts.findIndex((text) => text.includes("apk add"))).toBeLessThan(texts.findIndex((text) => text.includes("CMD")));
  });

  it("list its files, and what each layer has and takes away", async () => {
    const host = withImage();
    const { folders } = host.close;
    folders.set("/", { entries: [fakeEntry("etc", { kind: "folder" }), fakeEntry("motd")], more: false });
    folders.set("/etc", { entries: [fakeEntry("hosts", { size: 9 })], more: false });
    folders.set("1:/", { entries: [fakeEntry("old.conf", { kind: "removed" })], more: false });
    const { screen, user } = await open(host);
    await user.click(screen.getByRole("tab", { name: "Files" }));
    expect(await screen.findByText("motd")).toBeVisible();
    expect(screen.queryByRole("button", { name: "Open motd" })).toBeNull();
    await user.click(screen.getByRole("button", { name: "Open etc" }));
    expect(await screen.findByText("hosts")).toBeVisible();
    await user.selectOptions(screen.getByRole("combobox", { name: "Files of" }), "Layer 2 alone (b2b2b2b2b2b2)");
    expect(await (await row("old.conf")).findByText("Removed")).toBeVisible();
    const { id: image } = host.images[0] ?? { id: "" };
    expect(host.requests("image.folder")).toEqual([
      { image, layer: null, path: "/" },
      { image, layer: null, path: "/etc" },
      { image, layer: 1, path: "/" },
    ]);
  });

  it("show what its containers get", async () => {
    const { screen, user } = await open();
    await user.click(screen.getByRole("tab", { name: "Configuration" }));
    expect(await screen.findByText("nginx -g 'daemon off;'")).toBeVisible();
    expect(screen.getByText("a=b")).toBeVisible();
  });

  it("explain what could not be read, and read again", async () => {
    const host = withImage();
    host.failures.set("image.inspect", failure("unavailable", "the engine closed the connection"));
    const { screen, user } = await open(host);
    expect(await screen.findByRole("alert")).toHaveTextContent("closed the connection");
    host.failures.clear();
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("linux/arm64/v8")).toBeVisible();
  });

  it("give it one more name, and mark a wrong one before it is sent", async () => {
    const { screen, user, host } = await open();
    await user.click(screen.getByRole("button", { name: "More actions" }));
    await pick(user, "Add a name");
    const field = screen.getByRole("textbox", { name: "New name" });
    await user.type(field, "Not One");
    expect(field).toBeInvalid();
    await user.clear(field);
    await user.type(field, "registry.example.com/web:1");
    await user.click(screen.getByRole("button", { name: "Add" }));
    expect(await row("registry.example.com/web:1")).toBeTruthy();
    expect(host.requests("image.tag")).toEqual([{ image: "web:1", name: "registry.example.com/web:1" }]);
  });

  it("are not removed from under a running container", async () => {
    const host = new FakeHost();
    host.images = [fakeImage("web:1", { users: fakeUsers("front").map((user) => ({ ...user, running: true })) })];
    openWindow(host, "images");
    const button = (await row("web:1")).getByRole("button", { name: "Remove web:1" });
    expect(button).toHaveAttribute("aria-disabled", "true");
    expect(button).toHaveAttribute("title", expect.stringContaining("front"));
  });
});

describe("a step", () => {
  it.each([
    ["/bin/sh -c #(nop)  ENV A=1", "ENV A=1"],
    ["/bin/sh -c apk add x", "RUN apk add x"],
    ["RUN /bin/sh -c apk add x # buildkit", "RUN apk add x"],
    ["COPY a b # buildkit", "COPY a b"],
    ["", "imported"],
  ])("reads %j as a Dockerfile has it", (created_by, expected) => {
    expect(instruction({ created: 0, size: 0, created_by, comment: "imported" })).toBe(expected);
  });
});
