import { describe, expect, it } from "vitest";
import { ProxyError } from "../proxy-error.ts";
import { parseAppProbes } from "./parse-app-probes.ts";

describe("parseAppProbes", () => {
  it("parses what Istio's injector writes", () => {
    const probes = parseAppProbes(
      JSON.stringify({
        "/app-health/web/readyz": {
          httpGet: {
            path: "/ready?full=1",
            port: 8080,
            scheme: "HTTPS",
            httpHeaders: [{ name: "X-Probe", value: "1" }],
          },
          timeoutSeconds: 3,
        },
        "/app-health/web/livez": { httpGet: { port: 8080 } },
        "/app-health/db/startupz": { tcpSocket: { port: 3306 }, timeoutSeconds: 0 },
      }),
    );
    expect(Object.fromEntries(probes)).toEqual({
      "/app-health/web/readyz": {
        timeoutMs: 3000,
        check: {
          kind: "http",
          scheme: "https",
          port: 8080,
          path: "/ready?full=1",
          headers: [{ name: "X-Probe", value: "1" }],
        },
      },
      "/app-health/web/livez": {
        timeoutMs: 1000,
        check: { kind: "http", scheme: "http", port: 8080, path: "/", headers: [] },
      },
      "/app-health/db/startupz": { timeoutMs: 1000, check: { kind: "tcp", port: 3306 } },
    });
  });

  it("parses lifecycle hooks, whose paths end with a secret", () => {
    const path = "/app-lifecycle/web/prestopz/0123456789abcdef0123456789abcdef";
    expect(parseAppProbes(JSON.stringify({ [path]: { httpGet: { port: 80 }, timeoutSeconds: 90 } })).get(path)).toEqual(
      {
        timeoutMs: 90_000,
        check: { kind: "http", scheme: "http", port: 80, path: "/", headers: [] },
      },
    );
  });

  it("reads an empty text as no probes", () => {
    expect(parseAppProbes(" \n").size).toBe(0);
  });

  const at = (probe: unknown, path = "/app-health/web/livez"): string => JSON.stringify({ [path]: probe });
  it.each([
    { name: "text that is not JSON", text: "{" },
    { name: "a list", text: "[]" },
    { name: "a path outside /app-health", text: at({ tcpSocket: { port: 1 } }, "/quitquitquit") },
    { name: "a path with another end", text: at({ tcpSocket: { port: 1 } }, "/app-health/web/livez/../x") },
    { name: "a hook that any pod could call", text: at({ tcpSocket: { port: 1 } }, "/app-lifecycle/web/prestopz") },
    { name: "a probe of no known kind", text: at({ exec: { command: ["true"] } }) },
    { name: "a named port", text: at({ httpGet: { port: "http" } }) },
    { name: "port 0", text: at({ tcpSocket: { port: 0 } }) },
    { name: "an unknown scheme", text: at({ httpGet: { port: 1, scheme: "ftp" } }) },
    { name: "a path with a line break", text: at({ httpGet: { port: 1, path: "/\r\nx: y" } }) },
    {
      name: "a header's name with a space",
      text: at({ httpGet: { port: 1, httpHeaders: [{ name: "a b", value: "" }] } }),
    },
    {
      name: "a header's value with a line break",
      text: at({ httpGet: { port: 1, httpHeaders: [{ name: "a", value: "\r\n" }] } }),
    },
    { name: "a negative timeout", text: at({ tcpSocket: { port: 1 }, timeoutSeconds: -1 }) },
    { name: "an endless timeout", text: at({ tcpSocket: { port: 1 }, timeoutSeconds: 1e9 }) },
  ])("refuses $name", ({ text }) => {
    expect(() => parseAppProbes(text)).toThrow(ProxyError);
    expect(() => parseAppProbes(text)).toThrow(/^bad_setting: ISTIO_KUBE_APP_PROBERS/);
  });
});
