import { describe, expect, it } from "vitest";

import { failure, FakeHost, fakeImage } from "../../lib/host/fake";
import { Transfer } from "../../state/transfers.svelte";
import { openWindow, pick, row } from "../../test/render";

const withImages = () => {
  const host = new FakeHost();
  host.images = [fakeImage("a:1"), fakeImage("b:1", { id: "sha256:bb" })];
  return host;
};

describe("a transfer", () => {
  const layer = (status: string, current: number | null, total: number | null, id = "l") => ({ layer: id, status, current, total });

  it("counts bytes that came, not those that are unpacked", () => {
    const pull = new Transfer("pull", "a", () => undefined);
    pull.apply(layer("Downloading", 50, 200));
    pull.apply(layer("Pulling fs layer", null, null, "other"));
    expect([pull.moved, pull.size]).toEqual([50, null]);
    pull.apply(layer("Already exists", null, null, "other"));
    expect([pull.moved, pull.size]).toEqual([50, 200]);
    pull.apply(layer("Extracting", 10, 900));
    expect([pull.moved, pull.size]).toEqual([200, 200]);
  });

  it("says what is left by the speed of the last seconds", () => {
    const pull = new Transfer("pull", "a", () => undefined);
    pull.apply(layer("Downloading", 0, 1000));
    pull.measure(0);
    pull.apply(layer("Downloading", 100, 1000));
    pull.measure(1000);
    expect(pull.speed).toBeCloseTo(100);
    expect(pull.secondsLeft).toBeCloseTo(9);
  });
});

describe("saving and loading", () => {
  it("saves those that are selected into one file", async () => {
    const host = withImages();
    host.chosen.push("/home/mina/two.tar");
    const { screen, user } = openWindow(host, "images");
    await row("a:1");
    await user.click(screen.getByRole("checkbox", { name: "Select all" }));
    await user.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("two.tar was written")).toBeVisible();
    const [asked] = host.requests("image.save");
    expect(asked).toMatchObject({ images: ["a:1", "b:1"], path: "/home/mina/two.tar" });
    await user.click(screen.getByRole("button", { name: "Dismiss" }));
    await expect.poll(() => document.activeElement).toBe(screen.getByRole("heading", { name: "Images" }));
  });

  it("does nothing when no file is chosen", async () => {
    const host = withImages();
    const { screen, user } = openWindow(host, "images");
    await user.click(await screen.findByRole("button", { name: "More to do with images" }));
    await pick(user, "Load from a file…");
    expect(host.requests("image.load")).toEqual([]);
  });

  it("loads a file that is dropped on the window, wherever one is in it, and names what came", async () => {
    const host = withImages();
    const { screen } = openWindow(host, "containers");
    await screen.findByRole("heading", { name: "Containers" });
    host.drop("C:\\Users\\mina\\loaded.tar.gz", "/tmp/notes.txt");
    expect(await screen.findByText("loaded:1 is ready")).toBeVisible();
    expect(screen.getByText(/notes.txt is no archive/)).toBeVisible();
    expect(await row("loaded:1")).toBeTruthy();
    expect(host.requests("image.load")).toHaveLength(1);
  });

  it("ends by its name when it is cancelled", async () => {
    const host = withImages();
    host.hanging.add("image.load");
    const { screen, user } = openWindow(host, "images");
    await row("a:1");
    host.drop("/tmp/x.tar");
    expect(await screen.findByRole("progressbar", { name: "Loading x.tar" })).toHaveAttribute("aria-valuenow", "50");
    await user.click(screen.getByRole("button", { name: "Cancel" }));
    expect(host.requests("stream.close")).toEqual([{ stream_id: host.requests("image.load")[0]?.stream_id }]);
  });
});

