import type { RegistrySettings, Settings } from "../../lib/ipc/bindings";
import { besidesCertificates, certificatesIn } from "../../lib/text/pem";
import { isRegistry } from "../../lib/text/reference";

/** How all registries are reached, as it is typed: a thing a line. */
export interface RegistryDraft {
  insecure: string;
  http_proxy: string;
  https_proxy: string;
  no_proxy: string;
  ca: string;
}

/** What is wrong with a draft: for each field the first thing that is. */
export type RegistryProblems = Partial<Record<keyof RegistryDraft, string>>;

export const linesOf = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

export const registryDraftOf = ({ registries, insecure_registries }: Settings): RegistryDraft => ({
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

export const isMirror = (text: string): boolean => isRegistry(text) || isUrl(text, ["http:", "https:"]);
export const isProxy = (text: string): boolean => text === "" || isUrl(text, ["http:", "https:", "socks5:", "socks5h:"]);
const isRange = (text: string) => /^[0-9a-fA-F.:]+\/\d{1,3}$/.test(text);

export const registryProblemsOf = (draft: RegistryDraft): RegistryProblems => {
  const insecure = linesOf(draft.insecure).find((line) => !isRegistry(line) && !isRange(line));
  const rest = besidesCertificates(draft.ca);
  return {
    ...(insecure === undefined ? {} : { insecure }),
    ...(isProxy(draft.http_proxy.trim()) ? {} : { http_proxy: draft.http_proxy.trim() }),
    ...(isProxy(draft.https_proxy.trim()) ? {} : { https_proxy: draft.https_proxy.trim() }),
    ...(rest === "" ? {} : { ca: rest.split("\n")[0] ?? rest }),
  };
};

/** The changes that a draft makes, or `null` while something is wrong with it. */
export const registryChangesOf = (draft: RegistryDraft, settings: Settings): Partial<Settings> | null => {
  if (Object.keys(registryProblemsOf(draft)).length > 0) return null;
  const registries: RegistrySettings = {
    ...settings.registries,
    insecure: linesOf(draft.insecure),
    http_proxy: draft.http_proxy.trim(),
    https_proxy: draft.https_proxy.trim(),
    no_proxy: draft.no_proxy.trim(),
    ca: certificatesIn(draft.ca),
  };
  return { registries, insecure_registries: [] };
};
