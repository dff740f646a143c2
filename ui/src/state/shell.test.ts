import { describe, expect, it } from "vitest";

import { failure, FakeHost } from "../lib/host/fake";
import type { Item, Request, Response, StreamCommand } from "../lib/host/host";
import { Shell } from "./shell.svelte";

const SIZE = { rows: 24, cols: 80 };

/** Takes its time to open anything. */
class SlowHost extends FakeHost {
  ready: Promise<void> = Promise.resolve();

  override async stream<K extends StreamCommand>(
    command: K,
    request: Request<K>,
    onItem: (item: Item<K>) => void,
  ): Promise<Response<K>> {
    await this.ready;
    return super.stream(command, request, onItem);
  }
}

const opened = async () => {
  const host = new FakeHost();
  const shell = new Shell(host);
  const seen: string[] = [];
  await shell.open("web", { command: [], user: "" }, SIZE, (bytes) => seen.push(new TextDecoder().decode(bytes)));
  return { host, shell, seen };
};

describe("a shell", () => {
  it("shows what comes and sends what is typed, in order", async () => {
    const { host, shell, seen } = await opened();
    expect(shell.phase).toBe("open");
    for (const key of "ls") shell.write(key);
    await expect.poll(() => seen.join("")).toBe("/ # ls");
    expect(host.requests("terminal.write").map((each) => each.text)).toEqual(["l", "s"]);
  });

  it("is over when its stream ends, and takes no more keys", async () => {
    const { host, shell } = await opened();
    shell.write("\u0004");
    await expect.poll(() => shell.phase).toBe("ended");
    shell.write("x");
    shell.resize(SIZE);
    expect(host.requests("terminal.write")).toHaveLength(1);
    expect(host.requests("terminal.resize")).toHaveLength(0);
  });

  it("says why it could not be opened", async () => {
    const host = new FakeHost();
    host.failures.set("terminal.open", failure("conflict", "the container is not running"));
    const shell = new Shell(host);
    await shell.open("web", { command: [], user: "" }, SIZE, () => undefined);
    expect(shell.phase).toBe("failed");
    expect(shell.failure?.message).toBe("the container is not running");
  });
  it("that is closed while it opens does not run on", async () => {
    const host = new SlowHost();
    let open: () => void = () => undefined;
    host.ready = new Promise<void>((resolve) => (open = resolve));
    const shell = new Shell(host);
    const seen: Uint8Array[] = [];
    const opening = shell.open("web", { command: [], user: "" }, SIZE, (bytes) => seen.push(bytes));
    await shell.close();
    open();
    await opening;
    expect(shell.phase).toBe("ended");
    expect(seen).toEqual([]);
    const names = ["terminal.open", "stream.close"];
    expect(host.asked.map(({ command }) => command).filter((command) => names.includes(command)).slice(-2)).toEqual(names);
  });
});
