import { describe, expect, it } from "vitest";

import { failure, fakeFolder, FakeHost } from "../../lib/host/fake";
import type { BuildEvent } from "../../lib/ipc/bindings";
import { BuildStep } from "../../state/builds.svelte";
import { KEPT_LINES } from "../../state/said.svelte";
import { openWindow, row } from "../../test/render";
import { buildLine, buildRequest, emptyBuild, suggestedName } from "./build_draft";

const step = (number: number, text: string, line: number): BuildEvent => ({
  type: "step",
  number,
  total: 3,
  text,
  lines: { first: line, last: line },
});
const ended = (cached: boolean): BuildEvent => ({ type: "ended", cached });
const begun = [step(1, "FROM busybox", 1), ended(false), step(2, "COPY . /app", 2), ended(true), step(3, "RUN make", 3)];
const said: BuildEvent = { type: "output", text: "\u001b[31mmake:\u001b[0m *** no rule\n<b>stop</b>\n" };

const withFolder = (events: BuildEvent[] = []) => {
  const host = new FakeHost();
  host.builds.folders.set("/home/me/Shop Front", fakeFolder());
  host.builds.events = events;
  return host;
};

/** Chooses the folder, and presses Build. */
const build = async (host: FakeHost) => {
  const opened = openWindow(host, "images");
  host.chosen.push("/home/me/Shop Front");
  await opened.user.click(await opened.screen.findByRole("button", { name: "Build from a folder" }));
  await opened.user.click(opened.screen.getByRole("button", { name: "Choose…" }));
  await expect.poll(() => opened.screen.getByRole("textbox", { name: "Name of the image" })).toHaveValue("shop-front");
  await opened.screen.findByText("docker --context naru build -t shop-front '/home/me/Shop Front'");
  await opened.user.click(opened.screen.getByRole("button", { name: "Build" }));
  return opened;
};

describe("the form for a build", () => {
  it("says what is wrong with folder, Dockerfile and name, and sends nothing", async () => {
    const host = withFolder();
    host.builds.folders.set("/bad", fakeFolder({ problem: { line: 2, message: "unknown instruction: RUM" } }));
    const { screen, user } = openWindow(host, "images");
    await user.click(await screen.findByRole("button", { name: "Build from a folder" }));
    const folder = screen.getByRole("textbox", { name: "Folder" });
    await user.type(folder, "bad");
    expect(screen.getByText("A folder is a path from the root.")).toBeVisible();
    await user.clear(folder);
    await user.type(folder, "/nowhere{Tab}");
    expect(await screen.findByText("cannot read /nowhere")).toBeVisible();
    await user.clear(folder);
    await user.type(folder, "/bad{Tab}");
    expect(await screen.findByText("Line 2 cannot be built: unknown instruction: RUM.")).toBeVisible();
    const name = screen.getByRole("textbox", { name: "Name of the image" });
    expect(name).toHaveValue("bad");
    await user.type(name, "A");
    expect(screen.getByText(/This is not an image name/)).toBeVisible();
    const button = screen.getByRole("button", { name: "Build" });
    expect(button).toHaveAttribute("aria-disabled", "true");
    await user.click(button);
    expect(host.requests("image.build")).toEqual([]);
  });

  it("offers what the Dockerfile can be given, and leaves out what is empty", async () => {
    const host = withFolder();
    const folder = fakeFolder({ stages: ["base", "web"], arguments: [{ name: "NODE", default: "22" }, { name: "X", default: "" }] });
    host.builds.folders.set("/app", folder);
    const { screen, user } = openWindow(host, "images");
    await user.click(await screen.findByRole("button", { name: "Build from a folder" }));
    await user.type(screen.getByRole("textbox", { name: "Folder" }), "/app{Tab}");
    const node = await screen.findByRole("textbox", { name: "NODE" });
    expect(node).toHaveAttribute("placeholder", "22 unless told otherwise");
    await user.type(node, "24");
    await user.selectOptions(screen.getByRole("combobox", { name: "Stage" }), "web");
    await user.click(screen.getByRole("checkbox", { name: /every step anew/ }));
    const line = "docker --context naru build -t app --target web --build-arg NODE=24 --no-cache /app";
    expect(screen.getByRole("group", { name: "The same in a shell" })).toHaveTextContent(line);
    await user.click(screen.getByRole("button", { name: "Build" }));
    const [request] = host.requests("image.build");
    expect(request).toMatchObject({ folder: "/app", dockerfile: "Dockerfile", name: "app", target: "web", no_cache: true });
    expect(request?.arguments).toEqual({ NODE: "24" });
  });

  it("makes names and lines that fit", () => {
    expect(["/a/My App/", "C:\\Work\\Shop_2", "/", "/한국"].map(suggestedName)).toEqual(["my-app", "shop-2", "", ""]);
    const draft = { ...emptyBuild(), folder: "/a/", name: "x" };
    const request = buildRequest(draft, fakeFolder({ dockerfile: "web.Dockerfile" }));
    expect(request && buildLine(request, "naru")).toBe("docker --context naru build -t x -f /a/web.Dockerfile /a/");
    expect(buildRequest(draft, fakeFolder({ text: null }))).toBeNull();
  });
});

