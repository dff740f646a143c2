import { quote } from "./shell";

/** The command line by which `docker` does the same with this machine. */
export const docker = (context: string, ...words: string[]): string =>
  ["docker", "--context", context, ...words].map(quote).join(" ");
