import { Terminal as Xterm } from "@xterm/xterm";
import { describe, expect, it, vi } from "vitest";

import { fakeContainer, FakeHost } from "../../lib/host/fake";
import { openWindow, pick } from "../../test/render";

const opened = async (host = new FakeHost()) => {
  host.containers = [fakeContainer("web"), fakeContainer("db")];
  const { screen, user } = openWindow(host);
  const look = async (name: string) => {
    await user.click(await screen.findByRole("button", { name: `Show ${name}` }));
    await user.click(screen.getByRole("tab", { name: "Terminal" }));
    return screen.findByRole("textbox", { name: `Terminal in ${name}` });
  };
  await look("web");
  const says = async (text: string) => {
    const [first] = host.requests("terminal.open").slice(-1);
    await host.call("terminal.write", { stream_id: first?.stream_id ?? "", text });
  };
  const shown = () => document.querySelector(".xterm")?.textContent ?? "";
  return { screen, user, host, look, says, shown };
};

describe("a terminal", () => {
  it("lives on while one looks at another view or screen, with all that it said", async () => {
    const { screen, user, host, look, says, shown } = await opened();
    await says("before\r");
    await expect.poll(shown).toContain("before");
    await user.click(screen.getByRole("tab", { name: "Overview" }));
    expect(document.querySelector(".xterm")).toBeNull();
    await says("meanwhile\r");
    await user.click(screen.getByRole("button", { name: /^Images/ }));
    await user.click(screen.getByRole("button", { name: /^Containers/ }));
    await user.click(screen.getByRole("tab", { name: "Terminal" }));
    await screen.findByRole("textbox", { name: "Terminal in web" });
    await expect.poll(shown).toMatch(/before.*meanwhile/s);
    await look("db");
    expect(host.requests("terminal.open").map(({ id }) => id)).toEqual([host.containers[0]?.id, host.containers[1]?.id]);
    expect(host.requests("stream.close").filter(({ stream_id }) => stream_id.startsWith("terminal"))).toEqual([]);
  });

  it("is one of several, each with a tab that the keyboard reaches and closes", async () => {
    const { screen, user, host } = await opened();
    await user.click(screen.getByRole("button", { name: "New terminal" }));
    const second = await screen.findByRole("tab", { name: "Shell 2", selected: true });
    expect(host.requests("terminal.open")).toHaveLength(2);
    second.focus();
    await user.keyboard("{ArrowLeft}");
    expect(screen.getByRole("tab", { name: "Shell 1" })).toHaveFocus();
    expect(screen.getByRole("tabpanel", { name: "Shell 1" })).toBeVisible();
    await user.keyboard("{Delete}");
    await expect.poll(() => screen.queryByRole("tab", { name: "Shell 1" })).toBeNull();
    expect(screen.getByRole("tab", { name: "Shell 2" })).toHaveFocus();
    const [first] = host.requests("terminal.open");
    expect(host.requests("stream.close")).toContainEqual({ stream_id: first?.stream_id });
    await user.keyboard("{Delete}");
    expect(await screen.findByText("No terminal is open.")).toBeVisible();
    await expect.poll(() => document.activeElement).toBe(screen.getByRole("button", { name: "New terminal" }));
  });

  it("asks before it is closed while something runs in it, and names that", async () => {
    const { screen, user, host } = await opened();
    host.terminals.programs = ["vi /etc/hosts"];
    await user.click(await screen.findByRole("button", { name: "Close Shell 1" }));
    expect(await screen.findByRole("dialog", { name: "Close Shell 1?" })).toHaveTextContent("vi /etc/hosts");
    await user.click(screen.getByRole("button", { name: "Cancel" }));
    expect(screen.getByRole("tab", { name: "Shell 1" })).toBeVisible();
    // A program calls itself what it likes: neither endless, nor so that the sentence is read backwards.
    host.terminals.programs = [`\u202e${"x".repeat(5000)}`, ...Array.from({ length: 50 }, () => "cat")];
    await user.click(screen.getByRole("button", { name: "Close Shell 1" }));
    const asked = (await screen.findByRole("dialog", { name: "Close Shell 1?" })).textContent;
    expect(asked).toContain("xxx…, cat");
    expect(asked).not.toContain("\u202e");
    expect(asked.length).toBeLessThan(300);
  });

  it("runs another program as another user, both checked while they are typed", async () => {
    const { screen, user, host } = await opened();
    const [more] = screen.getAllByRole("button", { name: "More actions" }).slice(-1);
    more?.focus();
    await user.keyboard("{Enter}");
    await pick(user, "Another program or user…");
    await user.type(screen.getByRole("textbox", { name: "Program" }), "/bin/psql -c 'a b");
    expect(screen.getByText("A quotation mark is left open.")).toBeVisible();
    await user.type(screen.getByRole("textbox", { name: "Program" }), "'");
    await user.type(screen.getByRole("textbox", { name: "User" }), "postgres");
    expect(screen.getByText("docker --context naru exec -it -u postgres web /bin/psql -c 'a b'")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Open" }));
    expect(await screen.findByRole("tab", { name: "postgres@psql 2", selected: true })).toBeVisible();
    expect(host.requests("terminal.open")[1]).toMatchObject({ command: ["/bin/psql", "-c", "a b"], user: "postgres" });
  });

  it("is searched from its newest line up, by a key that its shell does not take", async () => {
    const { screen, user, says, shown } = await opened();
    await says("one error\rthe last error\r");
    await expect.poll(shown).toContain("the last error");
    const found = vi.spyOn(Xterm.prototype, "select");
    screen.getByRole("textbox", { name: "Terminal in web" }).focus();
    await user.keyboard("{Control>}{Shift>}F{/Shift}{/Control}");
    const field = screen.getByRole("searchbox", { name: "Search the terminal" });
    expect(field).toHaveFocus();

    await user.type(field, "error");
    const rows = () => found.mock.calls.map(([, row]) => row);
    const newest = rows().at(-1) ?? NaN;
    await user.keyboard("{Enter}");
    expect(rows().at(-1)).toBe(newest - 1);
    await user.click(screen.getByRole("button", { name: "Next match" }));
    expect(rows().at(-1)).toBe(newest);
    await user.type(field, "s");
    expect(screen.getByText("no match")).toBeVisible();
    expect(screen.getByRole("button", { name: "Next match" })).toHaveAttribute("aria-disabled", "true");

    await user.keyboard("{Escape}");
    expect(screen.queryByRole("searchbox", { name: "Search the terminal" })).toBeNull();
    expect(screen.getByRole("textbox", { name: "Terminal in web" })).toHaveFocus();
  });

  it("ends with its container", async () => {
    const { screen, user, host } = await opened();
    await user.click(screen.getByRole("button", { name: "Remove web" }));
    await user.click(screen.getByRole("button", { name: "Remove" }));
    const [first] = host.requests("terminal.open");
    await expect.poll(() => host.requests("stream.close")).toContainEqual({ stream_id: first?.stream_id });
  });
});
