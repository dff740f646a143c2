import { describe, expect, it } from "vitest";

import { chunk, failure, fakeContainer, FakeHost, fakeImage, fakePort } from "../../lib/host/fake";
import { openWindow, row } from "../../test/render";

const withContainers = () => {
  const host = new FakeHost();
  host.containers = [
    fakeContainer("web", { ports: [fakePort(8080, 80)] }),
    fakeContainer("old", { state: "exited", status: "Exited (137) 2 hours ago" }),
  ];
  return host;
};

describe("the list", () => {
  it("says each state in words, with the exit status", async () => {
    openWindow(withContainers());
    expect((await row("web")).getByText("Running")).toBeVisible();
    expect((await row("old")).getByText("Exited (137)")).toBeVisible();
  });

  it("stops and starts by the row's own buttons", async () => {
    const host = withContainers();
    const { user } = openWindow(host);
    await user.click((await row("web")).getByRole("button", { name: "Stop web" }));
    expect(await (await row("web")).findByText("Exited")).toBeVisible();
    await user.click((await row("old")).getByRole("button", { name: "Start old" }));
    expect(await (await row("old")).findByText("Running")).toBeVisible();
  });

  it("shows what is under way and takes no second press", async () => {
    const host = withContainers();
    host.hanging.add("container.restart");
    const { user } = openWindow(host);
    await user.click((await row("web")).getByRole("button", { name: "Restart web" }));
    expect(await (await row("web")).findByText("Restarting…")).toBeVisible();
    await user.click((await row("web")).getByRole("button", { name: "Stop web" }));
    expect(host.requests("container.stop")).toHaveLength(0);
  });

  it("keeps the focus where it was when a press changes the state", async () => {
    const { screen, user } = openWindow(withContainers());
    (await row("web")).getByRole("button", { name: "Stop web" }).focus();
    await user.keyboard("{Enter}");
    expect(await screen.findByRole("button", { name: "Start web" })).toHaveFocus();
  });

  it("puts the focus on its title when the row that had it is removed", async () => {
    const { screen, user } = openWindow(withContainers());
    (await row("web")).getByRole("button", { name: "Remove web" }).focus();
    await user.keyboard("{Enter}");
    screen.getByRole("button", { name: "Remove" }).focus();
    await user.keyboard("{Enter}");
    await expect.poll(() => document.activeElement).toBe(screen.getByRole("heading", { name: "Containers" }));
  });

  it("asks before it kills and removes a running one", async () => {
    const host = withContainers();
    const { screen, user } = openWindow(host);
    await user.click((await row("web")).getByRole("button", { name: "Remove web" }));
    expect(screen.getByRole("dialog", { name: "Remove web?" })).toHaveTextContent("will be killed");
    await user.click(screen.getByRole("button", { name: "Remove" }));
    await expect.poll(() => screen.queryByRole("row", { name: /web/ })).toBeNull();
    expect(host.requests("container.remove")[0]?.force).toBe(true);
  });

  it("closes the question on Escape and gives the focus back", async () => {
    const host = withContainers();
    const { screen, user } = openWindow(host);
    const button = (await row("web")).getByRole("button", { name: "Remove web" });
    await user.click(button);
    screen.getByRole("dialog").dispatchEvent(new Event("cancel", { cancelable: true }));
    await expect.poll(() => screen.queryByRole("dialog")).toBeNull();
    expect(button).toHaveFocus();
    expect(host.requests("container.remove")).toHaveLength(0);
  });

  it("explains what could not be done", async () => {
    const host = withContainers();
    host.failures.set("container.start", failure("conflict", "port 8080 is already in use"));
    const { screen, user } = openWindow(host);
    await user.click((await row("old")).getByRole("button", { name: "Start old" }));
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("old");
    expect(alert).toHaveTextContent("port 8080 is already in use");
  });

  it("opens a published port in the browser", async () => {
    const host = withContainers();
    const { user } = openWindow(host);
    await user.click((await row("web")).getByRole("button", { name: "Open port 8080 in the browser" }));
    expect(host.opened).toEqual(["http://localhost:8080/"]);
  });

  it("tells a port of two protocols apart, and opens the one that a browser speaks", async () => {
    const host = new FakeHost();
    host.containers = [fakeContainer("dns", { ports: [fakePort(5353, 53), fakePort(5353, 53, "udp")] })];
    openWindow(host);
    const dns = await row("dns");
    expect(dns.getByText("5353 → 53/udp")).toBeVisible();
    expect(dns.getAllByRole("button", { name: /^Open port/ })).toHaveLength(1);
  });

  it("leads to the images when there is nothing yet", async () => {
    const { screen, user } = openWindow(new FakeHost());
    await user.click(await screen.findByRole("button", { name: "Go to images" }));
    expect(screen.getByRole("heading", { name: "Images" })).toBeVisible();
  });
});

