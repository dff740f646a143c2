import type { RegistryAccount, RegistryHostSettings, Settings } from "../../lib/ipc/bindings";
import { HUB, isRegistry } from "../../lib/text/reference";
import { isMirror, isProxy, linesOf } from "./registry_draft";

/** What is known of one registry. */
export interface RegistryRow {
  /** As the settings call it. */
  name: string;
  settings: RegistryHostSettings | null;
  account: RegistryAccount | null;
}

/** By what a registry is reached: as all others, directly, or by a proxy of its own. */
export const proxyKinds = ["shared", "none", "own"] as const;

/** What is set for one registry, as it is typed. */
export interface HostDraft {
  name: string;
  insecure: boolean;
  mirrors: string;
  proxy: (typeof proxyKinds)[number];
  proxyUrl: string;
  ca: string;
  client_certificate: string;
  client_key: string;
}

/** What is wrong with a draft: for each field what is, or nothing but that it is. */
export type HostProblems = Partial<Record<"name" | "taken" | "mirrors" | "proxyUrl" | "pair", string>>;

const NOTHING: RegistryHostSettings = { insecure: false, ca: "", client_certificate: "", client_key: "", mirrors: [], proxy: null };

/** Docker Hub first, then the others for which something is set, or where one is logged in. */
export const registryRowsOf = ({ registries: { hosts } }: Settings, accounts: readonly RegistryAccount[]): RegistryRow[] => {
  const accountOf = new Map(accounts.map((account) => [account.registry === "" ? HUB : account.registry, account]));
  const others = [...new Set([...Object.keys(hosts), ...accountOf.keys()])].filter((name) => name !== HUB).sort();
  return [HUB, ...others].map((name) => ({ name, settings: hosts[name] ?? null, account: accountOf.get(name) ?? null }));
};

export const hostDraftOf = (name: string, settings: RegistryHostSettings | null): HostDraft => {
  const { insecure, ca, client_certificate, client_key, mirrors, proxy } = settings ?? NOTHING;
  return {
    name,
    insecure,
    mirrors: mirrors.join("\n"),
    proxy: proxy === null ? "shared" : proxy === "" ? "none" : "own",
    proxyUrl: proxy ?? "",
    ca,
    client_certificate,
    client_key,
  };
};

/** `taken` are the registries that have settings already. */
export const hostProblemsOf = (draft: HostDraft, taken: readonly string[]): HostProblems => {
  const name = draft.name.trim();
  const mirror = linesOf(draft.mirrors).find((line) => !isMirror(line));
  const proxy = draft.proxyUrl.trim();
  return {
    ...(isRegistry(name) ? {} : { name }),
    ...(taken.includes(name) ? { taken: name } : {}),
    ...(mirror === undefined ? {} : { mirrors: mirror }),
    ...(draft.proxy === "own" && (proxy === "" || !isProxy(proxy)) ? { proxyUrl: proxy } : {}),
    ...((draft.client_certificate === "") === (draft.client_key === "") ? {} : { pair: "" }),
  };
};

/** The change that a draft without problems makes. */
export const hostChangesOf = (draft: HostDraft, { registries }: Settings): Partial<Settings> => {
  const host: RegistryHostSettings = {
    insecure: draft.insecure,
    ca: draft.ca,
    client_certificate: draft.client_certificate,
    client_key: draft.client_key,
    mirrors: linesOf(draft.mirrors),
    proxy: draft.proxy === "shared" ? null : draft.proxy === "none" ? "" : draft.proxyUrl.trim(),
  };
  return { registries: { ...registries, hosts: { ...registries.hosts, [draft.name.trim()]: host } } };
};

export const hostRemoved = (name: string, { registries }: Settings): Partial<Settings> => ({
  registries: { ...registries, hosts: Object.fromEntries(Object.entries(registries.hosts).filter(([each]) => each !== name)) },
});
