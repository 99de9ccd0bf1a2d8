import { describe, expect, it } from "vitest";
import { DEFAULT_INJECTION_SETTINGS } from "../injector/admission/injection-settings.ts";
import { injectionSettings } from "./injection-flags.ts";

describe("what injected pods get", () => {
  it("is Istio's without an option", () => {
    expect(injectionSettings({})).toEqual(DEFAULT_INJECTION_SETTINGS);
  });

  it.each([
    { name: "a file", text: "/dev/stdout" },
    { name: "nothing, which is off", text: "" },
  ])("may be an access log to $name", ({ text }) => {
    expect(injectionSettings({ "access-log-file": text }).accessLogFile).toBe(text);
  });

  it("is no access log without a path", () => {
    expect(() => injectionSettings({ "access-log-file": "stdout" })).toThrow("--access-log-file");
  });
});
