import type { RegistrySettings, Settings } from "../../lib/ipc/bindings";
import { isRegistry } from "../../lib/text/reference";

/** How registries are reached, as it is typed: a thing a line. */
export interface RegistryDraft {
  mirrors: string;
  insecure: string;
  http_proxy: string;
  https_proxy: string;
  no_proxy: string;
  ca: string;
}

/** What is wrong with a draft: for each field the first thing that is. */
export type RegistryProblems = Partial<Record<keyof RegistryDraft, string>>;

/** Docker Hub's own name among registries. */
const HUB = "docker.io";
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

const linesOf = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

export const registryDraftOf = ({ registries, insecure_registries }: Settings): RegistryDraft => ({
  mirrors: (registries.hosts[HUB]?.mirrors ?? []).join("\n"),
  // Once there were those of the machine's start alone; both are the same to a person.
  insecure: [...new Set([...registries.insecure, ...insecure_registries])].join("\n"),
  http_proxy: registries.http_proxy,
  https_proxy: registries.https_proxy,
  no_proxy: registries.no_proxy,
  ca: registries.ca.join("\n"),
});

/** Whether `text` is a URL with a host, by one of these schemes. */
const isUrl = (text: string, schemes: readonly string[]): boolean => {
  try {
    const url = new URL(text);
    return schemes.includes(url.protocol) && url.hostname !== "";
  } catch {
    return false;
  }
};

const isMirror = (text: string) => isRegistry(text) || isUrl(text, ["http:", "https:"]);
const isProxy = (text: string) => text === "" || isUrl(text, ["http:", "https:", "socks5:", "socks5h:"]);
const isRange = (text: string) => /^[0-9a-fA-F.:]+\/\d{1,3}$/.test(text);

export const registryProblemsOf = (draft: RegistryDraft): RegistryProblems => {
  const mirror = linesOf(draft.mirrors).find((line) => !isMirror(line));
  const insecure = linesOf(draft.insecure).find((line) => !isRegistry(line) && !isRange(line));
  const rest = draft.ca.replaceAll(CERTIFICATE, "").trim();
  return {
    ...(mirror === undefined ? {} : { mirrors: mirror }),
    ...(insecure === undefined ? {} : { insecure }),
    ...(isProxy(draft.http_proxy.trim()) ? {} : { http_proxy: draft.http_proxy.trim() }),
    ...(isProxy(draft.https_proxy.trim()) ? {} : { https_proxy: draft.https_proxy.trim() }),
    ...(rest === "" ? {} : { ca: rest.split("\n")[0] ?? rest }),
  };
};

/** The changes that a draft makes, or `null` while something is wrong with it. */
export const registryChangesOf = (draft: RegistryDraft, settings: Settings): Partial<Settings> | null => {
  if (Object.keys(registryProblemsOf(draft)).length > 0) return null;
  const { hosts } = settings.registries;
  const mirrors = linesOf(draft.mirrors);
  const hub = hosts[HUB] ?? { insecure: false, ca: "", client_certificate: "", client_key: "", mirrors: [], proxy: null };
  const registries: RegistrySettings = {
    ...settings.registries,
    hosts: mirrors.length === 0 && hosts[HUB] === undefined ? hosts : { ...hosts, [HUB]: { ...hub, mirrors } },
    insecure: linesOf(draft.insecure),
    http_proxy: draft.http_proxy.trim(),
    https_proxy: draft.https_proxy.trim(),
    no_proxy: draft.no_proxy.trim(),
    ca: draft.ca.match(CERTIFICATE) ?? [],
  };
  return { registries, insecure_registries: [] };
};
