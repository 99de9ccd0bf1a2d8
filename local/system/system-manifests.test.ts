import { describe, expect, it } from "vitest";
import { renderInstallation } from "../../install/render-installation.ts";
import { parseInstallValues } from "../../install/values/parse-values.ts";
import { systemManifests } from "./system-manifests.ts";

const FOLDERS = { manifests: ["/home/me/mesh"], cluster: "/run/c", authority: "/run/a", jwks: "/run/j" };

function manifests(options: { readonly accessLog?: boolean; readonly ttl?: string } = {}) {
  const { accessLog = false, ttl: workloadCertificateTtl } = options;
  return systemManifests({ folders: FOLDERS, workloadCertificateTtl, accessLog });
}

function text(options: Parameters<typeof manifests>[0] = {}): string {
  return JSON.stringify(manifests(options));
}

describe("the system's manifests", () => {
  it("are the installation's: the gateway, the Services and the mesh's settings are the same objects", () => {
    const expressions = ["controlPlane.replicas=1", "injector.replicas=1", "gateway.replicas=1"];
    const installed = renderInstallation(parseInstallValues({ expressions })).flatMap(({ objects }) => objects);
    const same = manifests().filter(({ object }) =>
      installed.some((other) => JSON.stringify(other) === JSON.stringify(object)),
    );
    const names = same.map(({ kind, name }) => `${kind} ${name}`);
    expect(names).toEqual(
      expect.arrayContaining([
        ...["Namespace istio-system", "ConfigMap istio", "Service istiod", "Service istio-sidecar-injector"],
        ...["Deployment istio-ingressgateway", "Service istio-ingressgateway"],
      ]),
    );
  });

  it("give the control plane folders instead of the Kubernetes API", () => {
    expect(text()).not.toContain("--kubernetes");
    expect(text()).toContain('"hostPath":{"path":"/home/me/mesh"}');
    expect(text()).toContain('"args":["control-plane","--config","/run/entente/config/0","--config"');
  });

  it("let proxies log requests only if the option is set", () => {
    expect(text()).toContain('accessLogFile: \\"\\"');
    expect(text({ accessLog: true })).toContain("accessLogFile: /dev/stdout");
  });

  it("shorten the certificates' lifetime if the option is set", () => {
    expect(text({ ttl: "20s" })).toContain('"--workload-cert-ttl","20s","--max-workload-cert-ttl","20s"');
  });
});
