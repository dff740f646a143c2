import type {
  FoundRepository,
  ImageDetails,
  ImagePrunePlan,
  ImageStep,
  ImageSummary,
  PullProgress,
  RegistryAccount,
  Repository,
} from "../ipc/bindings";
import type { Handlers } from "./fake_close";
import type { Command } from "./host";
import { failure, fakeDetails, fakeId, fakeImage } from "./samples";

/** What of the made-up app images and registries are answered from. */
interface Scene {
  images: ImageSummary[];
  readonly details: ReadonlyMap<string, ImageDetails>;
  readonly steps: ImageStep[];
  readonly progress: PullProgress[];
  prunePlan: ImagePrunePlan;
  readonly found: FoundRepository[];
  readonly repositories: Repository[];
  accounts: readonly RegistryAccount[];
  readonly hanging: ReadonlySet<Command>;
}

export const imageHandlers = (host: Scene) =>
  ({
    "image.list": () => Promise.resolve(host.images),
    "image.pull": ({ reference }, onItem) => {
      for (const item of host.progress) onItem(item);
      if (!host.hanging.has("image.pull")) host.images = [...host.images, fakeImage(reference)];
      return Promise.resolve(null);
    },
    "image.pull_cancel": () => Promise.resolve(null),
    "image.remove": ({ image }) => {
      host.images = host.images.filter((each) => each.id !== image && !each.tags.includes(image));
      return Promise.resolve(null);
    },
    "image.inspect": ({ image }) => {
      const found = host.images.find((each) => each.id === image || each.tags.includes(image));
      const known = host.details.get(found?.id ?? image);
      if (known !== undefined) return Promise.resolve(known);
      if (found !== undefined) return Promise.resolve(fakeDetails(found));
      return Promise.reject(failure("not_found", `No such image: ${image}`));
    },
    "image.history": () => Promise.resolve(host.steps),
    "image.tag": ({ image, name }) => {
      host.images = host.images.map((each) =>
        each.id === image || each.tags.includes(image) ? { ...each, tags: [...each.tags, name] } : each,
      );
      return Promise.resolve(null);
    },
    "image.save": (_, onItem) => {
      onItem({ bytes: 2_000_000, total: null });
      return Promise.resolve(null);
    },
    "image.load": (_, onItem) => {
      onItem({ bytes: 2_000_000, total: 4_000_000 });
      const loaded = fakeImage("loaded:1", { id: fakeId("loaded") });
      host.images = [...host.images, loaded];
      return Promise.resolve({ images: loaded.tags });
    },
    "image.push": (_, onItem) => {
      for (const item of host.progress) onItem(item);
      return Promise.resolve(null);
    },
    "image.prune_plan": () => Promise.resolve(host.prunePlan),
    "image.prune": () => {
      const plan = host.prunePlan;
      host.images = host.images.filter(({ tags }) => !tags.some((tag) => plan.images.includes(tag)));
      host.prunePlan = { images: [], bytes: 0 };
      return Promise.resolve(plan);
    },
    "registry.search": () => Promise.resolve(host.found),
    "registry.repository": ({ name }) => {
      const found = host.repositories.find((each) => each.name === name);
      return found ? Promise.resolve(found) : Promise.reject(failure("not_found", `repository ${name} not found`, "check-name"));
    },
    "registry.login": ({ registry, username }) => {
      host.accounts = [...host.accounts.filter((each) => each.registry !== registry), { registry, username }];
      return Promise.resolve(null);
    },
    "registry.accounts": () => Promise.resolve([...host.accounts]),
    "registry.logout": ({ registry }) => {
      host.accounts = host.accounts.filter((each) => each.registry !== registry);
      return Promise.resolve(null);
    },
  }) satisfies Partial<Handlers>;
