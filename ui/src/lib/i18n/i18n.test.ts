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

  it("writes ages in the language, and none in the future", () => {
    expect(new Format("en").age(0, 200)).toBe("3 minutes ago");
    expect(new Format("ko").age(0, 7200)).toBe("2시간 전");
    expect(new Format("en").age(500, 100)).toBe("now");
  });
});

describe("errorText", () => {
  const failure = new IpcFailure({
    kind: "precondition",
    message: "no QEMU was found",
    hints: ["install-qemu", "read-console"],
  });

  it("puts our words first and the engine's as detail", () => {
    expect(errorText(en, failure)).toEqual({
      sentence: en.errors.kinds.precondition,
      advice: [en.errors.hints["install-qemu"], en.errors.hints["read-console"]],
      detail: "no QEMU was found",
    });
    expect(errorText(ko, failure).advice).toEqual([ko.errors.hints["install-qemu"], ko.errors.hints["read-console"]]);
  });

  it("keeps the text of what is no error of ours", () => {
    expect(IpcFailure.from(new TypeError("x is undefined")).message).toBe("x is undefined");
    expect(IpcFailure.from("plain").kind).toBe("internal");
  });
});
