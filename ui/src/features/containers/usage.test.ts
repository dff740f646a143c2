import { describe, expect, it } from "vitest";

import { fakeContainer, FakeHost } from "../../lib/host/fake";
import { openWindow, row } from "../../test/render";

const web = fakeContainer("web");
const look = (time_ms: number, cpu_ms: number) => [{ id: web.id, time_ms, cpu_ms, memory_bytes: 34_000_000 }];

describe("what containers use", () => {
  it("is in the list: memory at once, the processor from the second look on", async () => {
    const host = new FakeHost();
    host.containers = [web, fakeContainer("done", { state: "exited", status: "Exited (0) an hour ago" })];
    host.close.usage = [look(1000, 500), look(3000, 1500)];
    openWindow(host);
    expect(await (await row("web")).findByText("34 MB")).toBeVisible();
    expect(await (await row("web")).findByText("50% · 34 MB")).toBeVisible();
    // What does not run is not asked about.
    expect(host.requests("container.usage")[0]).toEqual({ ids: [web.id] });
  });

  it("says in the state's own place when a health check fails", async () => {
    const host = new FakeHost();
    host.containers = [fakeContainer("web", { status: "Up 3 minutes (unhealthy)" })];
    openWindow(host);
    expect(await (await row("web")).findByText("Running, Unhealthy")).toBeVisible();
  });
});
