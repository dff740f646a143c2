import type { VolumeSize, VolumeSummary } from "../ipc/bindings";
import type { Handlers } from "./fake_close";
import type { Command } from "./host";
import { fakeVolume, HEX } from "./samples";

/** What of the made-up app volumes are answered from. */
interface Scene {
  volumes: VolumeSummary[];
  readonly volumeSizes: VolumeSize[];
  readonly hanging: ReadonlySet<Command>;
}

export const volumeHandlers = (host: Scene) =>
  ({
    "volume.list": () => Promise.resolve(host.volumes),
    "volume.sizes": () => Promise.resolve(host.volumeSizes),
    "volume.inspect": ({ name }) => Promise.resolve({ json: JSON.stringify({ Name: name, Driver: "local" }, null, 2) }),
    "volume.create": ({ name }) => {
      const created = fakeVolume(name === "" ? HEX.repeat(4) : name, { created: Math.floor(Date.now() / 1000) });
      host.volumes = [...host.volumes, created];
      return Promise.resolve({ name: created.name });
    },
    "volume.remove": ({ name }) => {
      host.volumes = host.volumes.filter((each) => each.name !== name);
      return Promise.resolve(null);
    },
    "volume.backup": (_, onItem) => {
      onItem({ bytes: 2_000_000, total: null });
      return Promise.resolve(null);
    },
    "volume.restore": ({ name }, onItem) => {
      onItem({ bytes: 2_000_000, total: 4_000_000 });
      if (!host.volumes.some((each) => each.name === name)) host.volumes = [...host.volumes, fakeVolume(name)];
      return Promise.resolve(null);
    },
    "volume.clone": ({ to }, onItem) => {
      onItem({ bytes: 2_000_000, total: null });
      if (!host.hanging.has("volume.clone")) host.volumes = [...host.volumes, fakeVolume(to)];
      return Promise.resolve(null);
    },
  }) satisfies Partial<Handlers>;
