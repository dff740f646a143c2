import { within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";

import { failure, fakeContainer, fakeEntry, FakeHost, fakeVolume } from "../../lib/host/fake";
import { openWindow, pick, row } from "../../test/render";

const user = (name: string, running: boolean) => ({
  container_id: name,
  container_name: name,
  running,
  destination: "/data",
  read_only: false,
});

const withVolumes = () => {
  const host = new FakeHost();
  host.containers = [fakeContainer("db")];
  host.volumes = [
    fakeVolume("data", { users: [user("db", true)] }),
    fakeVolume("cache", { users: [user("old", false)] }),
    fakeVolume("empty"),
  ];
  host.volumeSizes = [
    { name: "data", bytes: 438_200_000 },
    { name: "cache", bytes: 1200 },
    { name: "empty", bytes: 0 },
  ];
  return host;
};

/** The window with a volume's details open, and what its menu has. */
const opened = async (host: FakeHost, volume: string) => {
  const page = openWindow(host, "volumes");
  await page.user.click((await row(volume)).getByRole("button", { name: `Show ${volume}` }));
  const choose = async (item: string) => {
    await page.user.click(page.screen.getByRole("button", { name: "More actions" }));
    await pick(page.user, item);
  };
  return { ...page, choose };
};

describe("the files of a volume", () => {
  it("are walked through, shown as text, downloaded, and never changed", async () => {
    const host = withVolumes();
    host.close.folders.set("/", { entries: [fakeEntry("conf", { kind: "folder" })], more: false });
    host.close.folders.set("/conf", { entries: [fakeEntry("a.conf")], more: false });
    host.close.texts.set("/conf/a.conf", { text: "port=80\n", size: 8 });
    host.chosen.push("/home/mina/conf.tar", "/home/mina/a.conf");
    const { screen, user: person } = await opened(host, "data");
    await person.click(screen.getByRole("tab", { name: "Files" }));
    await person.click(await screen.findByRole("button", { name: "Download conf" }));
    expect(await screen.findByText("conf.tar was saved")).toBeVisible();
    await person.click(screen.getByRole("button", { name: "Open conf" }));
    const page = await screen.findByRole("button", { name: "Open a.conf" });
    // Whoever came by keyboard goes on in the folder, not from the window's top.
    await expect.poll(() => document.activeElement?.contains(page)).toBe(true);
    await person.click(page);
    expect(await screen.findByText("port=80")).toBeVisible();
    expect(screen.getByRole("button", { name: "Back to the folder" })).toHaveFocus();
    expect(screen.queryByRole("button", { name: "Edit" })).toBeNull();
    await person.click(screen.getByRole("button", { name: "Download" }));
    expect(await screen.findByText("a.conf was saved")).toBeVisible();
    expect(host.requests("volume.download")).toEqual([
      { name: "data", path: "/conf", local: "/home/mina/conf.tar", folder: true },
      { name: "data", path: "/conf/a.conf", local: "/home/mina/a.conf", folder: false },
    ]);
    expect(host.requests("volume.file")).toEqual([{ name: "data", path: "/conf/a.conf" }]);
  });

  it("are walked through by keyboard, which never loses its place", async () => {
    const host = withVolumes();
    host.close.folders.set("/", { entries: [fakeEntry("conf", { kind: "folder" }), fakeEntry("page")], more: false });
    host.close.texts.set("/page", { text: "text", size: 4 });
    const { screen, user: person } = await opened(host, "data");
    await person.click(screen.getByRole("tab", { name: "Files" }));
    await person.click(await screen.findByRole("button", { name: "Open conf" }));
    const empty = await screen.findByText("This folder is empty.");
    await expect.poll(() => document.activeElement).toBe(empty);
    await person.click(screen.getByRole("button", { name: "The topmost folder" }));
    const first = () => screen.queryByRole("row", { name: /conf/ });
    await expect.poll(() => first() !== null && document.activeElement === first()).toBe(true);
    await person.keyboard("{ArrowDown}{Enter}");
    expect(screen.getByRole("button", { name: "Back to the folder" })).toHaveFocus();
    await person.keyboard("{Enter}");
    await expect.poll(() => first() !== null && document.activeElement === first()).toBe(true);
  });

  it("are not read anew with every list of the volumes", async () => {
    const host = withVolumes();
    host.close.folders.set("/", { entries: [fakeEntry("page")], more: false });
    const { screen, user: person } = await opened(host, "data");
    await person.click(screen.getByRole("tab", { name: "Files" }));
    const page = await screen.findByRole("button", { name: "Open page" });
    // As in an answer of the engine, each is another object that says the same.
    host.volumes = [...host.volumes.map((volume) => ({ ...volume })), fakeVolume("late")];
    host.emit({ type: "volumes" });
    await row("late");
    expect(page).toBeVisible();
    expect(host.requests("volume.folder")).toHaveLength(1);
  });

  it("say what went wrong", async () => {
    const host = withVolumes();
    host.failures.set("volume.folder", failure("not_found", "could not find / in volume data"));
    const { screen, user: person } = await opened(host, "data");
    await person.click(screen.getByRole("tab", { name: "Files" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("could not find / in volume data");
  });
});

describe("a backup", () => {
  it("goes where the person says, and tells who writes to the volume meanwhile", async () => {
    const host = withVolumes();
    host.hanging.add("volume.backup");
    host.chosen.push("/home/mina/data.tar");
    const { screen, user: person, choose } = await opened(host, "data");
    await choose("Back up…");
    const card = within(await screen.findByRole("article", { name: "data" }));
    expect(card.getByText("Backing up data")).toBeVisible();
    expect(await card.findByText(/db may write to it meanwhile/)).toBeVisible();
    expect(card.getByRole("progressbar", { name: "Backing up data" })).not.toHaveAttribute("aria-valuenow");
    await person.click(card.getByRole("button", { name: "Cancel" }));
    const [asked] = host.requests("volume.backup");
    expect(asked).toMatchObject({ name: "data", path: "/home/mina/data.tar" });
    expect(host.requests("stream.close")).toEqual([{ stream_id: asked?.stream_id }]);
  });

  it("is said to be done, until that is read", async () => {
    const host = withVolumes();
    host.chosen.push("/home/mina/cache.tar", "/home/mina/cache.tar");
    const { screen, user: person, choose } = await opened(host, "cache");
    await choose("Back up…");
    expect(await screen.findByText("cache was backed up")).toBeVisible();
    await person.click(screen.getByRole("button", { name: "Dismiss" }));
    expect(screen.queryByText("cache was backed up")).toBeNull();
    await expect.poll(() => document.activeElement).toBe(screen.getByRole("heading", { name: "Volumes" }));
  });

  it("tells of nobody who may write once it is done", async () => {
    const host = withVolumes();
    host.chosen.push("/home/mina/data.tar");
    const { screen, choose } = await opened(host, "data");
    await choose("Back up…");
    expect(await screen.findByText("data was backed up")).toBeVisible();
    expect(screen.queryByText(/may write to it meanwhile/)).toBeNull();
  });

  it("is nothing when no file was chosen, and one that failed is done again", async () => {
    const host = withVolumes();
    const { screen, user: person, choose } = await opened(host, "cache");
    await choose("Back up…");
    expect(host.requests("volume.backup")).toEqual([]);
    host.chosen.push("/full/cache.tar");
    host.failures.set("volume.backup", failure("internal", "no space left on device"));
    await choose("Back up…");
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("cache could not be backed up");
    expect(alert).toHaveTextContent("no space left on device");
    host.failures.delete("volume.backup");
    await person.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("cache was backed up")).toBeVisible();
    await expect.poll(() => document.activeElement).toBe(screen.getByRole("heading", { name: "Volumes" }));
  });
});

describe("restoring", () => {
  const begin = async (host: FakeHost, file = "/home/mina/new.tar.gz") => {
    host.chosen.push(file);
    const page = openWindow(host, "volumes");
    await row("data");
    await page.user.click(page.screen.getByRole("button", { name: "Restore from a file" }));
    return { ...page, name: await page.screen.findByRole<HTMLInputElement>("textbox", { name: "Volume" }) };
  };

  it("makes a volume that is called as the file, and shows the command", async () => {
    const host = withVolumes();
    const { screen, user: person, name } = await begin(host);
    expect(screen.getByRole("dialog", { name: "Restore from new.tar.gz" })).toBeVisible();
    expect(name).toHaveValue("new");
    expect(screen.getByText("new is made anew, with all that is in the file.")).toBeVisible();
    expect(screen.getByRole("group", { name: "The same in a shell" })).toHaveTextContent(
      "docker --context naru run --rm -i -v new:/volume busybox tar -xf - -C /volume < /home/mina/new.tar.gz",
    );
    await person.click(screen.getByRole("button", { name: "Restore" }));
    expect(await screen.findByText("new was restored")).toBeVisible();
    expect(await row("new")).toBeTruthy();
    expect(host.requests("volume.restore")).toMatchObject([{ name: "new", path: "/home/mina/new.tar.gz", replace: false }]);
  });

  it("says what is lost before anything is, and replaces only then", async () => {
    const host = withVolumes();
    const { screen, user: person, choose } = await opened(host, "cache");
    host.chosen.push("/home/mina/old.tar");
    await person.click(screen.getByRole("tab", { name: "Files" }));
    expect(await screen.findByText("This folder is empty.")).toBeVisible();
    host.close.folders.set("/", { entries: [fakeEntry("brought")], more: false });
    await choose("Restore from a file…");
    expect(await screen.findByRole("textbox", { name: "Volume" })).toHaveValue("cache");
    expect(screen.getByRole("dialog")).toHaveTextContent("All files that are in cache now are lost, 1.2 kB of them.");
    expect(screen.queryByRole("button", { name: "Restore" })).toBeNull();
    await person.click(screen.getByRole("button", { name: "Replace all files" }));
    expect(await screen.findByText("cache was restored")).toBeVisible();
    // What is looked at is looked at anew.
    expect(await screen.findByRole("button", { name: "Open brought" })).toBeVisible();
    expect(host.requests("volume.restore")).toMatchObject([{ name: "cache", replace: true }]);
  });

  it("is checked while the name is typed: a container that runs, an empty one, no name at all", async () => {
    const host = withVolumes();
    const { screen, user: person, name } = await begin(host);
    await person.clear(name);
    await person.type(name, "data");
    expect(name).toHaveAccessibleDescription("db runs with it. Stop that first.");
    await person.click(screen.getByRole("button", { name: "Restore" }));
    await person.clear(name);
    await person.type(name, "../x");
    expect(name).toHaveAccessibleDescription(/Two or more letters/);
    await person.type(name, "{Enter}");
    expect(host.requests("volume.restore")).toEqual([]);
    await person.clear(name);
    await person.type(name, "empty");
    expect(await screen.findByText("empty is empty, and gets all that is in the file.")).toBeVisible();
    await person.type(name, "{Enter}");
    expect(await screen.findByText("empty was restored")).toBeVisible();
    expect(host.requests("volume.restore")).toMatchObject([{ name: "empty", replace: false }]);
  });

  it("calls no volume empty that has files without a byte", async () => {
    const host = withVolumes();
    host.close.folders.set("/", { entries: [fakeEntry("lock")], more: false });
    const { screen, user: person, name } = await begin(host);
    await person.clear(name);
    await person.type(name, "empty");
    await expect.poll(() => host.requests("volume.folder")).toContainEqual({ name: "empty", path: "/" });
    expect(screen.getByRole("dialog")).toHaveTextContent("All files that are in empty now are lost. What is in");
    await person.click(screen.getByRole("button", { name: "Replace all files" }));
    expect(await screen.findByText("empty was restored")).toBeVisible();
    expect(host.requests("volume.restore")).toMatchObject([{ name: "empty", replace: true }]);
  });

  it("says that nothing was changed when the file is no backup", async () => {
    const host = withVolumes();
    host.failures.set("volume.restore", failure("invalid_argument", "the archive is cut off: it has no end"));
    const { screen, user: person } = await begin(host);
    await person.click(screen.getByRole("button", { name: "Restore" }));
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("new could not be restored; nothing was changed");
    expect(alert).toHaveTextContent("the archive is cut off");
  });
});

describe("a clone", () => {
  it("has a name that is free, and says who may write meanwhile", async () => {
    const host = withVolumes();
    const { screen, user: person, choose } = await opened(host, "data");
    host.volumes = [...host.volumes, fakeVolume("data-copy")];
    host.emit({ type: "volumes" });
    await row("data-copy");
    await choose("Clone…");
    const name = await screen.findByRole("textbox", { name: "Name of the copy" });
    expect(name).toHaveValue("data-copy-2");
    expect(screen.getByRole("dialog")).toHaveTextContent("db may write to it meanwhile");
    await person.clear(name);
    await person.type(name, "cache");
    expect(name).toHaveAccessibleDescription("There is a volume of this name already.");
    await person.clear(name);
    await person.type(name, "second{Enter}");
    expect(await screen.findByText("second is ready")).toBeVisible();
    expect(await row("second")).toBeTruthy();
    expect(host.requests("volume.clone")).toMatchObject([{ name: "data", to: "second" }]);
  });

  it("ends by its name when it is cancelled", async () => {
    const host = withVolumes();
    host.hanging.add("volume.clone");
    const { screen, user: person, choose } = await opened(host, "cache");
    await choose("Clone…");
    await person.click(await screen.findByRole("button", { name: "Clone" }));
    await screen.findByText("Copying to cache-copy");
    await person.click(screen.getByRole("button", { name: "Cancel" }));
    expect(host.requests("stream.close")).toEqual([{ stream_id: host.requests("volume.clone")[0]?.stream_id }]);
  });
});
