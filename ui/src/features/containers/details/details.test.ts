import { within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";

import {
  chunk,
  failure,
  fakeContainer,
  fakeContainerDetails,
  fakeEntry,
  FakeHost,
  fakeImage,
  fakeNetwork,
  fakeSample,
  fakeVolume,
} from "../../../lib/host/fake";
import { openWindow, pick } from "../../../test/render";

const opened = async (host: FakeHost, tab?: string) => {
  host.containers = [fakeContainer("web")];
  const page = openWindow(host);
  await page.user.click(await page.screen.findByRole("button", { name: "Show web" }));
  if (tab !== undefined) await page.user.click(page.screen.getByRole("tab", { name: tab }));
  return page;
};

describe("the overview", () => {
  it("says what the container is made of, and opens its ports", async () => {
    const host = new FakeHost();
    host.close.details = fakeContainerDetails({
      ports: [
        { container_port: 80, protocol: "tcp", host_ip: "127.0.0.1", host_port: 8080 },
        { container_port: 443, protocol: "tcp", host_ip: "", host_port: 0 },
      ],
      mounts: [{ kind: "volume", source: "data", destination: "/data", read_only: true }],
      restart_policy: "on-failure:3",
      memory_bytes: 64_000_000,
      health: { status: "unhealthy", failing: 3, output: "refused" },
    });
    const { screen, user } = await opened(host, "Overview");
    const panel = within(screen.getByRole("tabpanel"));
    expect(await panel.findByText("Unhealthy")).toBeVisible();
    expect(panel.getByText("refused")).toBeVisible();
    expect(panel.getByText("/data")).toBeVisible();
    expect(panel.getByText("not published")).toBeVisible();
    expect(panel.getByText("It is started again when it failed, at most 3 times")).toBeVisible();
    expect(panel.getByText("64 MB")).toBeVisible();
    await user.click(panel.getByRole("button", { name: "Open port 8080 in the browser" }));
    expect(host.opened).toEqual(["http://localhost:8080/"]);
  });

  it("leads to the container's image, volumes and networks", async () => {
    const host = new FakeHost();
    const image = fakeImage("nginx:1.29");
    host.images = [image];
    host.volumes = [fakeVolume("data")];
    host.networks = [fakeNetwork("shop")];
    host.close.details = fakeContainerDetails({
      image: "nginx:1.29",
      image_id: image.id,
      mounts: [{ kind: "volume", source: "data", destination: "/data", read_only: false }],
      networks: [{ network: "shop", address: "172.18.0.2/16", gateway: "", names: [] }],
    });
    const { screen, user } = await opened(host, "Overview");
    for (const [name, view] of [["nginx:1.29", "Images"], ["data", "Volumes"], ["shop", "Networks"]] as const) {
      await user.click(await screen.findByRole("button", { name: `Show ${name}` }));
      expect(await screen.findByRole("heading", { name, level: 2 })).toBeVisible();
      expect(screen.getByRole("button", { name: view })).toHaveAttribute("aria-current", "page");
      expect(screen.getByRole("button", { name: `Show ${name}` })).toHaveAttribute("aria-expanded", "true");
      await user.click(within(screen.getByRole("navigation")).getByRole("button", { name: "Containers" }));
    }
  });

  it("leads to no image that is not here any more", async () => {
    const host = new FakeHost();
    host.close.details = fakeContainerDetails({ image: "nginx:1.29" });
    const { screen } = await opened(host, "Overview");
    expect(await screen.findByText("nginx:1.29", { selector: "dd" })).toBeVisible();
  });

  it("hides what looks like a secret until it is asked for", async () => {
    const host = new FakeHost();
    host.close.details = fakeContainerDetails({ env: ["DB_PASSWORD=hush", "PORT=80", "EMPTY"] });
    const { screen, user } = await opened(host, "Overview");
    expect(await screen.findByText("80")).toBeVisible();
    expect(screen.queryByText("hush")).toBeNull();
    await user.click(screen.getByRole("button", { name: "Show values" }));
    expect(screen.getByText("hush")).toBeVisible();
  });

  it("shows a variable that is there twice twice", async () => {
    const host = new FakeHost();
    host.close.details = fakeContainerDetails({ env: ["MODE=slow", "MODE=fast"] });
    const { screen } = await opened(host, "Overview");
    expect(await screen.findByText("slow")).toBeVisible();
    expect(screen.getByText("fast")).toBeVisible();
  });

  it("tells what went wrong, and reads again", async () => {
    const host = new FakeHost();
    host.failures.set("container.details", failure("unavailable", "no answer"));
    const { screen, user } = await opened(host, "Overview");
    expect(await screen.findByRole("alert")).toHaveTextContent("no answer");
    host.failures.clear();
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("nginx:1.29")).toBeVisible();
  });
});

