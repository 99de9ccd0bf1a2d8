import { describe, expect, it } from "vitest";
import { parseProxyConfig } from "./proxy-config.ts";

const POD = { POD_NAMESPACE: "ns1", POD_NAME: "hello-1" };

describe("a proxy's environment", () => {
  it("needs only the pod's name and namespace", () => {
    expect(parseProxyConfig(POD)).toMatchObject({
      identity: "spiffe://cluster.local/ns/ns1/sa/default",
      controlPlane: { host: "istiod.istio-system.svc", port: 15012 },
      tokenFile: "/var/run/secrets/tokens/istio-token",
      drain: { acceptMs: 5000, deadlineMs: 25_000 },
    });
  });

  it("may name another service account, trust domain and control plane", () => {
    const config = parseProxyConfig({
      ...POD,
      SERVICE_ACCOUNT: "web",
      TRUST_DOMAIN: "example.org",
      CA_ADDR: "[fd00::1]:1",
    });
    expect(config.identity).toBe("spiffe://example.org/ns/ns1/sa/web");
    expect(config.controlPlane).toEqual({ host: "fd00::1", port: 1 });
  });

  it.each([
    { name: "extends the default deadline", deadline: "", drain: { acceptMs: 60_000, deadlineMs: 60_000 } },
    { name: "ends with the pod's grace period", deadline: "25", drain: { acceptMs: 25_000, deadlineMs: 25_000 } },
    { name: "is followed by the deadline", deadline: "85", drain: { acceptMs: 60_000, deadlineMs: 85_000 } },
  ])("a long time of accepting $name", ({ deadline, drain }) => {
    const env = { TERMINATION_DRAIN_DURATION_SECONDS: "60", ENTENTE_DRAIN_DEADLINE_SECONDS: deadline };
    expect(parseProxyConfig({ ...POD, ...env }).drain).toEqual(drain);
  });

  it("keeps the default limits of messages, or sets the given ones", () => {
    expect(parseProxyConfig(POD).messageLimits).toEqual({});
    const env = { ...POD, ENTENTE_MAX_REQUEST_HEAD_BYTES: "131072", ENTENTE_MAX_TRAILER_BYTES: "" };
    expect(parseProxyConfig(env).messageLimits).toEqual({ maxRequestHeadBytes: 131_072 });
  });

  it.each(["0", "-1", "64k", "1e9", "99999999"])("refuses %j as a limit of messages, by its name", (value) => {
    expect(() => parseProxyConfig({ ...POD, ENTENTE_MAX_RESPONSE_FIELDS: value })).toThrow(
      `ENTENTE_MAX_RESPONSE_FIELDS must be a whole number from 1 to 16777216, got "${value}"`,
    );
  });

  it("limits a metrics page to 8 MB, or to the given size", () => {
    expect(parseProxyConfig(POD).maxMetricsBytes).toBe(8 * 1024 * 1024);
    expect(parseProxyConfig({ ...POD, ENTENTE_METRICS_MAX_MB: "32" }).maxMetricsBytes).toBe(32 * 1024 * 1024);
  });

  it.each([
    { name: "nowhere by default", env: POD, file: undefined },
    { name: "nowhere with an empty value", env: { ...POD, ENTENTE_ACCESS_LOG: "" }, file: undefined },
    { name: "to the given file", env: { ...POD, ENTENTE_ACCESS_LOG: "/dev/stdout" }, file: "/dev/stdout" },
  ])("sends the access log $name", ({ env, file }) => {
    expect(parseProxyConfig(env).accessLogFile).toBe(file);
  });

  it.each([
    { name: "no pod name", env: { POD_NAMESPACE: "ns1" }, message: "POD_NAME" },
    { name: "no namespace", env: { POD_NAME: "x" }, message: "POD_NAMESPACE" },
    { name: "an address without port", env: { ...POD, CA_ADDR: "istiod" }, message: "CA_ADDR" },
    { name: "an address with a scheme", env: { ...POD, CA_ADDR: "https://istiod:15012" }, message: "CA_ADDR" },
    {
      name: "a drain duration that is not a number",
      env: { ...POD, TERMINATION_DRAIN_DURATION_SECONDS: "5s" },
      message: "TERMINATION_DRAIN",
    },
    {
      name: "an access log without a path",
      env: { ...POD, ENTENTE_ACCESS_LOG: "stdout" },
      message: "ENTENTE_ACCESS_LOG",
    },
    {
      name: "a size that is not a number",
      env: { ...POD, ENTENTE_METRICS_MAX_MB: "many" },
      message: "ENTENTE_METRICS_MAX_MB",
    },
    { name: "a size of 0", env: { ...POD, ENTENTE_METRICS_MAX_MB: "0" }, message: "ENTENTE_METRICS_MAX_MB" },
    { name: "an invalid trust domain", env: { ...POD, TRUST_DOMAIN: "a b" }, message: "a b" },
  ])("$name is an error that names the variable", ({ env, message }) => {
    expect(() => parseProxyConfig(env)).toThrow(message);
  });
});
