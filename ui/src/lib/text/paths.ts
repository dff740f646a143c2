/** The last part of a path, of this computer or of a container. */
export const baseName = (path: string): string => path.split(/[\\/]/).filter((part) => part !== "").at(-1) ?? "";

/** `name` in the folder `path`. */
export const joined = (path: string, name: string): string => (path.endsWith("/") ? path : `${path}/`) + name;

/** The folder that `path` is in; the root is in itself. */
export const parentOf = (path: string): string => {
  const at = path.replace(/\/+$/, "").lastIndexOf("/");
  return at <= 0 ? "/" : path.slice(0, at);
};

/** Every folder on the way to `path`, the root first, each with its name. */
export const steps = (path: string): { name: string; path: string }[] => {
  const parts = path.split("/").filter((part) => part !== "");
  return [
    { name: "/", path: "/" },
    ...parts.map((name, at) => ({ name, path: `/${parts.slice(0, at + 1).join("/")}` })),
  ];
};

/** Whether this is a path from the root, of either kind of system. */
export const isAbsolute = (path: string): boolean => /^(\/|[a-z]:[\\/]|\\\\)/i.test(path);
