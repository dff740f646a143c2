import type { Host } from "../lib/host/host";
import type { FoundRepository, RepositoryTag } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";

/** A repository that one looks into, with the tags that are known so far. */
export class RepositoryTags {
  readonly name: string;
  tags = $state.raw<readonly RepositoryTag[] | null>(null);
  official = $state(false);
  more = $state(false);
  loading = $state(false);
  failure = $state.raw<IpcFailure | null>(null);

  readonly #host: Host;

  constructor(host: Host, name: string) {
    this.#host = host;
    this.name = name;
  }

  /** Reads the first tags, or those after the last. */
  async read(): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    this.failure = null;
    try {
      const after = this.tags?.at(-1)?.name ?? "";
      const { tags, official, more } = await this.#host.call("registry.repository", { name: this.name, after });
      this.tags = [...(this.tags ?? []), ...tags];
      this.official = official;
      this.more = more;
    } catch (error) {
      this.failure = IpcFailure.from(error);
    }
    this.loading = false;
  }
}

/** A search in a registry, and the repository of it that is looked into. */
export class Finding {
  readonly term: string;
  /** Docker Hub when empty. */
  registry = $state("");
  found = $state.raw<readonly FoundRepository[] | null>(null);
  failure = $state.raw<IpcFailure | null>(null);
  repository = $state.raw<RepositoryTags | null>(null);

  readonly #host: Host;
  /** Counts searches: an answer that comes late is not that of the last. */
  #count = 0;

  constructor(host: Host, term: string) {
    this.#host = host;
    this.term = term;
  }

  async search(registry = this.registry): Promise<void> {
    this.registry = registry;
    this.found = null;
    this.failure = null;
    this.repository = null;
    this.#count += 1;
    const count = this.#count;
    try {
      const found = await this.#host.call("registry.search", { registry, term: this.term });
      if (count === this.#count) this.found = found;
    } catch (error) {
      if (count === this.#count) this.failure = IpcFailure.from(error);
    }
  }

  async open(name: string): Promise<void> {
    const repository = new RepositoryTags(this.#host, name);
    this.repository = repository;
    await repository.read();
  }
}
