/** The grammar of image names, as the distribution specification has it. */
const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}$/;
const LONGEST_PATH = 255;

/** Whether `text` is a `host[:port]`. */
export const isRegistry = (text: string): boolean => HOST.test(text);

/** Whether `text` can name an image: `busybox`, `ghcr.io/x/y:tag`, `localhost:5000/a@sha256:…`. */
export const isReference = (text: string): boolean => {
  const [named = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return false;

  const slash = named.indexOf("/");
  const first = named.slice(0, Math.max(slash, 0));
  const hasHost = slash > 0 && (/[.:[]/.test(first) || first === "localhost");
  if (hasHost && !isRegistry(first)) return false;

  const rest = hasHost ? named.slice(slash + 1) : named;
  const colon = rest.indexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  if (colon >= 0 && !TAG.test(rest.slice(colon + 1))) return false;
  return path.length <= LONGEST_PATH && PATH.test(path);
};

/** Whether `text` names an image that is here: a reference or an id. */
export const isImage = (text: string): boolean => isReference(text) || /^sha256:[0-9a-f]{64}$/.test(text);

/** Whether `text` says which one of a repository's images is meant: it has a tag or a digest. */
export const namesOneImage = (text: string): boolean => /[:@]/.test(text.slice(text.lastIndexOf("/") + 1));

/** The `host[:port]` that an image's name begins with; empty for Docker Hub's. */
export const registryOf = (reference: string): string => {
  const slash = reference.indexOf("/");
  const host = reference.slice(0, Math.max(slash, 0));
  if (!/[.:[]/.test(host) && host !== "localhost") return "";
  return host === "docker.io" || host === "index.docker.io" ? "" : host;
};

/** What a person calls an image: its name, or the short form of its id. */
export const shownName = (image: string): string => image.replace(/^sha256:([0-9a-f]{12})[0-9a-f]*$/, "$1");
