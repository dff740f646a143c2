import { describe, expect, it } from "vitest";

import { fakeDetails, fakeImage } from "../../lib/host/fake";
import { emptyDraft, problemsOf, requestOf, suggested, type Draft } from "./draft";
import { bytesOf, memoryWord, nanoCpusOf } from "./limits";
import { dockerLine } from "./line";

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
        mounts: [
          { kind: "volume", source: " data ", target: "/data", readOnly: true },
          { kind: "bind", source: "/srv", target: "/srv", readOnly: false },
          { kind: "volume", source: "", target: "", readOnly: false },
        ],
        memory: "512m",
        cpus: "0.5",
        restart: "always",
        network: "shop",
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
      mounts: [
        { kind: "volume", source: "data", target: "/data", read_only: true },
        { kind: "bind", source: "/srv", target: "/srv", read_only: false },
      ],
      memory: 536_870_912,
      nano_cpus: 500_000_000,
      restart: "always",
      network: "shop",
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
    ["a variable twice", { env: [{ key: "A", value: "1" }, { key: "A", value: "2" }] }],
    ["a volume's name that is a path", { mounts: [{ kind: "volume", source: "/srv", target: "/a", readOnly: false }] }],
    ["a folder that is a name", { mounts: [{ kind: "bind", source: "srv", target: "/a", readOnly: false }] }],
    ["a place that is no path", { mounts: [{ kind: "volume", source: "ab", target: "a", readOnly: false }] }],
    ["the root for a place", { mounts: [{ kind: "volume", source: "ab", target: "//", readOnly: false }] }],
    [
      "one place twice",
      {
        mounts: [
          { kind: "volume", source: "ab", target: "/a", readOnly: false },
          { kind: "volume", source: "cd", target: "//a/", readOnly: false },
        ],
      },
    ],
    ["memory without a unit", { memory: "512" }],
    ["a processor of nothing", { cpus: "0" }],
    ["a restart of what is removed", { autoRemove: true, restart: "always" }],
  ])("is refused with %s", (_, changes) => {
    expect(requestOf(draft(changes))).toBeNull();
  });

  it("marks the second of two equal ports alone", () => {
    const ports = [{ host: "80", container: "1" }, { host: "80", container: "2" }];
    expect(problemsOf(draft({ ports })).ports).toEqual([null, "samePort"]);
  });

  it("is refused for what others have already", () => {
    const taken = { names: ["web"], ports: [8080] };
    const wanted = draft({ name: "web", ports: [{ host: "8080", container: "80" }] });
    expect(problemsOf(wanted, taken)).toMatchObject({ name: "nameTaken", ports: ["portTaken"] });
    expect(requestOf(wanted, taken)).toBeNull();
    expect(requestOf(wanted)).not.toBeNull();
  });

  it("begins with what the image asks for, on ports that are free", () => {
    const { config } = fakeDetails(fakeImage("web:1"));
    const asks = { ...config, ports: ["53/udp", "80/tcp", "8080/tcp"], volumes: ["/data"] };
    expect(suggested(asks, { names: [], ports: [8080] })).toEqual({
      ports: [{ host: "8081", container: "80" }, { host: "8082", container: "8080" }],
      mounts: [{ kind: "volume", source: "", target: "/data", readOnly: false }],
    });
  });

  it("has limits as Docker writes them", () => {
    expect([bytesOf(""), bytesOf("1.5g"), bytesOf("512 MiB"), bytesOf("5m"), bytesOf("lots")]).toEqual([
      0, 1_610_612_736, 536_870_912, null, null,
    ]);
    expect([nanoCpusOf(""), nanoCpusOf("1.5"), nanoCpusOf("0.001"), nanoCpusOf("x")]).toEqual([0, 1_500_000_000, null, null]);
    expect(bytesOf("7000001b")).toBe(7_000_001);
    expect([memoryWord(536_870_912), memoryWord(1_610_612_736), memoryWord(7_000_001)]).toEqual(["512m", "1536m", "7000001b"]);
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

  it("has a line with all that can be chosen", () => {
    const request = requestOf(
      draft({
        mounts: [
          { kind: "volume", source: "data", target: "/data", readOnly: true },
          { kind: "volume", source: "", target: "/tmp/x", readOnly: false },
          { kind: "bind", source: "/srv/a b", target: "/srv", readOnly: true },
        ],
        memory: "2g",
        cpus: "1.5",
        restart: "on-failure",
        network: "shop",
      }),
    );
    expect(request && dockerLine(request, "naru")).toBe(
      "docker --context naru run -d -v data:/data:ro -v /tmp/x --mount 'type=bind,source=/srv/a b,target=/srv,readonly' " +
        "-m 2g --cpus 1.5 --restart on-failure --network shop busybox",
    );
  });
});
