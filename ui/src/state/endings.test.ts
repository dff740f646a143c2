import { within } from "@testing-library/svelte";
import { describe, expect, it, vi } from "vitest";

import { failure, fakeContainer, FakeHost, fakeImage, fakeSettings, fakeStatus } from "../lib/host/fake";
import { openWindow, row } from "../test/render";

const look = (elsewhere: boolean) => vi.spyOn(document, "hasFocus").mockReturnValue(!elsewhere);

const withImage = () => {
  const host = new FakeHost();
  host.images = [fakeImage("a:1")];
  return host;
};

/** Drops an archive on a window that is there. */
const load = async (host: FakeHost) => {
  const { screen } = openWindow(host, "images");
  await row("a:1");
  host.drop("/tmp/loaded.tar");
  return screen;
};

describe("what ends while one looks elsewhere", () => {
  it("is said by the system, once and by its name", async () => {
    look(true);
    const host = withImage();
    await load(host);
    await expect.poll(() => host.notified).toEqual([{ title: "loaded:1 is ready", body: "" }]);
  });

  it("says what failed and what to do", async () => {
    look(true);
    const host = withImage();
    host.failures.set("image.load", failure("unavailable", "no space left on device", "free-disk-space"));
    await load(host);
    const told = { title: "loaded.tar could not be loaded", body: "Free some disk space and try again." };
    await expect.poll(() => host.notified).toEqual([told]);
  });

  it("is not said of what someone has cancelled", async () => {
    look(true);
    const host = withImage();
    host.failures.set("image.load", failure("cancelled", "the client went away"));
    const screen = await load(host);
    expect(await screen.findByText("Loading loaded.tar was cancelled")).toBeInTheDocument();
    expect(host.notified).toEqual([]);
  });

  it("is said of a machine that has started, and of one that died", async () => {
    look(true);
    const host = withImage();
    host.machine = fakeStatus("starting");
    const { screen } = openWindow(host);
    await screen.findByRole("heading", { name: "Getting ready" });
    host.setMachine(fakeStatus("running"));
    host.setMachine(
      fakeStatus("failed", {
        error: { kind: "unavailable", message: "the machine ended by itself", hints: ["less-memory"] },
      }),
    );
    await expect.poll(() => host.notified).toEqual([
      { title: "Machine is running", body: "" },
      { title: "Machine has failed", body: "Give the machine less memory in the settings." },
    ]);
  });
});

describe("a container that dies while one looks elsewhere", () => {
  const after = async (status: string, containers = [fakeContainer("web")]) => {
    look(true);
    const host = new FakeHost();
    host.containers = containers;
    openWindow(host);
    await row("web");
    host.containers = [fakeContainer("web", { state: "exited", status })];
    host.emit({ type: "containers" });
    await (await row("web")).findByText(/^Exited/);
    return host.notified.map(({ title }) => title);
  };

  it("is told of with its exit status", async () => {
    expect(await after("Exited (1) 2 seconds ago")).toEqual(["web has ended with exit status 1"]);
  });

  it.each(["0", "137", "143"])("is not told of when it ended as it was told to: %s", async (code) => {
    expect(await after(`Exited (${code}) 2 seconds ago`)).toEqual([]);
  });

  it("is not told of when it was dead before", async () => {
    const dead = fakeContainer("web", { state: "exited", status: "Exited (1) 1 second ago" });
    expect(await after("Exited (1) 2 seconds ago", [dead])).toEqual([]);
  });
});

describe("nothing is said by the system", () => {
  it("to who looks at the window", async () => {
    look(false);
    const host = withImage();
    const screen = await load(host);
    expect(await screen.findByText("loaded:1 is ready")).toBeVisible();
    expect(host.notified).toEqual([]);
  });

  it("to who does not want it", async () => {
    look(true);
    const host = withImage();
    host.settings = { ...fakeSettings, notifications: false };
    const screen = await load(host);
    expect(await screen.findByText("loaded:1 is ready")).toBeInTheDocument();
    expect(host.notified).toEqual([]);
  });
});

describe("what ends on the screen of the images", () => {
  /** Pulls, and is somewhere else when that ends. */
  const pullAndGo = async (host: FakeHost) => {
    look(false);
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const { screen, user } = openWindow(host, "images");
    await row("a:1");
    const stream = host.stream.bind(host);
    vi.spyOn(host, "stream").mockImplementation(async (...asked) => {
      await ended;
      return stream(...asked);
    });
    host.drop("/tmp/loaded.tar");
    await user.click(screen.getByRole("button", { name: "Volumes" }));
    await screen.findByRole("heading", { name: "Volumes" });
    end();
    return within(screen.getByRole("region", { name: "Notices" }));
  };

  it("is said in a notice to who is at another one", async () => {
    const notices = await pullAndGo(withImage());
    expect(await notices.findByText("loaded:1 is ready")).toBeVisible();
  });

  it("stays where it happened when it has failed", async () => {
    const host = withImage();
    host.failures.set("image.load", failure("internal", "unexpected end of file"));
    const notices = await pullAndGo(host);
    await expect.poll(() => host.requests("image.load")).toHaveLength(1);
    expect(notices.queryByText(/loaded/)).toBeNull();
  });
});