describe("the views", () => {
  const selected = (screen: Awaited<ReturnType<typeof opened>>["screen"]) =>
    screen.getAllByRole("tab").find((tab) => tab.getAttribute("aria-selected") === "true")?.textContent.trim();

  it("stay the same from container to container, but no shell is opened unasked", async () => {
    const host = new FakeHost();
    host.containers = [fakeContainer("web"), fakeContainer("db")];
    const { screen, user } = openWindow(host);
    await user.click(await screen.findByRole("button", { name: "Show web" }));
    await user.click(screen.getByRole("tab", { name: "Overview" }));
    await user.click(screen.getByRole("button", { name: "Show db" }));
    expect(selected(screen)).toBe("Overview");
    await user.click(screen.getByRole("tab", { name: "Terminal" }));
    await user.click(screen.getByRole("button", { name: "Show web" }));
    expect(selected(screen)).toBe("Logs");
  });
});

describe("the activity", () => {
  it("says what is used in numbers and a described picture", async () => {
    const host = new FakeHost();
    host.close.samples = [
      fakeSample(1, { cpus: 0.5 }),
      fakeSample(2, { received: 2_000_000, memory_bytes: 40_000_000 }),
    ];
    const { screen } = await opened(host, "Activity");
    const cpu = await screen.findByRole("img", { name: /^Processor/ });
    expect(cpu).toHaveAccessibleName("Processor over the last two minutes: now 12%, at most 50%");
    expect(screen.getByText("40 MB")).toBeVisible();
    expect(screen.getByText(/↓ 2 MB\/s/)).toBeVisible();
    expect(await screen.findByRole("cell", { name: "nginx: master process" })).toBeVisible();
  });

  it("asks for nothing of a container that does not run", async () => {
    const host = new FakeHost();
    host.containers = [fakeContainer("web", { state: "exited", status: "Exited (0) a minute ago" })];
    const { screen, user } = openWindow(host);
    await user.click(await screen.findByRole("button", { name: "Show web" }));
    await user.click(screen.getByRole("tab", { name: "Activity" }));
    expect(screen.getByText("What it uses is shown while it runs.")).toBeVisible();
    expect(host.requests("container.stats")).toEqual([]);
  });

  it("ends the stream with the view", async () => {
    const host = new FakeHost();
    const { screen, user } = await opened(host, "Activity");
    await user.click(screen.getByRole("tab", { name: "Inspect" }));
    const [stats] = host.requests("container.stats");
    expect(host.requests("stream.close").map(({ stream_id }) => stream_id)).toContain(stats?.stream_id);
  });
});

describe("the output", () => {
  const time = "2026-11-26T10:00:00.120000000Z";

  it("is searched and narrowed down, and its times shown when they are wanted", async () => {
    const host = new FakeHost();
    host.log = [chunk("stdout", `${time} one error\n${time} two\n${time} an ERROR more\n`)];
    const { screen, user } = await opened(host);
    const log = screen.getByRole("log");
    await expect.poll(() => log.textContent).toContain("two");
    expect(log.textContent).not.toContain("2026");
    await user.type(screen.getByRole("searchbox", { name: "Search the output" }), "error");
    expect(screen.getByText("2 matches")).toBeVisible();
    expect([...log.querySelectorAll("mark")].map((mark) => mark.textContent)).toEqual(["error", "ERROR"]);
    await user.click(screen.getByRole("checkbox", { name: "Only lines with it" }));
    expect(log.textContent).not.toContain("two");
    await user.click(screen.getByRole("checkbox", { name: "Times" }));
    expect(log.textContent).toMatch(/:00:00\.120/);
  });

  it("is searched by a key, but not below a dialog", async () => {
    const { screen, user } = await opened(new FakeHost());
    await user.keyboard("{Control>}f{/Control}");
    const search = screen.getByRole("searchbox", { name: "Search the output" });
    expect(search).toHaveFocus();
    search.blur();
    await user.keyboard("{Control>}k{/Control}");
    await user.keyboard("{Control>}f{/Control}");
    expect(search).not.toHaveFocus();
  });

  it("has its colours, as long as nothing is looked for", async () => {
    const host = new FakeHost();
    host.log = [chunk("stdout", "\u001b[32mready\u001b[0m to go\n")];
    const { screen, user } = await opened(host);
    const log = screen.getByRole("log");
    await expect.poll(() => log.querySelector(".green")?.textContent).toBe("ready");
    await user.type(screen.getByRole("searchbox", { name: "Search the output" }), "ready to");
    expect(log.querySelector("mark")).toHaveTextContent("ready to");
  });

  it("is saved by the app where the person says", async () => {
    const host = new FakeHost();
    host.chosen.push("/home/mina/web.log");
    const { screen, user } = await opened(host);
    await user.click(screen.getByRole("button", { name: "Save to a file" }));
    expect(await screen.findByText("The output of web was saved")).toBeVisible();
    const [saved] = host.requests("container.save_logs");
    expect(saved).toMatchObject({ path: "/home/mina/web.log", timestamps: false });
  });
});

