import { within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";

import { failure, FakeHost, fakeSettings } from "../../lib/host/fake";
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

describe("the text size", () => {
  it("holds for the whole window at once", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "settings");
    await user.selectOptions(await screen.findByRole("combobox", { name: "Text size" }), "125%");
    await expect.poll(() => document.documentElement.style.zoom).toBe("125%");
    expect(host.settings.text_percent).toBe(125);
  });
});

describe("what closing the window does", () => {
  const box = { name: "Go on in the tray when the window is closed" };

  it("is set at once", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "settings");
    const choice = await screen.findByRole("checkbox", box);
    expect(choice).toBeChecked();
    expect(choice).toHaveAccessibleDescription(/quits Naru and stops the machine/);
    await user.click(choice);
    await expect.poll(() => host.settings.keep_in_tray).toBe(false);
  });

  it("is set apart from the start at log-in", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "settings");
    await user.click(await screen.findByRole("checkbox", { name: "Start Naru when I log in" }));
    await expect.poll(() => host.settings).toMatchObject({ start_at_login: true, keep_in_tray: true });
  });

  it("shows what is set after a change that was refused", async () => {
    const host = new FakeHost();
    host.failures.set("settings.set", failure("internal", "the disk is full"));
    const { screen, user } = openWindow(host, "settings");
    await user.click(await screen.findByRole("checkbox", box));
    expect(await screen.findByRole("alert")).toHaveTextContent("the disk is full");
    expect(screen.getByRole("checkbox", box)).toBeChecked();
  });
});

describe("what holds for all registries", () => {
  const form = async (host: FakeHost) => {
    const page = openWindow(host, "settings");
    return { ...page, form: within(await page.screen.findByRole("form", { name: "For all registries" })) };
  };

  it("is saved together, what an older Naru knew of them among it", async () => {
    const host = new FakeHost();
    host.settings = { ...fakeSettings, insecure_registries: ["old:5000"] };
    const { screen, user, form: fields } = await form(host);
    await user.type(fields.getByRole("textbox", { name: "Registries without encryption" }), "{Enter}localhost:5000");
    await user.type(fields.getByRole("textbox", { name: "Proxy for HTTPS" }), "http://proxy:3128");
    await user.click(fields.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("Saved")).toBeVisible();
    const { registries, insecure_registries } = host.settings;
    expect(registries.insecure).toEqual(["old:5000", "localhost:5000"]);
    expect(registries.https_proxy).toBe("http://proxy:3128");
    expect(insecure_registries).toEqual([]);
  });

  it.each([
    ["Registries without encryption", "http://x", "“http://x” is neither a host[:port] nor a range of addresses."],
    ["Proxy for plain HTTP", "proxy", "“proxy” is not a URL such as http://proxy.example.com:3128."],
    ["Certificate authorities", "hello", "“hello” does not belong to a certificate."],
  ])("says what is wrong with %s before anything is sent", async (name, typed, said) => {
    const host = new FakeHost();
    const { screen, user, form: fields } = await form(host);
    await user.type(fields.getByRole("textbox", { name }), typed);
    expect(screen.getByText(said)).toBeVisible();
    await user.click(fields.getByRole("button", { name: "Save" }));
    expect(host.requests("settings.set")).toEqual([]);
  });

  it("keeps what is set for single registries", async () => {
    const host = new FakeHost();
    const mine = { insecure: true, ca: "", client_certificate: "c", client_key: "k", mirrors: [], proxy: null };
    host.settings = { ...fakeSettings, registries: { ...fakeSettings.registries, hosts: { "mine:1": mine } } };
    const { screen, user, form: fields } = await form(host);
    await user.type(fields.getByRole("textbox", { name: "Reached without a proxy" }), "localhost");
    await user.click(fields.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("Saved")).toBeVisible();
    expect(host.settings.registries.hosts).toEqual({ "mine:1": mine });
  });
});

describe("the machine's settings", () => {
  it("are saved together, and only once they are right", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "settings");
    const memory = await screen.findByRole("spinbutton", { name: "Memory (MiB)" });
    const save = within(screen.getByRole("form", { name: "Machine" })).getByRole("button", { name: "Save" });
    expect(save).toHaveAttribute("aria-disabled", "true");
    await user.clear(memory);
    await user.type(memory, "100");
    expect(memory).toBeInvalid();
    expect(save).toHaveAttribute("aria-disabled", "true");
    await user.clear(memory);
    await user.type(memory, "4096");
    await user.click(save);
    expect(await screen.findByText("Saved")).toBeVisible();
    expect(host.settings.memory_mib).toBe(4096);
  });

  it("stay as typed when the app refuses them", async () => {
    const host = new FakeHost();
    host.failures.set("settings.set", failure("invalid_argument", "the setting cpus is refused: more than there are"));
    const { screen, user } = openWindow(host, "settings");
    const cpus = await screen.findByRole("spinbutton", { name: "Processors" });
    await user.clear(cpus);
    await user.type(cpus, "64");
    await user.click(within(screen.getByRole("form", { name: "Machine" })).getByRole("button", { name: "Save" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("more than there are");
    expect(cpus).toHaveValue(64);
  });
});
