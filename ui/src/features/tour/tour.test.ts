import { describe, expect, it } from "vitest";

import { fakeContainer, FakeHost, fakeSettings, fakeStatus } from "../../lib/host/fake";
import { openWindow, row } from "../../test/render";

/** Somebody who has just begun. */
const anew = () => {
  const host = new FakeHost();
  host.settings = { ...fakeSettings, tour: true };
  return host;
};

describe("the tour", () => {
  it("goes from an image to data that outlives its container, by the window's own forms", async () => {
    const host = anew();
    const { screen, user } = openWindow(host);
    const press = async (name: string) => user.click(await screen.findByRole("button", { name }));

    await press("Take the tour");
    expect(await screen.findByRole("heading", { name: "Images" })).toBeVisible();
    expect(screen.getByRole("heading", { name: "An image is what a container starts from" })).toBeVisible();
    await press("Next");

    await press("Run the image");
    expect(screen.getByRole("textbox", { name: "Name" })).toHaveValue("first");
    await press("Run");
    expect(await screen.findByText(/It has done its work/)).toBeVisible();
    expect(await row("first")).toBeTruthy();
    await press("Next");

    await press("Run it with a volume");
    expect(screen.getByRole("combobox", { name: "Volume name" })).toHaveValue("diary");
    await press("Run");
    expect(await screen.findByText(/Its output is what the file has now/)).toBeVisible();
    await press("Next");

    await press("Throw it away");
    expect(screen.getByRole("dialog", { name: "Remove diary?" })).toHaveTextContent("named volumes stay");
    await press("Remove");
    expect(await screen.findByText(/The volume is still there/)).toBeVisible();
    await press("Next");

    await press("Run it anew");
    await press("Run");
    expect(await screen.findByText(/with a new line below/)).toBeVisible();
    const [, once, again] = host.requests("container.run");
    expect(again).toEqual(once);
    await press("Finish");
    expect(screen.queryByRole("complementary", { name: "Tour" })).toBeNull();
  });

  it("is read from its title on at each step", async () => {
    const { screen, user } = openWindow(anew());
    await user.click(await screen.findByRole("button", { name: "Take the tour" }));
    const first = screen.getByRole("heading", { name: "An image is what a container starts from" });
    await expect.poll(() => document.activeElement).toBe(first);
    screen.getByRole("button", { name: "Next" }).focus();
    await user.keyboard("{Enter}");
    await expect.poll(() => document.activeElement).toBe(
      screen.getByRole("heading", { name: "A container is an image at work" }),
    );
    await user.click(screen.getByRole("button", { name: "End the tour" }));
    await expect.poll(() => document.activeElement).toBe(screen.getByRole("heading", { name: "Images" }));
  });

  it("waits for its own container, and can be ended before", async () => {
    const host = anew();
    const { screen, user } = openWindow(host);
    await user.click(await screen.findByRole("button", { name: "Take the tour" }));
    await user.click(screen.getByRole("button", { name: "Next" }));
    await user.click(screen.getByRole("button", { name: "Run the image" }));
    await user.click(screen.getByRole("button", { name: "Cancel" }));
    await user.click(screen.getByRole("button", { name: "Run the demo" }));
    expect(screen.getByRole("textbox", { name: "Name" })).toHaveValue("");
    await user.click(screen.getByRole("button", { name: "Run" }));
    await row("quiet_river");
    expect(screen.getByRole("button", { name: "Run the image" })).toBeVisible();
    await user.click(screen.getByRole("button", { name: "End the tour" }));
    expect(screen.queryByRole("complementary", { name: "Tour" })).toBeNull();
  });

  it("takes names that are free", async () => {
    const host = anew();
    host.containers = [fakeContainer("first"), fakeContainer("first-2")];
    const { screen, user } = openWindow(host, "settings");
    await user.click(await screen.findByRole("button", { name: "Take the tour" }));
    await user.click(screen.getByRole("button", { name: "Next" }));
    await user.click(screen.getByRole("button", { name: "Run the image" }));
    expect(screen.getByRole("textbox", { name: "Name" })).toHaveValue("first-3");
  });
});

describe("the offer", () => {
  it("is made to who has no container, and not again to who has declined", async () => {
    const host = anew();
    const { screen, user } = openWindow(host);
    await user.click(await screen.findByRole("button", { name: "No, thanks" }));
    await expect.poll(() => screen.queryByRole("complementary", { name: "Tour" })).toBeNull();
    expect(host.settings.tour).toBe(false);
    await expect.poll(() => document.activeElement).toBe(screen.getByRole("heading", { name: "Containers" }));
  });

  it("is not made to who has containers", async () => {
    const host = anew();
    host.containers = [fakeContainer("web")];
    const { screen } = openWindow(host);
    await row("web");
    expect(screen.queryByRole("complementary", { name: "Tour" })).toBeNull();
  });

  it("is not made where no image came along", async () => {
    const host = anew();
    host.info = { ...host.info, demo_image: "" };
    const { screen } = openWindow(host);
    await screen.findByRole("heading", { name: "No containers yet" });
    expect(screen.queryByRole("complementary", { name: "Tour" })).toBeNull();
  });
});

describe("later", () => {
  it("it is found in the palette", async () => {
    const { screen, user } = openWindow(new FakeHost());
    await screen.findByRole("heading", { name: "No containers yet" });
    await user.keyboard("{Control>}k{/Control}");
    await user.type(screen.getByRole("combobox"), "take the tour");
    await user.keyboard("{Enter}");
    expect(await screen.findByText("Step 1 of 5")).toBeVisible();
  });

  it("settings say why it cannot be taken now", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("failed");
    const { screen } = openWindow(host, "settings");
    const button = await screen.findByRole("button", { name: "Take the tour" });
    expect(button).toHaveAttribute("aria-disabled", "true");
    expect(button).toHaveAttribute("title", "needs the machine");
  });
});
