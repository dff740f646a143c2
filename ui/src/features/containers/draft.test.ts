import { describe, expect, it } from "vitest";

import { dockerLine, emptyDraft, problemsOf, requestOf, type Draft } from "./draft";

const draft = (changes: Partial<Draft>): Draft => ({ ...emptyDraft("busybox"), ...changes });

describe("a draft", () => {
  it("becomes a request, without its blank rows", () => {
    const request = requestOf(
      draft({
        name: "web",
        command: "sh -c 'echo hi'",
        ports: [{ host: "8080", container: "80" }, { host: "", container: "443" }, { host: "", container: "" }],
        env: [{ key: "A", value: "b=c" }, { key: "", value: "" }],
        interactive: true,
      }),
    );
    expect(request).toEqual({
      image: "busybox",
      name: "web",
      command: ["sh", "-c", "echo hi"],
      env: ["A=b=c"],
      ports: [
        { host_ip: "127.0.0.1", host_port: 8080, container_port: 80 },
        { host_ip: "127.0.0.1", host_port: 0, container_port: 443 },
      ],
      interactive: true,
      mounts: [],
      memory: 0,
      nano_cpus: 0,
      restart: "no",
      network: "",
      auto_remove: false,
    });
  });

  it.each<[string, Partial<Draft>]>([
    ["an image that is none", { image: "Not One" }],
    ["a name of one letter", { name: "a" }],
    ["a name with a space", { name: "a b" }],
    ["an open quote", { command: "echo 'a" }],
    ["a port beyond the last", { ports: [{ host: "1", container: "65536" }] }],
    ["a port that is no number", { ports: [{ host: "http", container: "80" }] }],
    ["a container port of 0", { ports: [{ host: "80", container: "0" }] }],
    ["a host port without a container's", { ports: [{ host: "80", container: "" }] }],
    ["a host port twice", { ports: [{ host: "80", container: "1" }, { host: "80", container: "2" }] }],
    ["a value without a variable", { env: [{ key: "", value: "x" }] }],
    ["a variable with an equals sign", { env: [{ key: "A=B", value: "x" }] }],
  ])("is refused with %s", (_, changes) => {
    expect(requestOf(draft(changes))).toBeNull();
  });

  it("marks the second of two equal ports alone", () => {
    const ports = [{ host: "80", container: "1" }, { host: "80", container: "2" }];
    expect(problemsOf(draft({ ports })).ports).toEqual([null, "samePort"]);
  });

  it("has an equal docker line that a shell reads back", () => {
    const request = requestOf(
      draft({
        name: "web",
        command: "echo 'a b'",
        ports: [{ host: "", container: "80" }],
        env: [{ key: "A", value: "it's" }],
      }),
    );
    expect(request && dockerLine(request, "naru")).toBe(
      "docker --context naru run -d --name web -p 127.0.0.1::80 -e 'A=it'\\''s' busybox echo 'a b'",
    );
  });
});
