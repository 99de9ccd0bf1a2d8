import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { systemManifests } from "./system-manifests.ts";

const TEXT = readFileSync(new URL("./system.yaml", import.meta.url), "utf8");
const FOLDERS = { manifests: ["/home/me/mesh"], cluster: "/run/c", authority: "/run/a", jwks: "/run/j" };

function manifests(options: { readonly accessLog?: boolean; readonly ttl?: string } = {}): string {
  const { accessLog = false, ttl: workloadCertificateTtl } = options;
  return JSON.stringify(systemManifests(TEXT, { folders: FOLDERS, workloadCertificateTtl, accessLog }));
}

describe("the system's manifests", () => {
  it("have a value for every name", () => {
    expect(manifests()).not.toContain("${");
    expect(manifests()).toContain('"hostPath":{"path":"/home/me/mesh"}');
  });

  it("let sidecars log requests only if the option is set", () => {
    expect(manifests()).not.toContain("--access-log-file");
    expect(manifests({ accessLog: true })).toContain('"--access-log-file","/dev/stdout"]');
  });

  it("shorten the certificates' lifetime if the option is set", () => {
    expect(manifests({ ttl: "20s" })).toContain('"--workload-cert-ttl","20s"]');
  });
});