describe("the files", () => {
  const host = () => {
    const made = new FakeHost();
    made.close.folders.set("/", {
      entries: [
        fakeEntry("etc", { kind: "folder" }),
        fakeEntry("lib", { kind: "link", target: "/usr/lib", to_folder: true }),
        fakeEntry("motd"),
      ],
      more: false,
    });
    made.close.folders.set("/etc", { entries: [fakeEntry("hosts", { size: 9 })], more: false });
    made.close.folders.set("/usr/lib", { entries: [fakeEntry("os-release")], more: false });
    made.close.texts.set("/etc/hosts", { text: "127.0.0.1", size: 9 });
    return made;
  };

  it("are walked through by folder and link, and shown", async () => {
    const { screen, user } = await opened(host(), "Files");
    await user.click(await screen.findByRole("button", { name: "Open lib" }));
    expect(await screen.findByRole("button", { name: "Open os-release" })).toBeVisible();
    await user.click(screen.getByRole("button", { name: "The topmost folder" }));
    await user.click(await screen.findByRole("button", { name: "Open etc" }));
    await user.click(await screen.findByRole("button", { name: "Open hosts" }));
    expect(await screen.findByText("127.0.0.1")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Back to the folder" }));
    expect(await screen.findByRole("button", { name: "Open hosts" })).toBeVisible();
  });

  it("are changed as text, and stay as typed when they have changed elsewhere", async () => {
    const made = host();
    made.failures.set("container.write_file", failure("conflict", "the file has changed meanwhile"));
    const { screen, user } = await opened(made, "Files");
    await user.click(await screen.findByRole("button", { name: "Open etc" }));
    await user.click(await screen.findByRole("button", { name: "Open hosts" }));
    await user.click(await screen.findByRole("button", { name: "Edit" }));
    const field = screen.getByRole("textbox", { name: "Content of hosts" });
    expect(field).toHaveFocus();
    await user.type(field, " localhost");
    await user.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("has changed meanwhile");
    expect(field).toHaveValue("127.0.0.1 localhost");
    made.failures.clear();
    await user.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("127.0.0.1 localhost")).toBeVisible();
    expect(made.requests("container.write_file").at(-1)).toMatchObject({ path: "/etc/hosts", before: "127.0.0.1" });
  });

  it("says of what is no text that it can be downloaded", async () => {
    const made = host();
    made.chosen.push("/home/mina/motd");
    const { screen, user } = await opened(made, "Files");
    await user.click(await screen.findByRole("button", { name: "Open motd" }));
    expect(await screen.findByText(/This is no text/)).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Download" }));
    expect(await screen.findByText("motd was saved")).toBeVisible();
    expect(made.requests("container.download")).toMatchObject([{ path: "/motd", local: "/home/mina/motd", folder: false }]);
  });

  it("takes a file into the folder that is shown, and nothing when nobody chose one", async () => {
    const made = host();
    const { screen, user } = await opened(made, "Files");
    await user.click(await screen.findByRole("button", { name: "Open etc" }));
    await user.click(screen.getByRole("button", { name: "Upload a file" }));
    expect(made.requests("container.upload")).toEqual([]);
    made.chosen.push("C:\\a.conf");
    await user.click(screen.getByRole("button", { name: "Upload a file" }));
    expect(await screen.findByText("a.conf is in /etc now")).toBeVisible();
    expect(made.requests("container.upload")).toMatchObject([{ path: "/etc", local: "C:\\a.conf" }]);
  });

  it("are told apart where their names look alike", async () => {
    const made = host();
    // As names come that are no UTF-8.
    made.close.folders.set("/", { entries: [fakeEntry("\ufffd"), fakeEntry("\ufffd", { size: 5_000_000 })], more: false });
    made.close.changes = (["added", "added"] as const).map((kind) => ({ path: "/\ufffd", kind }));
    const { screen, user } = await opened(made, "Files");
    expect(await screen.findAllByRole("button", { name: "Open \ufffd" })).toHaveLength(2);
    expect(screen.getByText("5 MB")).toBeVisible();
    await user.click(screen.getByRole("radio", { name: "Only what changed" }));
    expect(await screen.findAllByRole("button", { name: "Open /\ufffd" })).toHaveLength(2);
  });

  it("lists what is other than in the image", async () => {
    const made = host();
    made.close.changes = [{ path: "/etc/hosts", kind: "changed" }];
    const { screen, user } = await opened(made, "Files");
    await user.click(screen.getByRole("radio", { name: "Only what changed" }));
    expect(await screen.findByText("Changed")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Open /etc/hosts" }));
    expect(await screen.findByRole("button", { name: "Open hosts" })).toBeVisible();
  });

  it("says what went wrong", async () => {
    const made = host();
    made.failures.set("container.folder", failure("not_found", "no such folder"));
    const { screen } = await opened(made, "Files");
    expect(await screen.findByRole("alert")).toHaveTextContent("no such folder");
  });
});

describe("what is done to a container now and then", () => {
  const choose = async ({ screen, user }: Awaited<ReturnType<typeof opened>>, item: string) => {
    screen.getByRole("button", { name: "More actions" }).focus();
    await user.keyboard("{Enter}");
    await pick(user, item);
  };

  it("is a new name, checked while it is typed", async () => {
    const host = new FakeHost();
    const page = await opened(host);
    await choose(page, "Rename");
    const { screen, user } = page;
    const name = await screen.findByRole("textbox", { name: "New name" });
    await user.clear(name);
    await user.type(name, "-x");
    expect(name).toBeInvalid();
    await user.clear(name);
    await user.type(name, "shop");
    expect(screen.getByText("docker --context naru rename web shop")).toBeVisible();
    await user.keyboard("{Enter}");
    expect(await screen.findByText("It is called shop now")).toBeVisible();
    expect(await screen.findByRole("button", { name: "Show shop" })).toBeVisible();
  });

  it("is an image of it", async () => {
    const host = new FakeHost();
    const page = await opened(host);
    await choose(page, "Make an image of it");
    const { screen, user } = page;
    await user.type(await screen.findByRole("textbox", { name: "Name of the image" }), "team/web:2{Enter}");
    expect(await screen.findByText("team/web:2 was made")).toBeVisible();
    expect(host.requests("container.commit")).toMatchObject([{ reference: "team/web:2" }]);
  });

  it("is a pause and its end", async () => {
    const host = new FakeHost();
    const page = await opened(host);
    await choose(page, "Pause");
    expect((await page.screen.findAllByText("Paused"))[0]).toBeVisible();
    await choose(page, "Resume");
    expect((await page.screen.findAllByText("Running"))[0]).toBeVisible();
  });

  it("asks before it kills, and names what is lost", async () => {
    const host = new FakeHost();
    const page = await opened(host);
    await choose(page, "Kill");
    const dialog = within(await page.screen.findByRole("dialog", { name: "Kill web?" }));
    expect(dialog.getByText(/cannot save anything/)).toBeVisible();
    expect(host.requests("container.kill")).toEqual([]);
    await page.user.click(dialog.getByRole("button", { name: "Kill" }));
    expect(host.requests("container.kill")).toHaveLength(1);
  });

  it("is an archive of its files; what went wrong stands above the list", async () => {
    const host = new FakeHost();
    const page = await opened(host);
    host.failures.set("container.export", failure("internal", "cannot write /full/web.tar"));
    host.chosen.push("/full/web.tar");
    await choose(page, "Export its files");
    expect(await page.screen.findByRole("alert")).toHaveTextContent("cannot write /full/web.tar");
  });
});
