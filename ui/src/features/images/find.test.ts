import { within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";

import { failure, FakeHost } from "../../lib/host/fake";
import { openWindow, row } from "../../test/render";

const withFinds = () => {
  const host = new FakeHost();
  host.found = [
    { name: "nginx", description: "A <b>web</b> server", stars: 20_000, mark: "official" },
    { name: "someone/nginx", description: "", stars: 0, mark: null },
  ];
  host.repositories = [
    {
      name: "nginx",
      official: true,
      more: true,
      tags: [
        { name: "1.29", error: "", images: [{ platform: "linux/amd64", size: 60_000_000 }, { platform: "linux/arm64", size: null }] },
        { name: "odd", error: "it is no image", images: [] },
      ],
    },
  ];
  return host;
};

const find = async (host: FakeHost, term = "nginx") => {
  const opened = openWindow(host, "images");
  await opened.user.type(await opened.screen.findByRole("textbox", { name: "Image to find" }), `${term}{Enter}`);
  return opened;
};

describe("finding an image", () => {
  it("shows who vouches for what was found, as text, and pulls a tag of it", async () => {
    const host = withFinds();
    const { screen, user } = await find(host);
    expect(await screen.findByText("A <b>web</b> server")).toBeVisible();
    expect(screen.getByText("Official")).toBeVisible();
    expect(host.requests("registry.search")).toEqual([{ registry: "", term: "nginx" }]);
    await user.click(screen.getByRole("button", { name: "nginx" }));
    expect(await screen.findByText("60 MB")).toBeVisible();
    expect(screen.getByText("it is no image")).toBeVisible();
    expect(screen.getByRole("button", { name: "Pull nginx:odd" })).toHaveAttribute("aria-disabled", "true");
    await user.click(screen.getByRole("button", { name: "Pull nginx:1.29" }));
    expect(await screen.findByText("nginx:1.29 is ready")).toBeVisible();
    expect(await row("nginx:1.29")).toBeTruthy();
  });

  it("reads more tags after the last one", async () => {
    const host = withFinds();
    const { screen, user } = await find(host);
    await user.click(await screen.findByRole("button", { name: "nginx" }));
    host.repositories = [
      { name: "nginx", official: true, more: false, tags: [{ name: "zzz", error: "", images: [{ platform: "linux/amd64", size: 1 }] }] },
    ];
    await user.click(await screen.findByRole("button", { name: "More tags" }));
    expect(await screen.findByText("zzz")).toBeVisible();
    expect(host.requests("registry.repository").map(({ after }) => after)).toEqual(["", "odd"]);
    expect(screen.queryByRole("button", { name: "More tags" })).toBeNull();
  });

  it("pulls a tag that is typed, and marks a wrong one", async () => {
    const host = withFinds();
    const { screen, user } = await find(host);
    await user.click(await screen.findByRole("button", { name: "nginx" }));
    const tag = await screen.findByRole("textbox", { name: "Tag" });
    await user.clear(tag);
    await user.type(tag, "no good");
    expect(tag).toBeInvalid();
    await user.clear(tag);
    await user.type(tag, "mainline{Enter}");
    expect(host.requests("image.pull").map(({ reference }) => reference)).toEqual(["nginx:mainline"]);
  });

  it("bears a registry that names something twice", async () => {
    const host = withFinds();
    host.found = [...host.found, ...host.found.slice(0, 1)];
    host.repositories = host.repositories.map((each) => ({ ...each, tags: [...each.tags, ...each.tags] }));
    const { screen, user } = await find(host);
    const [first] = await screen.findAllByRole("button", { name: "nginx" });
    if (first === undefined) throw new Error("nothing was found");
    await user.click(first);
    expect(await screen.findAllByRole("button", { name: "Pull nginx:1.29" })).toHaveLength(2);
  });

  it("says that there is nothing, and offers the exact name", async () => {
    const host = new FakeHost();
    const { screen } = await find(host, "ghcr.io/owner/app");
    expect(await screen.findByText(/Nothing was found/)).toBeVisible();
    expect(screen.getByRole("button", { name: "Tags of ghcr.io/owner/app" })).toBeVisible();
  });

  it("searches the registry that is chosen", async () => {
    const host = withFinds();
    host.settings = { ...host.settings, insecure_registries: ["localhost:5000"] };
    const { screen, user } = await find(host);
    await user.selectOptions(await screen.findByRole("combobox", { name: "Registry" }), "localhost:5000");
    expect(host.requests("registry.search").at(-1)).toEqual({ registry: "localhost:5000", term: "nginx" });
  });

  it("offers every registry that has settings, Docker Hub once", async () => {
    const host = withFinds();
    const own = { insecure: false, ca: "", client_certificate: "", client_key: "", mirrors: ["m:1"], proxy: null };
    const hosts = { "docker.io": own, "mine:1": own };
    host.settings = { ...host.settings, registries: { ...host.settings.registries, hosts, insecure: ["plain:5000", "10.0.0.0/8"] } };
    const { screen } = await find(host);
    const choices = within(await screen.findByRole("combobox", { name: "Registry" })).getAllByRole("option");
    expect(choices.map((each) => each.textContent)).toEqual(["Docker Hub", "mine:1", "plain:5000"]);
  });

  it("lets one log in where the registry wants to know, and goes on", async () => {
    const host = withFinds();
    host.failures.set("image.push", failure("unauthorized", "unauthorized: no", "log-in"));
    host.failures.set("registry.repository", failure("unauthorized", "unauthorized: no", "log-in"));
    const { screen, user } = await find(host);
    await user.click(await screen.findByRole("button", { name: "nginx" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("Log in to the registry.");
    await user.click(screen.getByRole("button", { name: "Log in…" }));
    await user.type(screen.getByRole("textbox", { name: "User name" }), "mina");
    await user.type(screen.getByLabelText("Password or token"), "secret");
    host.failures.clear();
    await user.click(screen.getByRole("button", { name: "Log in" }));
    expect(host.requests("registry.login")).toEqual([{ registry: "", username: "mina", password: "secret" }]);
    expect(await screen.findByText("60 MB")).toBeVisible();
  });

  it("keeps the log-in open when it is refused, without the password", async () => {
    const host = withFinds();
    host.failures.set("registry.repository", failure("unauthorized", "unauthorized: no", "log-in"));
    host.failures.set("registry.login", failure("unauthorized", "401 Unauthorized"));
    const { screen, user } = await find(host);
    await user.click(await screen.findByRole("button", { name: "nginx" }));
    await user.click(await screen.findByRole("button", { name: "Log in…" }));
    await user.type(screen.getByRole("textbox", { name: "User name" }), "mina");
    await user.type(screen.getByLabelText("Password or token"), "wrong");
    await user.click(screen.getByRole("button", { name: "Log in" }));
    await expect.poll(() => screen.getByLabelText("Password or token")).toHaveValue("");
    expect(screen.getByRole("dialog")).toHaveTextContent("401 Unauthorized");
  });

  it("tells a pull that failed for the network from one whose name is wrong", async () => {
    const host = new FakeHost();
    host.failures.set("image.pull", failure("unavailable", "dial tcp: no route to host", "check-network"));
    const { screen, user } = openWindow(host, "images");
    await user.type(await screen.findByRole("textbox"), "busybox:1{Enter}");
    expect(await screen.findByRole("alert")).toHaveTextContent("Check the network");
    host.failures.set("image.pull", failure("not_found", "manifest unknown", "check-name"));
    await user.click(screen.getByRole("button", { name: "Try again" }));
    await expect.poll(() => screen.getByRole("alert").textContent).toContain("Check the name");
  });
});
