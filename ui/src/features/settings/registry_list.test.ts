import { within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";

import { failure, FakeHost, fakeSettings, fakeStatus } from "../../lib/host/fake";
import { openWindow } from "../../test/render";

const block = (kind: string, text: string) => `-----BEGIN ${kind}-----\n${text}\n-----END ${kind}-----\n`;
const pem = (name: string, ...blocks: string[]) => new File([`What a tool says first.\n${blocks.join("")}`], name);
const certificate = block("CERTIFICATE", "MIIB");
const key = block("EC PRIVATE KEY", "MHcC");
const mine = { insecure: true, ca: certificate, client_certificate: certificate, client_key: key, mirrors: ["m:1"], proxy: "" };

const withMine = () => {
  const host = new FakeHost();
  host.settings = { ...fakeSettings, registries: { ...fakeSettings.registries, hosts: { "mine:1": mine } } };
  return host;
};

const open = async (host: FakeHost) => {
  const page = openWindow(host, "settings");
  return { ...page, list: within(await page.screen.findByRole("group", { name: "Registries" })) };
};

const adding = async (host: FakeHost) => {
  const page = await open(host);
  await page.user.click(page.list.getByRole("button", { name: "Add registry…" }));
  return { ...page, dialog: within(await page.screen.findByRole("dialog", { name: "Add a registry" })) };
};

describe("the registries", () => {
  it("are listed with what is set for each, Docker Hub first", async () => {
    const { list } = await open(withMine());
    expect(list.getAllByRole("listitem").map((item) => item.textContent)).toEqual([
      expect.stringMatching(/Docker Hub.*As all registries/),
      expect.stringMatching(
        /mine:1.*Without encryption · Certificate authorities of its own · Client certificate · 1 mirror · Without a proxy/,
      ),
    ]);
    expect(list.queryByRole("button", { name: "Remove Docker Hub" })).toBeNull();
  });

  it("are added with certificates from files, without what stands around them", async () => {
    const host = new FakeHost();
    const { user, dialog, list } = await adding(host);
    await user.type(dialog.getByRole("textbox", { name: "Registry" }), "registry.example:5000");
    await user.upload(dialog.getByLabelText("Certificate authorities"), pem("ca.pem", certificate, certificate));
    expect(await dialog.findByText("2 certificates")).toBeVisible();
    await user.upload(dialog.getByLabelText("Client certificate"), pem("both.pem", certificate, key));
    expect(await dialog.findByText("A private key")).toBeVisible();
    expect(dialog.queryByText(/MHcC/)).toBeNull();
    await user.selectOptions(dialog.getByRole("combobox", { name: "Proxy" }), "A proxy of its own");
    await user.type(await dialog.findByRole("textbox", { name: "Address of the proxy" }), "http://proxy:3128");
    await user.click(dialog.getByRole("button", { name: "Save" }));
    expect(await list.findByText("registry.example:5000")).toBeVisible();
    expect(host.settings.registries.hosts).toEqual({
      "registry.example:5000": {
        insecure: false,
        ca: certificate + certificate,
        client_certificate: certificate,
        client_key: key,
        mirrors: [],
        proxy: "http://proxy:3128",
      },
    });
  });

  it("are checked while one types, and nothing wrong is sent", async () => {
    const host = withMine();
    const { user, dialog } = await adding(host);
    const name = dialog.getByRole("textbox", { name: "Registry" });
    for (const [typed, said] of [
      ["http://x", "“http://x” is not a host[:port]."],
      ["mine:1", "There are settings for “mine:1” already."],
    ] as const) {
      await user.clear(name);
      await user.type(name, typed);
      expect(dialog.getByText(said)).toBeVisible();
    }
    await user.clear(name);
    await user.type(name, "fine:1");
    await user.type(dialog.getByRole("textbox", { name: "Mirrors" }), "not a mirror");
    expect(dialog.getByText("“not a mirror” is neither a host[:port] nor a URL.")).toBeVisible();
    await user.upload(dialog.getByLabelText("Client certificate"), pem("mine.crt", certificate));
    expect(await dialog.findByText("A client certificate and its key belong together.")).toBeVisible();
    await user.upload(dialog.getByLabelText("Client key"), pem("locked.pem", block("ENCRYPTED PRIVATE KEY", "MHcC")));
    expect(await dialog.findByText(/“locked.pem” has nothing of this in it/)).toBeVisible();
    await user.click(dialog.getByRole("button", { name: "Save" }));
    expect(host.requests("settings.set")).toEqual([]);
  });

  it("are changed, and keep what was not", async () => {
    const host = withMine();
    const { user, list, screen } = await open(host);
    await user.click(list.getByRole("button", { name: "Change mine:1" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Settings for mine:1" }));
    await user.click(dialog.getByRole("checkbox", { name: /^Without encryption/ }));
    await user.click(dialog.getByRole("button", { name: "Remove: Certificate authorities" }));
    await user.type(dialog.getByRole("textbox", { name: "Mirrors" }), "{Enter}https://m.example");
    await user.click(dialog.getByRole("button", { name: "Save" }));
    await expect.poll(() => host.settings.registries.hosts["mine:1"]).toEqual({
      ...mine,
      insecure: false,
      ca: "",
      mirrors: ["m:1", "https://m.example"],
    });
  });

  it("stay as typed where the engine refuses them", async () => {
    const host = withMine();
    host.failures.set("settings.set", failure("invalid_argument", "mine:1: the certificate is unusable"));
    const { user, list, screen } = await open(host);
    await user.click(list.getByRole("button", { name: "Change Docker Hub" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Settings for Docker Hub" }));
    const mirrors = dialog.getByRole("textbox", { name: "Mirrors" });
    await user.type(mirrors, "https://m.example");
    await user.click(dialog.getByRole("button", { name: "Save" }));
    expect(await dialog.findByRole("alert")).toHaveTextContent("the certificate is unusable");
    expect(mirrors).toHaveValue("https://m.example");
    await user.click(dialog.getByRole("button", { name: "Cancel" }));
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("are removed after a question", async () => {
    const host = withMine();
    const { user, list, screen } = await open(host);
    await user.click(list.getByRole("button", { name: "Remove mine:1" }));
    const question = within(await screen.findByRole("dialog", { name: "Remove what is set for mine:1?" }));
    await user.click(question.getByRole("button", { name: "Remove" }));
    await expect.poll(() => host.settings.registries.hosts).toEqual({});
    expect(list.queryByText("mine:1")).toBeNull();
    await expect.poll(() => document.activeElement).toBe(list.getByRole("heading", { name: "Registries" }));
  });
});

describe("who is logged in", () => {
  it("stands beside each registry, and logs out of one", async () => {
    const host = new FakeHost();
    host.accounts = [
      { registry: "", username: "" },
      { registry: "ghcr.io", username: "mina" },
    ];
    const { user, list, screen } = await open(host);
    expect(await list.findByText("Logged in by a token")).toBeVisible();
    expect(list.getByText("Logged in as mina")).toBeVisible();
    await user.click(list.getByRole("button", { name: "Log out of ghcr.io" }));
    const question = within(await screen.findByRole("dialog", { name: "Log out of ghcr.io?" }));
    expect(host.requests("registry.logout")).toEqual([]);
    await user.click(question.getByRole("button", { name: "Log out" }));
    expect(await screen.findByText("Logged out of ghcr.io")).toBeVisible();
    expect(list.queryByText("ghcr.io")).toBeNull();
    await expect.poll(() => document.activeElement).toBe(list.getByRole("heading", { name: "Registries" }));
    expect(host.requests("registry.logout")).toEqual([{ registry: "ghcr.io" }]);
  });

  it("is read anew after a log-in", async () => {
    const { user, list, screen } = await open(new FakeHost());
    await user.click(list.getByRole("button", { name: "Log in to Docker Hub" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Log in to a registry" }));
    await user.type(dialog.getByRole("textbox", { name: "User name" }), "mina");
    await user.type(dialog.getByLabelText("Password or token"), "secret");
    await user.click(dialog.getByRole("button", { name: "Log in" }));
    expect(await list.findByText("Logged in as mina")).toBeVisible();
  });

  it("takes no log-in while the machine is off, and says why", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("stopped");
    host.failures.set("machine.start", failure("unavailable", "it does not start"));
    const { user, list, screen } = await open(host);
    const button = list.getByRole("button", { name: "Log in to Docker Hub" });
    await expect.poll(() => button.getAttribute("aria-disabled")).toBe("true");
    expect(button).toHaveAttribute("title", "The machine has to run: it asks the registry.");
    await user.click(button);
    expect(screen.queryByRole("dialog")).toBeNull();
  });

  it("cannot be told where the program that keeps secrets is missing", async () => {
    const host = new FakeHost();
    host.failures.set("registry.accounts", failure("internal", "cannot ask the program that keeps secrets"));
    const { list } = await open(host);
    expect(await list.findByRole("alert")).toHaveTextContent("cannot ask the program that keeps secrets");
    expect(list.getByText("Docker Hub")).toBeVisible();
  });
});