describe("a build", () => {
  it("shows its steps while they come, and can be cancelled", async () => {
    const host = withFolder([...begun, said]);
    host.hanging.add("image.build");
    const { screen, user } = await build(host);
    expect(await screen.findByText("Step 3 of 3")).toBeVisible();
    expect(screen.getByText("cached")).toBeVisible();
    expect(await screen.findByText("<b>stop</b>")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Cancel" }));
    const [{ stream_id } = { stream_id: "" }] = host.requests("image.build");
    expect(host.requests("stream.close")).toEqual([{ stream_id }]);
    // Away from it, it is still in sight.
    await user.click(screen.getByRole("button", { name: "Close" }));
    expect(screen.getByText("Building shop-front")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Details of the build" }));
    expect(screen.getByRole("tab", { name: "Steps" })).toBeVisible();
  });

  it("leads to the run form when it is done", async () => {
    const host = withFolder([...begun, ended(false)]);
    const { screen, user } = await build(host);
    expect(await screen.findByText(/shop-front was built in/)).toBeVisible();
    expect(await row("shop-front:latest")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Run the image" }));
    expect(screen.getByRole("textbox", { name: "Image" })).toHaveValue("shop-front:latest");
  });

  it("marks the line that failed, says what to do next, and does it again", async () => {
    const host = withFolder([...begun, said, { type: "failed", lines: { first: 3, last: 3 } }]);
    const message = "The command '/bin/sh -c make' returned a non-zero code: 2";
    host.builds.failure = failure("invalid_argument", message);
    const { screen, user } = await build(host);
    const note = await screen.findByRole("alert");
    expect(note).toHaveTextContent("Line 3 of Dockerfile failed");
    expect(note).toHaveTextContent(/What the program said last is under Steps/);
    expect(note).toHaveTextContent(message);
    expect(screen.getByText("Line 3: failed")).toBeInTheDocument();
    expect(screen.getByText("Line 2: cached")).toBeInTheDocument();
    host.builds.failure = null;
    host.builds.events = [...begun, ended(false)];
    await user.click(screen.getByRole("button", { name: "Build again" }));
    expect(await screen.findByText(/shop-front was built in/)).toBeVisible();
    expect(host.requests("image.build")).toHaveLength(2);
  });

  it("says to log in where the image below is not given out", async () => {
    const host = withFolder();
    host.builds.failure = failure("unauthorized", "pull access denied", "log-in");
    const { screen } = await build(host);
    expect(await screen.findByText("shop-front could not be built")).toBeVisible();
    expect(screen.getByRole("button", { name: "Log in…" })).toBeVisible();
  });

  it("keeps the newest of what a step says", async () => {
    const busy = new BuildStep(1, "RUN yes", null);
    for (let at = 0; at < KEPT_LINES + 5; at += 1) busy.say(`line ${at}\n`);
    busy.say("without an end");
    busy.end("done");
    await expect.poll(() => busy.said.lines.length).toBe(KEPT_LINES);
    expect(busy.said.lines.at(-1)?.runs).toEqual([{ text: "without an end", style: "" }]);
  });
});
