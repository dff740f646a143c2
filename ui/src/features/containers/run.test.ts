import { describe, expect, it } from "vitest";

import { failure, fakeContainer, fakeDetails, FakeHost, fakeImage, fakeNetwork, fakePort, fakeVolume } from "../../lib/host/fake";
import { openWindow } from "../../test/render";

const withImage = () => {
  const host = new FakeHost();
  const image = fakeImage("postgres:17");
  host.images = [image];
  const plain = fakeDetails(image);
  host.details.set(image.id, {
    ...plain,
    config: {
      ...plain.config,
      command: ["postgres"],
      entrypoint: ["docker-entrypoint.sh"],
      ports: ["5432/tcp"],
      volumes: ["/var/lib/postgresql/data"],
      env: ["PGDATA=/var/lib/postgresql/data"],
    },
  });
  host.containers = [fakeContainer("other", { ports: [fakePort(5432, 80)] })];
  host.volumes = [fakeVolume("pgdata")];
  host.networks = [fakeNetwork("bridge"), fakeNetwork("shop")];
  return host;
};

const open = async (host = withImage()) => {
  const opened = openWindow(host, "images");
  await opened.user.click(await opened.screen.findByRole("button", { name: "Run postgres:17" }));
  return { ...opened, host };
};

describe("the run form", () => {
  it("begins with what the image asks for, on a port that is free", async () => {
    const { screen } = await open();
    expect(await screen.findByRole("textbox", { name: "Port on this computer" })).toHaveValue("5433");
    expect(screen.getByRole("textbox", { name: "Port in the container" })).toHaveValue("5432");
    expect(screen.getByRole("textbox", { name: "Place in the container" })).toHaveValue("/var/lib/postgresql/data");
    expect(screen.getByRole("textbox", { name: "Command" })).toHaveAttribute("placeholder", "docker-entrypoint.sh postgres");
  });

  it("says what becomes of the data, and sends what was chosen", async () => {
    const { screen, user, host } = await open();
    const volume = await screen.findByRole("combobox", { name: "Volume name" });
    expect(screen.getByText(/Give it a name to keep the data/)).toBeVisible();
    await user.type(volume, "pgdata");
    expect(screen.getByText(/its files are used/)).toBeVisible();
    await user.click(screen.getByText("Limits, restart, network"));
    await user.type(screen.getByRole("textbox", { name: "Memory at the most" }), "512m");
    await user.selectOptions(screen.getByRole("combobox", { name: "Starts again by itself" }), "Always");
    await user.selectOptions(screen.getByRole("combobox", { name: "Network" }), "shop");
    expect(screen.getByRole("group", { name: "The same in a shell" })).toHaveTextContent(
      "docker --context naru run -d -p 127.0.0.1:5433:5432 -v pgdata:/var/lib/postgresql/data -m 512m --restart always --network shop postgres:17",
    );
    await user.click(screen.getByRole("button", { name: "Run" }));
    expect(host.requests("container.run")[0]).toMatchObject({
      mounts: [{ kind: "volume", source: "pgdata", target: "/var/lib/postgresql/data", read_only: false }],
      memory: 536_870_912,
      restart: "always",
      network: "shop",
    });
  });

  it("marks what others have already, while it is typed, and sends nothing", async () => {
    const { screen, user, host } = await open();
    const port = await screen.findByRole("textbox", { name: "Port on this computer" });
    await user.clear(port);
    await user.type(port, "5432");
    expect(port).toBeInvalid();
    expect(screen.getByText("Another container has this port of the computer.")).toBeVisible();
    await user.type(screen.getByRole("textbox", { name: "Name" }), "other");
    expect(screen.getByText("Another container has this name.")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Run" }));
    expect(host.requests("container.run")).toEqual([]);
  });

  it("is as good for an image that cannot be looked into", async () => {
    const host = withImage();
    host.failures.set("image.inspect", failure("not_found", "No such image"));
    const { screen, user } = await open(host);
    await user.click(screen.getByRole("button", { name: "Run" }));
    expect(host.requests("container.run")[0]).toMatchObject({ image: "postgres:17", ports: [], mounts: [] });
  });
});