describe("running", () => {
  it("runs what was entered and shows the new container", async () => {
    const host = new FakeHost();
    host.images = [fakeImage("busybox:latest")];
    const { screen, user } = openWindow(host, "images");
    await user.click(await screen.findByRole("button", { name: "Run busybox:latest" }));
    await user.type(screen.getByRole("textbox", { name: "Name" }), "hello");
    await user.type(screen.getByRole("textbox", { name: "Command" }), "echo hi");
    await user.click(screen.getByRole("button", { name: "Run" }));
    expect(await screen.findByRole("heading", { name: "hello" })).toBeVisible();
    expect(host.requests("container.run")[0]?.command).toEqual(["echo", "hi"]);
  });

  it("says what is wrong while it is typed, and keeps Run shut", async () => {
    const host = new FakeHost();
    host.images = [fakeImage("busybox:latest")];
    const { screen, user } = openWindow(host, "images");
    await user.click(await screen.findByRole("button", { name: "Run busybox:latest" }));
    await user.type(screen.getByRole("textbox", { name: "Name" }), "-");
    expect(screen.getByRole("textbox", { name: "Name" })).toBeInvalid();
    expect(screen.getByRole("button", { name: "Run" })).toBeDisabled();
  });

  it("keeps the dialog and its fields when the engine refuses", async () => {
    const host = new FakeHost();
    host.images = [fakeImage("busybox:latest")];
    host.failures.set("container.run", failure("conflict", 'The container name "/web" is already in use'));
    const { screen, user } = openWindow(host, "images");
    await user.click(await screen.findByRole("button", { name: "Run busybox:latest" }));
    await user.type(screen.getByRole("textbox", { name: "Name" }), "web");
    await user.click(screen.getByRole("button", { name: "Run" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("already in use");
    expect(screen.getByRole("textbox", { name: "Name" })).toHaveValue("web");
  });
});

describe("the details", () => {
  it("are left and entered with F6, and closed without losing the focus", async () => {
    const { screen, user } = openWindow(withContainers());
    const name = await screen.findByRole("button", { name: "Show web" });
    await user.click(name);
    screen.getByRole("log").focus();
    await user.keyboard("{F6}");
    expect(name).toHaveFocus();
    await user.keyboard("{F6}");
    expect(screen.getByRole("tab", { name: "Logs" })).toHaveFocus();
    await user.click(screen.getByRole("button", { name: "Close" }));
    expect(screen.queryByRole("tab")).toBeNull();
    expect(name).toHaveFocus();
  });

  it("have the focus when they come from the run dialog", async () => {
    const host = new FakeHost();
    host.images = [fakeImage("busybox:latest")];
    const { screen, user } = openWindow(host, "images");
    await user.click(await screen.findByRole("button", { name: "Run busybox:latest" }));
    await user.type(screen.getByRole("textbox", { name: "Name" }), "hello");
    await user.click(screen.getByRole("button", { name: "Run" }));
    await expect.poll(() => document.activeElement?.textContent).toBe("hello");
  });

  it("let F6 out of the terminal, which takes Tab for itself", async () => {
    const { screen, user } = openWindow(withContainers());
    const name = await screen.findByRole("button", { name: "Show web" });
    await user.click(name);
    await user.click(screen.getByRole("tab", { name: "Terminal" }));
    const terminal = await screen.findByRole("textbox", { name: "Terminal in web" });
    expect(terminal).toHaveFocus();
    await user.keyboard("{F6}");
    expect(name).toHaveFocus();
  });
});

describe("the log", () => {
  it("shows output as text, never as markup, and tells error output apart", async () => {
    const host = withContainers();
    host.log = [chunk("stdout", "\u001b[1mhello\u001b[0m\n"), chunk("stderr", "<img src=x>\n"), chunk("end", "")];
    const { screen, user } = openWindow(host);
    await user.click(await screen.findByRole("button", { name: "Show web" }));
    const log = screen.getByRole("log", { name: "Output of web" });
    await expect.poll(() => log.textContent).toContain("hello");
    expect(log.textContent).toContain("<img src=x>");
    expect(log.querySelector("img")).toBeNull();
    expect(log.textContent).toContain("error output");
    expect(screen.getByText("The output has ended.")).toBeVisible();
  });

  it("holds still for who reads wrapped lines, until the newest are wanted again", async () => {
    const host = withContainers();
    host.log = [chunk("stdout", "one\n".repeat(1000))];
    const { screen, user } = openWindow(host);
    await user.click(await screen.findByRole("button", { name: "Show web" }));
    const log = screen.getByRole("log", { name: "Output of web" });
    await expect.poll(() => log.textContent).toContain("one");
    await user.click(screen.getByRole("checkbox", { name: "Follow" }));
    host.sayMore(chunk("stdout", "two\n"));
    await user.type(screen.getByRole("searchbox", { name: "Search the output" }), "two");
    expect(await screen.findByText("1 match")).toBeVisible();
    expect(log.textContent).not.toContain("two");
    await user.click(screen.getByRole("checkbox", { name: "Follow" }));
    expect(log.textContent).toContain("two");
  });

  it("ends the stream with the view", async () => {
    const host = withContainers();
    const { screen, user } = openWindow(host);
    await user.click(await screen.findByRole("button", { name: "Show web" }));
    await user.click(screen.getByRole("button", { name: "Close" }));
    const [opened] = host.requests("container.logs");
    expect(host.requests("stream.close")).toEqual([{ stream_id: opened?.stream_id }]);
  });
});
