import { describe, expect, it } from "vitest";
import { container, createPod, env, inject, type Json, refusal } from "../pod-fixture.ts";

function withProxy(additions: Json, list: "containers" | "initContainers" = "containers") {
  const proxy = { name: "istio-proxy", image: "auto", ...additions };
  const app = { name: "app", image: "app" };
  return createPod(
    {},
    list === "containers" ? { containers: [app, proxy] } : { containers: [app], initContainers: [proxy] },
  );
}

const mount = (mountPath: string) => ({ volumeMounts: [{ name: "v", mountPath }] });

describe("a pod's additions to the proxy's container", () => {
  it.each([
    { name: "a postStart hook", additions: { lifecycle: { postStart: { exec: { command: ["sh"] } } } } },
    { name: "a preStop hook", additions: { lifecycle: { preStop: { exec: { command: ["sh"] } } } } },
    { name: "a liveness probe", additions: { livenessProbe: { exec: { command: ["sh"] } } } },
    { name: "a readiness probe", additions: { readinessProbe: { exec: { command: ["sh"] } } } },
    { name: "a preloaded library", additions: { env: [{ name: "LD_PRELOAD", value: "/v/x.so" }] } },
    { name: "the program search path", additions: { env: [{ name: "PATH", value: "/v" }] } },
    { name: "other roots", additions: { env: [{ name: "ENTENTE_ROOT_CERT_FILE", value: "/v/x" }] } },
    { name: "another token", additions: { env: [{ name: "ENTENTE_TOKEN_FILE", value: "/v/x" }] } },
    { name: "Node's certificates", additions: { env: [{ name: "NODE_EXTRA_CA_CERTS", value: "/v/x" }] } },
    { name: "variables from a ConfigMap", additions: { envFrom: [{ configMapRef: { name: "x" } }] } },
    { name: "the program's folder", additions: mount("/opt/entente") },
    { name: "a file of the program", additions: mount("/opt/entente/entente.mjs") },
    { name: "Node itself", additions: mount("/usr/local/bin/node") },
    { name: "the root", additions: mount("/") },
    { name: "/etc as a whole", additions: mount("/etc") },
    { name: "the dynamic loader's configuration", additions: mount("/etc/ld.so.preload") },
    { name: "the trusted root certificates", additions: mount("/var/run/secrets/istio/root-cert.pem") },
    { name: "the token, by another spelling of its path", additions: mount("/x/..//run/secrets/tokens/") },
  ])("are refused if they contain $name", ({ additions }) => {
    for (const list of ["containers", "initContainers"] as const) {
      expect(refusal(withProxy(additions, list))).toMatchObject({
        reason: "proxy_takeover",
        message: expect.stringContaining("another program could run as the proxy"),
      });
    }
  });

  it("are kept if they are harmless", () => {
    const additions = {
      env: [
        { name: "EXTRA", value: "1" },
        { name: "NODE_OPTIONS", value: "--import=/v/x.mjs" },
      ],
      lifecycle: { preStop: { sleep: { seconds: 5 } } },
      volumeMounts: [
        { name: "v", mountPath: "/etc/certs" },
        { name: "kube-api-access", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" },
      ],
    };
    const { pod } = inject(withProxy(additions));
    expect(env(pod)).toMatchObject({ EXTRA: "1", NODE_OPTIONS: expect.not.stringContaining("/v/x.mjs") });
    expect(container(pod, "istio-proxy")).toMatchObject({ lifecycle: { preStop: { sleep: { seconds: 5 } } } });
    expect(container(pod, "istio-proxy").volumeMounts?.map(({ mountPath }) => mountPath)).toEqual([
      ...["/var/run/secrets/tokens", "/var/run/secrets/istio", "/etc/certs"],
      "/var/run/secrets/kubernetes.io/serviceaccount",
    ]);
  });

  it("are not refused in a pod that is injected again", () => {
    const once = inject(withProxy({})).pod;
    expect(inject(once).pod).toEqual(once);
  });
});
