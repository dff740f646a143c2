import { within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";

import { chunk, failure, fakeContainer, FakeHost, fakeVolume } from "../../lib/host/fake";
import { sortable } from "../../state/project_output.svelte";
import { openWindow, row } from "../../test/render";

const FILE = "/home/me/shop/compose.yaml";

const withCompose = () => {
  const host = new FakeHost();
  host.projects.onup = () => {
    host.containers = [
      fakeContainer("shop-web-1", { project: "shop", service: "web" }),
      fakeContainer("shop-db-1", { project: "shop", service: "db" }),
    ];
  };
  host.projects.ondown = () => (host.containers = []);
  return host;
};

/** Chooses the file, and brings it up. */
const bringUp = async (host: FakeHost) => {
  const opened = openWindow(host, "projects");
  host.chosen.push(FILE);
  await opened.user.click(await opened.screen.findByRole("button", { name: "Open a compose file" }));
  await opened.user.click(opened.screen.getByRole("button", { name: "Choose…" }));
  await expect.poll(() => opened.screen.getByRole("textbox", { name: "Compose file" })).toHaveValue(FILE);
  await opened.screen.findByText("docker compose 2.32.4 of this computer brings it up.");
  expect(opened.screen.getByText(`docker --context naru compose -f ${FILE} up -d`)).toBeVisible();
  await opened.user.click(opened.screen.getByRole("button", { name: "Bring up" }));
  return opened;
};

describe("a compose file", () => {
  it("is brought up, and shows its services", async () => {
    const host = withCompose();
    const { screen } = await bringUp(host);
    expect(await screen.findByText("shop is up")).toBeVisible();
    expect((await row("shop")).getByText("2 of 2 running")).toBeVisible();
    expect(await screen.findByRole("heading", { name: "shop" })).toBeVisible();
    expect(host.requests("project.up")).toMatchObject([{ file: FILE }]);
  });

  it("shows what compose says while it works, and can be cancelled", async () => {
    const host = withCompose();
    host.hanging.add("project.up");
    const { screen, user } = await bringUp(host);
    expect(await screen.findByText(/Container shop-web-1 Started/)).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Cancel" }));
    const [{ stream_id } = { stream_id: "" }] = host.requests("project.up");
    expect(host.requests("stream.close")).toEqual([{ stream_id }]);
    await user.click(screen.getByRole("button", { name: "Close" }));
    await user.click(screen.getByRole("button", { name: "Details of compose.yaml" }));
    expect(screen.getByRole("heading", { name: "compose.yaml" })).toBeVisible();
  });

  it("gives the focus of Cancel to what takes its place, and to the screen when nothing does", async () => {
    const host = withCompose();
    let end: (failed: boolean) => void = () => undefined;
    host.projects.onup = () => undefined;
    host.projects.wait = () => new Promise((resolve) => (end = (failed) => {
      host.projects.failure = failed ? failure("cancelled", "it was cancelled") : null;
      resolve();
    }));
    const { screen, user } = await bringUp(host);
    await user.click(await screen.findByRole("button", { name: "Cancel" }));
    end(true);
    await expect.poll(() => document.activeElement).toBe(await screen.findByRole("button", { name: "Try again" }));
    await user.keyboard("{Enter}");
    await user.click(await screen.findByRole("button", { name: "Cancel" }));
    end(false);
    await expect.poll(() => screen.queryByRole("button", { name: "Cancel" })).toBeNull();
    await expect.poll(() => document.activeElement?.tagName).toMatch(/^H[12]$/);
  });

  it("says in compose's words why it failed, and tries again", async () => {
    const host = withCompose();
    host.projects.failure = failure("invalid_argument", "services.web Additional property imag is not allowed");
    const { screen, user } = await bringUp(host);
    const note = await screen.findByRole("alert");
    expect(note).toHaveTextContent("compose.yaml could not be brought up");
    expect(note).toHaveTextContent("Additional property imag is not allowed");
    host.projects.failure = null;
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("shop is up")).toBeVisible();
  });

  it("says plainly that the computer has no compose, how to get it, and looks again", async () => {
    const host = withCompose();
    host.projects.compose = { program: null, version: "" };
    const { screen, user } = openWindow(host, "projects");
    await user.click(await screen.findByRole("button", { name: "Open a compose file" }));
    expect(await screen.findByText("This computer has no docker compose of version 2 or later.")).toBeVisible();
    expect(screen.getByRole("group", { name: "Ubuntu" })).toHaveTextContent("sudo apt install docker-compose-v2");
    await user.type(screen.getByRole("textbox", { name: "Compose file" }), "compose.yaml");
    expect(screen.getByText("A file is a path from the root.")).toBeVisible();
    expect(screen.getByRole("button", { name: "Bring up" })).toHaveAttribute("aria-disabled", "true");
    host.projects.compose = { program: "docker-compose", version: "2.30.0" };
    await user.click(screen.getByRole("button", { name: "Look again" }));
    expect(await screen.findByText("docker-compose 2.30.0 of this computer brings it up.")).toBeVisible();
  });
});

it.each([
  ["macos", "Homebrew", "brew install docker-compose"],
  ["windows", "winget", "winget install --id Docker.DockerCompose"],
  ["linux", "Debian 13", "sudo apt install docker-compose"],
])("says how compose comes to %s", async (platform, systems, line) => {
  const host = withCompose();
  host.info = { ...host.info, platform };
  host.projects.compose = { program: null, version: "" };
  const { screen, user } = openWindow(host, "projects");
  await user.click(await screen.findByRole("button", { name: "Open a compose file" }));
  expect(within(await screen.findByRole("group", { name: systems })).getByText(line)).toBeVisible();
});

