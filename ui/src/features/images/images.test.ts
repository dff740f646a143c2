import { within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";

import { failure, FakeHost, fakeImage, fakeUsers } from "../../lib/host/fake";
import { openWindow, row } from "../../test/render";
import { rowsOf } from "./rows";

describe("pulling", () => {
  it("pulls on Enter and lists the image", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "images");
    await user.type(await screen.findByRole("textbox", { name: "Image to find" }), "busybox:1.36{Enter}");
    expect(await screen.findByText("busybox:1.36 is ready")).toBeVisible();
    expect(await row("busybox:1.36")).toBeTruthy();
    expect(host.requests("image.pull")[0]?.reference).toBe("busybox:1.36");
  });

  it("calls a name wrong before anything is asked", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "images");
    await user.type(await screen.findByRole("textbox"), "Not An Image:1{Enter}");
    expect(screen.getByText("This is not an image name: “N” at character 1 has to be a small letter.")).toBeVisible();
    expect(host.requests("image.pull")).toHaveLength(0);
  });

  it("shows each layer with its bytes, and cancels by the pull's id", async () => {
    const host = new FakeHost();
    host.hanging.add("image.pull");
    host.progress = [
      { layer: "aaa", status: "Downloading", current: 50, total: 200 },
      { layer: "bbb", status: "Pull complete", current: null, total: null },
      { layer: null, status: "Digest: sha256:0", current: null, total: null },
    ];
    const { screen, user } = openWindow(host, "images");
    await user.type(await screen.findByRole("textbox"), "big:1{Enter}");
    expect(await screen.findByRole("progressbar", { name: "Layer aaa" })).toHaveAttribute("aria-valuenow", "25");
    expect(screen.getByRole("progressbar", { name: "Layer bbb" })).toHaveAttribute("aria-valuenow", "100");
    expect(screen.getByText("1 of 2 layers")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Cancel" }));
    expect(host.requests("image.pull_cancel")[0]?.pull_id).toBe(host.requests("image.pull")[0]?.pull_id);
  });

  it("explains a pull that failed and can try again", async () => {
    const host = new FakeHost();
    host.failures.set("image.pull", failure("not_found", "manifest unknown"));
    const { screen, user } = openWindow(host, "images");
    await user.type(await screen.findByRole("textbox"), "busybox:nope{Enter}");
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("busybox:nope could not be pulled");
    expect(alert).toHaveTextContent("manifest unknown");
    host.failures.clear();
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("busybox:nope is ready")).toBeVisible();
  });
});

describe("the list", () => {
  it("has a row for each name, and the nameless last", () => {
    const rows = rowsOf([
      fakeImage("x", { id: "sha256:0123456789abcdef", tags: [] }),
      fakeImage("b:1", { tags: ["b:1", "a:1"] }),
    ]);
    expect(rows.map((each) => each.shown)).toEqual(["a:1", "b:1", "0123456789ab"]);
    expect(rows[2]?.name).toBe("sha256:0123456789abcdef");
  });

  it("tells what each image runs on, and whatever else its name stands for", async () => {
    const host = new FakeHost();
    host.images = [fakeImage("app:1", { platforms: ["linux/amd64", "linux/arm64/v8"] })];
    openWindow(host, "images");
    expect((await row("app:1")).getByText("amd64, arm64/v8")).toBeVisible();
  });

  it("asks before it removes and names what is lost", async () => {
    const host = new FakeHost();
    host.images = [fakeImage("busybox:latest", { users: fakeUsers("a", "b") })];
    const { screen, user } = openWindow(host, "images");
    await user.click((await row("busybox")).getByRole("button", { name: "Remove busybox:latest" }));
    const dialog = screen.getByRole("dialog", { name: "Remove busybox:latest?" });
    expect(dialog).toHaveTextContent("2 containers are made from it");
    expect(host.requests("image.remove")).toHaveLength(0);
    await user.click(screen.getByRole("button", { name: "Remove" }));
    expect(await screen.findByText("No images yet")).toBeVisible();
    expect(host.requests("image.remove")).toEqual([{ image: "busybox:latest", force: true }]);
  });

  it("names what could not be removed, until that is put away", async () => {
    const host = new FakeHost();
    host.images = [fakeImage("busybox:latest")];
    host.failures.set("image.remove", failure("conflict", "a container uses it"));
    const { screen, user } = openWindow(host, "images");
    await user.click((await row("busybox")).getByRole("button", { name: "Remove busybox:latest" }));
    await user.click(screen.getByRole("button", { name: "Remove" }));
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("busybox:latest could not be removed");
    expect(alert).toHaveTextContent("a container uses it");
    await user.click(within(alert).getByRole("button", { name: "Close" }));
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("offers the demo image, which no list has yet, until there is a container", async () => {
    const { screen, user } = openWindow(new FakeHost(), "images");
    await user.click(await screen.findByRole("button", { name: "Run the demo" }));
    expect(screen.getByRole("textbox", { name: "Image" })).toHaveValue("naru/demo:latest");
    await user.click(screen.getByRole("button", { name: "Run" }));
    await user.click(await screen.findByRole("button", { name: "Images" }));
    expect(screen.queryByRole("button", { name: "Run the demo" })).toBeNull();
  });

  it("says why it cannot be read, and reads again", async () => {
    const host = new FakeHost();
    host.failures.set("image.list", failure("unavailable", "the engine closed the connection"));
    const { screen, user } = openWindow(host, "images");
    expect(await screen.findByRole("alert")).toHaveTextContent("the engine closed the connection");
    host.failures.clear();
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("No images yet")).toBeVisible();
  });
});
