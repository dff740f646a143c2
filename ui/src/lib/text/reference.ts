/** The grammar of image names, as the distribution specification has it. */
const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
/** As much of a path as is right. */
const PATH = /^(?:[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*)?/;
const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}$/;
const LONGEST_PATH = 255;
const LONGEST_TAG = 128;

/** Docker Hub's own name; names of images leave it out, and so do log-ins. */
export const HUB = "docker.io";

/** Whether `text` is a `host[:port]`. */
export const isRegistry = (text: string): boolean => HOST.test(text);

/** What can be wrong with an image's name. */
export type FlawKind = "missing" | "scheme" | "registry" | "capital" | "character" | "long" | "digest" | "noDigest";

/** The first thing that is wrong, at which character, from 1 on, and what is there. */
export interface Flaw {
  kind: FlawKind;
  at: number;
  what: string;
}

/** What a catalogue has to say about it. */
export interface FlawWords {
  badReference: (flaw: string) => string;
  flaws: Readonly<Record<FlawKind, (at: number, what: string) => string>>;
}

interface Part {
  text: string;
  at: number;
}

const flaw = (kind: FlawKind, { text, at }: Part, within = 0): Flaw => ({
  kind,
  at: at + within + 1,
  what: text.slice(within).match(/^./su)?.[0] ?? "",
});

const partsOf = (reference: string) => {
  const sign = reference.indexOf("@");
  const named = sign < 0 ? reference : reference.slice(0, sign);
  const slash = named.indexOf("/");
  const first = named.slice(0, Math.max(slash, 0));
  const hasHost = slash > 0 && (/[.:[]/.test(first) || first === "localhost");
  const start = hasHost ? slash + 1 : 0;
  const colon = named.indexOf(":", start);
  return {
    host: hasHost ? first : null,
    path: { text: named.slice(start, colon < 0 ? undefined : colon), at: start },
    tag: colon < 0 ? null : { text: named.slice(colon + 1), at: colon + 1 },
    digest: sign < 0 ? null : { text: reference.slice(sign + 1), at: sign + 1 },
  };
};

const flawOfPath = (path: Part): Flaw | null => {
  const { text } = path;
  if (text === "") return flaw("missing", path);
  const foreign = text.search(/[^a-z0-9._/-]/);
  const good = foreign < 0 ? (PATH.exec(text)?.[0].length ?? 0) : foreign;
  if (good < text.length) return flaw(/^[A-Z]/.test(text.slice(good)) ? "capital" : "character", path, good);
  return text.length > LONGEST_PATH ? flaw("long", path, LONGEST_PATH) : null;
};

const flawOfTag = (tag: Part): Flaw | null => {
  if (tag.text === "") return flaw("missing", tag);
  const bad = tag.text.search(/^[.-]|[^\w.-]/);
  if (bad >= 0) return flaw("character", tag, bad);
  return tag.text.length > LONGEST_TAG ? flaw("long", tag, LONGEST_TAG) : null;
};

/** Why `text` cannot name an image; null if it can: `busybox`, `ghcr.io/x/y:tag`, `localhost:5000/a@sha256:…`. */
export const flawOf = (text: string): Flaw | null => {
  const { host, path, tag, digest } = partsOf(text);
  if (host !== null && !isRegistry(host)) {
    const scheme = /^[a-z]+:\/\//i.exec(text);
    return scheme ? { kind: "scheme", at: 1, what: scheme[0] } : { kind: "registry", at: 1, what: host };
  }
  const found = flawOfPath(path) ?? (tag && flawOfTag(tag));
  if (found) return found;
  return digest && !DIGEST.test(digest.text) ? flaw("digest", digest) : null;
};

/** Why an image cannot be given this name: as `flawOf`, but a digest is nothing that is given. */
export const flawOfNewName = (text: string): Flaw | null => {
  const { digest } = partsOf(text);
  return flawOf(text) ?? (digest && flaw("noDigest", digest));
};

/** What to say of a name; null for a good one. */
export const flawText = (found: Flaw | null, words: FlawWords): string | null =>
  found && words.badReference(words.flaws[found.kind](found.at, found.what));

/** Whether `text` can name an image. */
export const isReference = (text: string): boolean => flawOf(text) === null;

/** Whether `text` names an image that is here: a reference or an id. */
export const isImage = (text: string): boolean => isReference(text) || /^sha256:[0-9a-f]{64}$/.test(text);

/** Whether `text` says which one of a repository's images is meant: it has a tag or a digest. */
export const namesOneImage = (text: string): boolean => /[:@]/.test(text.slice(text.lastIndexOf("/") + 1));

/** The `host[:port]` that an image's name begins with; empty for Docker Hub's. */
export const registryOf = (reference: string): string => {
  const slash = reference.indexOf("/");
  const host = reference.slice(0, Math.max(slash, 0));
  if (!/[.:[]/.test(host) && host !== "localhost") return "";
  return host === HUB || host === "index.docker.io" ? "" : host;
};

/** What a person calls an image: its name, or the short form of its id. */
export const shownName = (image: string): string => image.replace(/^sha256:([0-9a-f]{12})[0-9a-f]*$/, "$1");

/** A platform as it is shown where all are of Linux: `arm64/v8` of `linux/arm64/v8`. */
export const shortPlatform = (platform: string): string => platform.replace(/^linux\//, "");
