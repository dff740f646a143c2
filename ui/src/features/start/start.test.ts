import { describe, expect, it } from "vitest";

import { failure, FakeHost, fakeStatus, fakeSteps } from "../../lib/host/fake";
import { openWindow } from "../../test/render";

describe("the first start", () => {
  it("starts a machine that is off, and shows the containers once it runs", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("stopped");
    const { screen } = openWindow(host);
    expect(await screen.findByRole("heading", { name: "Containers" })).toBeVisible();
    expect(host.requests("machine.start")).toHaveLength(1);
  });

  it("names the step it is at, and warns kindly without acceleration", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("starting", { steps: fakeSteps(3), accelerator: "tcg" });
    const { screen } = openWindow(host);
    expect(await screen.findByText("Start the machine: in progress")).toBeInTheDocument();
    expect(screen.getByRole("listitem", { current: "step" })).toHaveTextContent("Start the machine");
    expect(screen.getByRole("note")).toHaveTextContent("Hardware acceleration is not available");
  });

  it("says how to be let in to acceleration that is there", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("starting", { steps: fakeSteps(3), accelerator: "tcg", advice: ["join-kvm-group"] });
    const { screen } = openWindow(host);
    const note = await screen.findByRole("note");
    expect(note).toHaveTextContent("add your user to the group “kvm”");
    expect(note).toHaveTextContent('sudo usermod -aG kvm "$USER"');
  });

  it("explains a failure, shows the console, and tries again", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("failed", {
      steps: fakeSteps(3, "failed"),
      error: { kind: "unavailable", message: "the machine ended by itself", hints: ["less-memory"] },
      console_tail: ["Kernel panic"],
    });
    const { screen, user } = openWindow(host);
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("less memory");
    expect(alert).toHaveTextContent("the machine ended by itself");
    expect(screen.getByText("Kernel panic")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("heading", { name: "Containers" })).toBeVisible();
  });

  it("resets a machine that does not start, whose disk nobody can count", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("failed");
    const { screen, user } = openWindow(host);
    await user.click(await screen.findByRole("button", { name: "Reset machine…" }));
    expect(await screen.findByText(/could not be counted/)).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Reset machine" }));
    expect(await screen.findByRole("heading", { name: "Containers" })).toBeVisible();
    expect(host.requests("machine.disk")).toEqual([]);
    expect(host.requests("machine.reset")).toHaveLength(1);
  });

  it("saves diagnostics of a machine that failed, and says why that did not work", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("failed");
    host.chosen.push("/full/seen.tar");
    host.failures.set("machine.diagnostics", failure("internal", "cannot write /full/seen.tar"));
    const { screen, user } = openWindow(host);
    await user.click(await screen.findByRole("button", { name: "Save diagnostics…" }));
    expect(await screen.findByText("cannot write /full/seen.tar")).toBeVisible();
  });

  it.each([
    ["linux", "x86_64", "Debian, Ubuntu", "sudo apt install qemu-system-x86"],
    ["linux", "aarch64", "Fedora", "sudo dnf install qemu-system-aarch64"],
    ["macos", "aarch64", "Homebrew", "brew install qemu"],
    ["windows", "x86_64", "winget", "winget install --id SoftwareFreedomConservancy.QEMU"],
  ])("says how QEMU comes to %s on %s", async (platform, architecture, name, line) => {
    const host = new FakeHost();
    host.info = { ...host.info, platform, architecture };
    host.machine = fakeStatus("failed", {
      steps: fakeSteps(0, "failed"),
      error: { kind: "precondition", message: "no QEMU was found in PATH", hints: ["install-qemu"] },
    });
    const { screen } = openWindow(host);
    expect(await screen.findByRole("group", { name })).toHaveTextContent(line);
  });

  it("says nothing of QEMU where it is not what is lacking", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("failed", {
      error: { kind: "unavailable", message: "the machine ended by itself", hints: ["less-memory"] },
    });
    const { screen } = openWindow(host);
    await screen.findByRole("alert");
    expect(screen.queryByText("How QEMU comes to this computer")).toBeNull();
  });

  it("says why a start was refused", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("stopped");
    host.failures.set("machine.start", failure("conflict", "another instance holds the lock", "close-other-instance"));
    const { screen } = openWindow(host);
    expect(await screen.findByRole("alert")).toHaveTextContent("Naru is running already");
  });

  it("does not call a start that someone stopped a failure", async () => {
    const host = new FakeHost();
    host.machine = fakeStatus("stopped");
    host.failures.set("machine.start", failure("cancelled", "the start was cancelled"));
    const { screen } = openWindow(host);
    expect(await screen.findByRole("button", { name: "Start machine" })).toBeVisible();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("follows the machine's events, and says what stopping means", async () => {
    const host = new FakeHost();
    const { screen, user } = openWindow(host, "machine");
    await user.click(await screen.findByRole("button", { name: "Stop machine" }));
    const dialog = screen.getByRole("dialog", { name: "Stop the machine?" });
    expect(dialog).toHaveTextContent("No container is running");
    await user.click(screen.getAllByRole("button", { name: "Stop machine" }).at(-1) ?? dialog);
    expect(await screen.findByRole("heading", { name: "The machine is off" })).toBeVisible();
  });
});
