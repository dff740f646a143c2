import { describe, expect, it } from "vitest";

import { IpcFailure } from "../ipc/failure";
import { en } from "./en";
import { errorText } from "./errors";
import { Format } from "./format";
import { localeFor } from "./i18n.svelte";
import { ko } from "./ko";

describe("localeFor", () => {
  it("follows the system only where it names a language we have", () => {
    expect(localeFor("system", "ko-KR")).toBe("ko");
    expect(localeFor("system", "de-DE")).toBe("en");
    expect(localeFor("ko", "en-US")).toBe("ko");
  });

  it("survives a system without a language, as WebKit has it under LANG=C", () => {
    expect(localeFor("system", "C")).toBe("en");
    expect(localeFor("system", "")).toBe("en");
  });
});

describe("Format", () => {
  it("writes sizes as Docker does", () => {
    const format = new Format("en");
    expect(format.bytes(0)).toBe("0 bytes");
    expect(format.bytes(4_300_000)).toBe("4.3 MB");
    expect(format.bytes(999_900)).toBe("1 MB");
    expect(format.bytes(438_200_000)).toBe("438 MB");
  });

  it("writes what is left in the largest unit that fits", () => {
    expect(new Format("en").duration(0.2)).toBe("1 sec");
    expect(new Format("en").duration(59)).toBe("59 sec");
    expect(new Format("en").duration(61)).toBe("2 min");
    expect(new Format("ko").duration(7200)).toBe("2시간");
    expect(new Format("en").duration(200_000)).toBe("56 hr");
  });

  it("writes ages in the language, and none in the future", () => {
    expect(new Format("en").age(0, 200)).toBe("3 minutes ago");
    expect(new Format("ko").age(0, 7200)).toBe("2시간 전");
    expect(new Format("en").age(500, 100)).toBe("now");
  });
});

describe("errorText", () => {
  it("puts our words first and the engine's as detail", () => {
    const failure = { kind: "unsupported", message: "QEMU 6.0", hints: ["upgrade-qemu", "check-settings"] } as const;
    expect(errorText(en, failure)).toEqual({
      sentences: [
        en.errors.kinds.unsupported,
        en.errors.hints["upgrade-qemu"],
        en.errors.hints["check-settings"],
      ],
      detail: "QEMU 6.0",
    });
  });

  it("says no more than the advice where the kind says nothing of its own", () => {
    const failure = { kind: "precondition", message: "no QEMU was found", hints: ["install-qemu"] } as const;
    expect(errorText(ko, failure).sentences).toEqual([ko.errors.hints["install-qemu"]]);
    expect(errorText(ko, { ...failure, hints: [] }).sentences).toEqual([ko.errors.kinds.precondition]);
  });

  it("keeps the text of what is no error of ours", () => {
    expect(IpcFailure.from(new TypeError("x is undefined")).message).toBe("x is undefined");
    expect(IpcFailure.from("plain").kind).toBe("internal");
  });
});

/** Names and examples that are the same in every language. */
const SAME = new Set([
  ...["mirrorsPlaceholder", "insecurePlaceholder", "proxyPlaceholder", "noProxyPlaceholder", "caPlaceholder"],
  ...["dockerHost", "en", "ko", "id", "hub"],
]);

/** Each text of a catalogue by its place, functions with something said to them. */
const textsOf = (catalogue: object, place = ""): [string, string][] =>
  Object.entries(catalogue).flatMap(([key, value]: [string, unknown]): [string, string][] => {
    const here = `${place}/${key}`;
    if (typeof value === "string") return [[here, value]];
    if (typeof value === "function") return [1, 2].map((n) => [`${here}(${n})`, String((value as (...n: number[]) => unknown)(n, n))]);
    return typeof value === "object" && value !== null ? textsOf(value, here) : [];
  });

describe("the catalogues", () => {
  it("have Korean words for everything", () => {
    const left = textsOf(ko)
      .filter(([place, text]) => !SAME.has(place.split("/").at(-1) ?? "") && !/[가-힣]/.test(text))
      // Numbers and signs alone are no words.
      .filter(([, text]) => /\p{L}{2}/u.test(text));
    expect(left).toEqual([]);
  });

  it("have no empty text", () => {
    for (const catalogue of [en, ko]) expect(textsOf(catalogue).filter(([, text]) => text.trim() === "")).toEqual([]);
  });
});
