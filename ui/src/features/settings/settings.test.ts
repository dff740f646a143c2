import { describe, expect, it } from "vitest";

import { failure, FakeHost } from "../../lib/host/fake";
import { openWindow } from "../../test/render";

describe("appearance", () => {
  it("changes the language at once, the page's own too", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "settings");
    await user.selectOptions(await screen.findByRole("combobox", { name: "Language" }), "ko");
    expect(await screen.findByRole("heading", { name: "설정" })).toBeVisible();
    expect(document.documentElement.lang).toBe("ko");
  });

  it("changes the theme at once and takes it back", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "settings");
    const theme = await screen.findByRole("combobox", { name: "Theme" });
    await user.selectOptions(theme, "dark");
    await expect.poll(() => document.documentElement.dataset["theme"]).toBe("dark");
    await user.selectOptions(theme, "system");
    await expect.poll(() => document.documentElement.dataset["theme"]).toBeUndefined();
  });
});

describe("the machine's settings", () => {
  it("are saved together, and only once they are right", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "settings");
    const memory = await screen.findByRole("spinbutton", { name: "Memory (MiB)" });
    const save = screen.getByRole("button", { name: "Save" });
    expect(save).toHaveAttribute("aria-disabled", "true");
    await user.clear(memory);
    await user.type(memory, "100");
    expect(memory).toBeInvalid();
    expect(save).toHaveAttribute("aria-disabled", "true");
    await user.clear(memory);
    await user.type(memory, "4096");
    await user.type(screen.getByRole("textbox", { name: "Registries without encryption" }), "localhost:5000");
    await user.click(save);
    expect(await screen.findByText("Saved")).toBeVisible();
    expect(host.settings.memory_mib).toBe(4096);
    expect(host.settings.insecure_registries).toEqual(["localhost:5000"]);
  });

  it("name the line that is no registry", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "settings");
    await user.type(await screen.findByRole("textbox", { name: "Registries without encryption" }), "http://x");
    expect(screen.getByText("“http://x” is not a host[:port].")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Save" }));
    expect(host.requests("settings.set")).toHaveLength(0);
  });

  it("stay as typed when the app refuses them", async () => {
    const host = new FakeHost();
    host.failures.set("settings.set", failure("invalid_argument", "the setting cpus is refused: more than there are"));
    const { screen, user } = openWindow(host, "settings");
    const cpus = await screen.findByRole("spinbutton", { name: "Processors" });
    await user.clear(cpus);
    await user.type(cpus, "64");
    await user.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("more than there are");
    expect(cpus).toHaveValue(64);
  });
});