describe("cancelling", () => {
  it("says why it did not work, while the transfer goes on", async () => {
    const host = withImages();
    host.hanging.add("image.pull");
    host.failures.set("image.pull_cancel", failure("unavailable", "no answer"));
    const { screen, user } = openWindow(host, "images");
    await user.type(await screen.findByRole("textbox", { name: "Image to find" }), "big:1{Enter}");
    await user.click(await screen.findByRole("button", { name: "Cancel" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("no answer");
    expect(screen.getByText("Pulling big:1")).toBeVisible();
  });
});

describe("pushing", () => {
  it("asks for the log-in of the image's registry, and goes on after it", async () => {
    const host = new FakeHost();
    host.images = [fakeImage("localhost:5000/a:1")];
    host.failures.set("image.push", failure("unauthorized", "no basic auth credentials", "log-in"));
    const { screen, user } = openWindow(host, "images");
    await user.click(await screen.findByRole("button", { name: "Show localhost:5000/a:1" }));
    await user.click(screen.getByRole("button", { name: "More actions" }));
    await pick(user, "Push");
    await user.click(await screen.findByRole("button", { name: "Log in…" }));
    const registry = screen.getByRole("textbox", { name: "Registry" });
    expect(registry).toHaveValue("localhost:5000");
    await user.type(registry, "/a");
    expect(registry).toHaveAccessibleDescription(/“localhost:5000\/a” is not a host\[:port\]/);
    await user.type(registry, "{Backspace}{Backspace}");
    await user.type(screen.getByRole("textbox", { name: "User name" }), "mina");
    await user.type(screen.getByLabelText("Password or token"), "secret");
    host.failures.clear();
    await user.click(screen.getByRole("button", { name: "Log in" }));
    expect(await screen.findByText("localhost:5000/a:1 was pushed")).toBeVisible();
    expect(host.requests("image.push")).toHaveLength(2);
  });
});

describe("removing what is unused", () => {
  it("says ahead what goes and what comes free", async () => {
    const host = withImages();
    host.prunePlan = { images: ["b:1"], bytes: 3_000_000 };
    const { screen, user } = openWindow(host, "images");
    await user.click(await screen.findByRole("button", { name: "More to do with images" }));
    await pick(user, "Remove unused…");
    expect(await screen.findByText("1 image goes, 3 MB come free:")).toBeVisible();
    expect(host.requests("image.prune")).toEqual([]);
    await user.click(screen.getByRole("radio", { name: "All that no container uses" }));
    const any = { older_days: 0, least_mb: 0 };
    expect(host.requests("image.prune_plan")).toEqual([
      { all: false, ...any },
      { all: true, ...any },
    ]);
    await user.click(await screen.findByRole("button", { name: "Remove" }));
    expect(await screen.findByText("3 MB came free")).toBeVisible();
    expect(host.requests("image.prune")).toEqual([{ all: true, ...any }]);
  });

  it("takes the old and the large alone", async () => {
    const host = withImages();
    host.prunePlan = { images: ["b:1"], bytes: 3_000_000 };
    const { screen, user } = openWindow(host, "images");
    await user.click(await screen.findByRole("button", { name: "More to do with images" }));
    await pick(user, "Remove unused…");
    await user.selectOptions(screen.getByRole("combobox", { name: "Made" }), "More than 30 days ago");
    await user.selectOptions(screen.getByRole("combobox", { name: "Size" }), "1 GB or more");
    expect(screen.getByText(/image prune -f --filter until=720h --filter size=1000MB$/)).toBeVisible();
    await user.click(await screen.findByRole("button", { name: "Remove" }));
    expect(await screen.findByText("3 MB came free")).toBeVisible();
    expect(host.requests("image.prune")).toEqual([{ all: false, older_days: 30, least_mb: 1000 }]);
  });

  it("offers nothing where there is nothing", async () => {
    const { screen, user } = openWindow(withImages(), "images");
    await user.click(await screen.findByRole("button", { name: "More to do with images" }));
    await pick(user, "Remove unused…");
    expect(await screen.findByText("There is nothing to remove.")).toBeVisible();
    expect(screen.getByRole("button", { name: "Remove" })).toHaveAttribute("aria-disabled", "true");
  });
});
