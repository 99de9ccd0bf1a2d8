import { describe, expect, it } from "vitest";
import { DEFAULT_INJECTION_SETTINGS } from "../injector/admission/injection-settings.ts";
import { injectionSettings } from "./injection-flags.ts";

describe("the settings of injected pods", () => {
  it("are Istio's defaults without options", () => {
    expect(injectionSettings({})).toEqual(DEFAULT_INJECTION_SETTINGS);
  });

  it.each([
    { name: "a file", text: "/dev/stdout" },
    { name: "nothing, which is off", text: "" },
  ])("may send the access log to $name", ({ text }) => {
    expect(injectionSettings({ "access-log-file": text }).accessLogFile).toBe(text);
  });

  it("may have other resources of the proxies; a part that is not given stays", () => {
    const { proxyResources } = injectionSettings({ "proxy-requests": "cpu=50m,memory=64Mi" });
    expect(proxyResources).toEqual({
      requests: { cpu: "50m", memory: "64Mi" },
      limits: DEFAULT_INJECTION_SETTINGS.proxyResources.limits,
    });
  });

  it.each(["cpu", "cpu=", "cpu=lots", "disk=1Gi", "cpu=1;memory=1Gi", ""])("refuse the amounts %j", (text) => {
    expect(() => injectionSettings({ "proxy-limits": text })).toThrow("--proxy-limits must be amounts such as");
  });

  it("refuse an access log that is not a path", () => {
    expect(() => injectionSettings({ "access-log-file": "stdout" })).toThrow("--access-log-file");
  });
});