describe("a project", () => {
  const opened = async (host = withCompose()) => {
    host.projects.onup();
    const window = openWindow(host, "projects");
    await window.user.click((await row("shop")).getByRole("button", { name: "Show shop" }));
    return { host, ...window };
  };

  it("is taken down with its volumes kept, unless somebody says otherwise", async () => {
    const host = withCompose();
    host.volumes = [fakeVolume("shop_data", { labels: { "com.docker.compose.project": "shop" } }), fakeVolume("other")];
    const { screen, user } = await opened(host);
    await user.click(screen.getByRole("button", { name: "Take down shop" }));
    const dialog = screen.getByRole("dialog");
    expect(dialog).toHaveTextContent("Its 2 containers and its networks go");
    expect(await screen.findByText("shop_data")).toBeVisible();
    expect(screen.queryByText("other")).toBeNull();
    expect(dialog).toHaveTextContent("Nothing in them is lost.");
    await user.click(screen.getByRole("radio", { name: "Remove them too" }));
    expect(dialog).toHaveTextContent("All that is in them is lost.");
    expect(screen.getByText("docker --context naru compose -p shop down --volumes")).toBeVisible();
    await user.click(screen.getByRole("radio", { name: "Keep them for the next time" }));
    await user.click(screen.getByRole("button", { name: "Take down" }));
    expect(await screen.findByText("shop is down")).toBeVisible();
    expect(host.requests("project.down")).toMatchObject([{ name: "shop", volumes: false }]);
    expect(await screen.findByText("No projects yet")).toBeVisible();
  });

  it("names the volumes without a name that go with its containers, and no others", async () => {
    const host = withCompose();
    host.projects.onup();
    const [web, db] = host.containers;
    const of = (container = web) => ({
      container_id: container?.id ?? "",
      container_name: container?.name ?? "",
      running: true,
      destination: "/data",
      read_only: false,
    });
    const labels = { "com.docker.volume.anonymous": "" };
    const elsewhere = { ...of(), container_id: "e1", container_name: "elsewhere", destination: "/all" };
    host.volumes = [
      fakeVolume("a1".repeat(32), { labels, users: [of(db)] }),
      fakeVolume("b2".repeat(32), { labels, users: [of(web), elsewhere] }),
      fakeVolume("c3".repeat(32), { labels, users: [elsewhere] }),
      fakeVolume("d4".repeat(32), { labels }),
    ];
    host.volumeSizes = [{ name: "a1".repeat(32), bytes: 48_000_000 }];
    const { screen, user } = await opened(host);
    await user.click(screen.getByRole("button", { name: "Take down shop" }));
    const dialog = screen.getByRole("dialog");
    expect(await within(dialog).findByText("one without a name, at /data of shop-db-1 (48 MB)")).toBeVisible();
    expect(within(dialog).getAllByRole("listitem")).toHaveLength(1);
    expect(dialog).toHaveTextContent("gets new, empty ones");
    await user.click(screen.getByRole("radio", { name: "Remove them too" }));
    expect(dialog).not.toHaveTextContent("gets new, empty ones");
    await user.click(screen.getByRole("button", { name: "Take down" }));
    await expect.poll(() => host.requests("project.down")).toMatchObject([{ name: "shop", volumes: true }]);
  });

  it("has the output of all its services together, in the order of time", async () => {
    const host = withCompose();
    host.log = [chunk("stdout", "2026-11-26T10:00:00.5Z half\n2026-11-26T10:00:00.25Z quarter\n")];
    const { screen, user } = await opened(host);
    await user.click(screen.getByRole("tab", { name: "Logs" }));
    const log = await screen.findByRole("log", { name: "Output of shop" });
    await expect.poll(() => log.textContent).toMatch(/quarter.*quarter.*half.*half/s);
    expect(log).toHaveTextContent("web");
    expect(host.requests("container.logs")).toHaveLength(2);
  });

  it("finds what any of its services said", async () => {
    const host = withCompose();
    host.log = [chunk("stdout", "2026-11-26T10:00:00.25Z ready\n2026-11-26T10:00:00.5Z REFUSED by the db\n")];
    const { screen, user } = await opened(host);
    await user.click(screen.getByRole("tab", { name: "Logs" }));
    const log = await screen.findByRole("log", { name: "Output of shop" });
    await expect.poll(() => log.textContent).toMatch(/ready.*REFUSED/s);
    await user.keyboard("{Control>}f{/Control}");
    await user.keyboard("refused");
    expect(screen.getByText("2 matches")).toBeVisible();
    expect(log).not.toHaveTextContent("ready");
    await user.click(screen.getByRole("button", { name: "Copy all" }));
    expect(await navigator.clipboard.readText()).toMatch(/^\S+ +REFUSED by the db\n\S+ +REFUSED by the db$/);
    await user.type(screen.getByRole("searchbox", { name: "Search the output" }), "{Escape}");
    expect(log).toHaveTextContent("ready");
  });

  it("sorts times whatever the length of their fractions", () => {
    const times = ["2026-11-26T10:00:01Z", "2026-11-26T10:00:00.12Z", "2026-11-26T10:00:00.1Z"];
    expect([...times].sort((a, b) => (sortable(a) < sortable(b) ? -1 : 1))).toEqual([times[2], times[1], times[0]]);
  });
});
