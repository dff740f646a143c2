import { within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";

import { chunk, failure, fakeContainer, fakeDisk, FakeHost, fakeMachineUsage } from "../../lib/host/fake";
import { openWindow } from "../../test/render";

const withDisk = () => {
  const host = new FakeHost();
  host.close.disk = fakeDisk({
    images: {
      bytes: 3_000_000_000,
      reclaimable: 1_000_000_000,
      count: 2,
      largest: [
        { id: "sha256:3f8a1c0d9e7b5a4f", name: "", bytes: 1_000_000_000, used: false },
        { id: "sha256:22", name: "postgres:17", bytes: 438_000_000, used: true },
      ],
    },
    volumes: { bytes: 500_000_000, reclaimable: 0, count: 1, largest: [{ id: "data", name: "data", bytes: 500_000_000, used: true }] },
  });
  return host;
};

describe("the machine", () => {
  it("says what it has", async () => {
    const { screen } = openWindow(new FakeHost(), "machine");
    expect(await screen.findByText("Linux 6.12.48, x86_64")).toBeVisible();
    expect(screen.getByText("2.1 GB")).toBeVisible();
  });

  it("asks before it restarts, and names what stops with it", async () => {
    const host = new FakeHost();
    host.containers = [fakeContainer("web")];
    const { screen, user } = openWindow(host, "machine");
    await user.click(await screen.findByRole("button", { name: "Restart machine" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Restart the machine?" }));
    expect(dialog.getByText(/1 running container stops with it/)).toBeVisible();
    await user.click(dialog.getByRole("button", { name: "Restart machine" }));
    await expect.poll(() => host.requests("machine.start")).toHaveLength(1);
    expect(host.requests("machine.stop")).toHaveLength(1);
  });

  it("is not started anew when it could not be stopped", async () => {
    const host = new FakeHost();
    host.failures.set("machine.stop", failure("conflict", "it is busy"));
    const { screen, user } = openWindow(host, "machine");
    await user.click(await screen.findByRole("button", { name: "Restart machine" }));
    await user.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Restart machine" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("it is busy");
    expect(host.requests("machine.start")).toEqual([]);
  });
});

describe("a reset", () => {
  const asked = async (host: FakeHost) => {
    const opened = openWindow(host, "machine");
    await opened.user.click(await opened.screen.findByRole("button", { name: "Reset machine…" }));
    return { ...opened, dialog: within(await opened.screen.findByRole("dialog", { name: "Reset the machine?" })) };
  };

  it("names what is lost before it is done, and begins anew", async () => {
    const host = withDisk();
    host.containers = [fakeContainer("web")];
    const { screen, user, dialog } = await asked(host);
    expect(await dialog.findByText("2 · 3 GB")).toBeVisible();
    expect(dialog.getByText("1 · 500 MB")).toBeVisible();
    expect(dialog.getByText("1 running container stops for that.")).toBeVisible();
    expect(dialog.getByText("naru reset --yes")).toBeVisible();
    expect(host.requests("machine.reset")).toEqual([]);
    await user.click(dialog.getByRole("button", { name: "Reset machine" }));
    expect(await screen.findByText("The machine begins anew")).toBeVisible();
    expect(host.requests("machine.reset")).toHaveLength(1);
    expect(host.requests("machine.start")).toHaveLength(1);
  });

  it("does nothing when it is not meant", async () => {
    const host = withDisk();
    const { user, dialog } = await asked(host);
    await user.click(dialog.getByRole("button", { name: "Cancel" }));
    expect(host.requests("machine.reset")).toEqual([]);
  });

  it("waits until it has been said what goes", async () => {
    const host = withDisk();
    host.hanging.add("machine.disk");
    const { user, dialog } = await asked(host);
    const button = dialog.getByRole("button", { name: "Reset machine" });
    expect(button).toHaveAttribute("title", "Counting…");
    await user.click(button);
    expect(host.requests("machine.reset")).toEqual([]);
  });

  it("can be had of a machine whose engine counts nothing", async () => {
    const host = withDisk();
    host.failures.set("machine.disk", failure("internal", "the index is broken"));
    const { screen, user, dialog } = await asked(host);
    expect(await dialog.findByRole("alert")).toHaveTextContent("the index is broken");
    expect(dialog.getByText(/Every image, container, volume and network goes/)).toBeVisible();
    host.failures.set("machine.reset", failure("conflict", "another Naru uses this disk"));
    await user.click(dialog.getByRole("button", { name: "Reset machine" }));
    expect(await screen.findByText(/another Naru uses this disk/)).toBeVisible();
    expect(host.requests("machine.start")).toEqual([]);
  });
});

describe("what the machine uses", () => {
  it("is drawn over time, with the numbers of now in words", async () => {
    const host = new FakeHost();
    host.close.machineUsage = [
      fakeMachineUsage(0),
      fakeMachineUsage(1, { cpu_ms: 9000 + 1500, memory_bytes: 900_000_000, disk_bytes: 5_700_000_000 }),
    ];
    const { screen } = openWindow(host, "machine");
    expect(await screen.findByText("75%")).toBeVisible();
    expect(screen.getByText("of 2 processors")).toBeVisible();
    expect(screen.getByRole("img", { name: /^Memory over the last two minutes: now 900 MB, at most 900 MB/ })).toBeVisible();
    expect(screen.getByText("5.7 GB")).toBeVisible();
    expect(screen.getByText("of 67 GB")).toBeVisible();
  });

  it("begins anew with the machine", async () => {
    const host = new FakeHost();
    host.close.machineUsage = [fakeMachineUsage(100), fakeMachineUsage(0), fakeMachineUsage(1, { cpu_ms: 9200 })];
    const { screen } = openWindow(host, "machine");
    expect(await screen.findByRole("img", { name: /now 10%, at most 10%/ })).toBeVisible();
  });

  it("says what went wrong, and goes on by itself", async () => {
    const host = new FakeHost();
    host.failures.set("machine.usage", failure("unavailable", "the engine does not answer"));
    const { screen } = openWindow(host, "machine");
    expect(await screen.findByRole("alert")).toHaveTextContent("the engine does not answer");
    host.failures.clear();
    await expect.poll(() => screen.queryByRole("alert")).toBeNull();
    expect(await screen.findByText("of 2 processors")).toBeVisible();
  });
});

describe("the disk", () => {
  it("says where the bytes are and what nobody uses", async () => {
    const { screen, user } = openWindow(withDisk(), "machine");
    expect(await screen.findByText("3.5 GB on the data disk")).toBeVisible();
    expect(screen.getByText("1 GB unused")).toBeVisible();
    await user.click(screen.getByText("Images: the largest"));
    expect(screen.getByText("3f8a1c0d9e7b")).toBeVisible();
    expect(screen.getByText("postgres:17")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Show Volumes" }));
    expect(await screen.findByRole("heading", { name: "Volumes" })).toBeVisible();
  });

  it("says what went wrong, and counts again", async () => {
    const host = withDisk();
    host.failures.set("machine.disk", failure("deadline", "it took too long"));
    const { screen, user } = openWindow(host, "machine");
    expect(await screen.findByRole("alert")).toHaveTextContent("it took too long");
    host.failures.clear();
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("3.5 GB on the data disk")).toBeVisible();
  });
});

describe("the build cache", () => {
  const withCache = () => {
    const host = new FakeHost();
    host.close.disk = fakeDisk({ build_cache: { bytes: 520_000_000, reclaimable: 500_000_000, count: 3, largest: [] } });
    return host;
  };

  const press = async (host: FakeHost) => {
    const opened = openWindow(host, "machine");
    await opened.user.click(await opened.screen.findByRole("button", { name: "Free the build cache" }));
    const dialog = within(await opened.screen.findByRole("dialog", { name: "Free the build cache?" }));
    expect(dialog.getByText("500 MB come free.")).toBeVisible();
    expect(dialog.getByText(/Images and containers stay/)).toBeVisible();
    expect(host.requests("build.prune")).toEqual([]);
    await opened.user.click(dialog.getByRole("button", { name: "Free" }));
    return opened;
  };

  it("is freed after a question that says what comes free, and counted anew", async () => {
    const { screen } = await press(withCache());
    expect(await screen.findByText("500 MB came free")).toBeVisible();
    expect(await screen.findByText("20 MB on the data disk")).toBeVisible();
    const button = screen.getByRole("button", { name: "Free the build cache" });
    expect(button).toHaveFocus();
    expect(button).toHaveAttribute("title", "Nothing in it is unused.");
    expect(button).toHaveAttribute("aria-disabled", "true");
  });

  it("says why it could not be freed", async () => {
    const host = withCache();
    host.failures.set("build.prune", failure("conflict", "a build is under way"));
    const { screen } = await press(host);
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("Build cache");
    expect(alert).toHaveTextContent("a build is under way");
    expect(screen.getByText("520 MB on the data disk")).toBeVisible();
  });

  it("is freed from the palette too, after the same question", async () => {
    const host = withCache();
    const { screen, user } = openWindow(host);
    await screen.findByRole("heading", { name: "Containers" });
    await user.keyboard("{Control>}k{/Control}");
    await user.type(await screen.findByRole("combobox", { name: "Search and do" }), "free cache");
    expect(screen.getByText("docker --context naru builder prune -a")).toBeVisible();
    await user.keyboard("{Enter}");
    expect(await screen.findByRole("dialog", { name: "Free the build cache?" })).toBeVisible();
    expect(screen.getByRole("heading", { name: "The machine is running" })).toBeInTheDocument();
  });
});

describe("diagnostics", () => {
  it("are written where the person says", async () => {
    const host = new FakeHost();
    host.chosen.push("/home/mina/seen.tar");
    const { screen, user } = openWindow(host, "machine");
    await user.click(await screen.findByRole("button", { name: "Save diagnostics…" }));
    expect(await screen.findByText("seen.tar was written")).toBeVisible();
    expect(host.requests("machine.diagnostics")).toEqual([{ path: "/home/mina/seen.tar" }]);
  });

  it("are not written when nobody says where", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "machine");
    await user.click(await screen.findByRole("button", { name: "Save diagnostics…" }));
    expect(host.requests("machine.diagnostics")).toEqual([]);
  });
});

describe("the console", () => {
  it("is read when it is wanted, as text, and let go of", async () => {
    const host = new FakeHost();
    host.close.console = [chunk("stdout", "[0.0] Linux\n[0.1] <b>engine</b>\n")];
    const { screen, user } = openWindow(host, "machine");
    expect(host.requests("machine.console")).toEqual([]);
    await user.click(await screen.findByRole("button", { name: "Show the console" }));
    const log = await screen.findByRole("log", { name: "Console of the machine" });
    await expect.poll(() => log.textContent).toContain("<b>engine</b>");
    await user.click(screen.getByRole("button", { name: "Hide the console" }));
    const [opened] = host.requests("machine.console");
    expect(host.requests("stream.close")).toContainEqual({ stream_id: opened?.stream_id });
  });
});
