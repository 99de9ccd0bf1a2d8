import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listAt, textAt } from "../../../operator/checks/object-fields.ts";
import { echoApplication } from "./applications-fixture.ts";
import { type ClientPod, createClient } from "./client-pod-fixture.ts";
import { entente } from "./installation.ts";
import {
  apply,
  awaitRollout,
  createNamespace,
  getObjects,
  INJECTED,
  kubectl,
  runKubectl,
  SYSTEM,
  type TestNamespace,
} from "./kubectl-fixture.ts";

describe("the installed objects", () => {
  it("are valid for this API server, without an unknown field", async () => {
    const args = ["apply", "-k", "examples/kubernetes", "--dry-run=server", "--validate=strict"];
    const { status, stderr } = await runKubectl(args);
    expect([status, stderr.split("\n").filter((line) => /unknown|invalid|error/i.test(line))]).toEqual([0, []]);
  });

  // A mesh that was there before may be of another version.
  it.skipIf(process.env["ENTENTE_USE_INSTALLED"] === "true")(
    "would not change if the mesh were installed again",
    async () => {
      const [deployment] = await getObjects("deployment", "istiod", "-n", SYSTEM);
      const [service] = await getObjects("service", "istio-ingressgateway", "-n", SYSTEM);
      const [container] = listAt(deployment, "spec", "template", "spec", "containers");
      const [image, type] = [textAt(container, "image"), textAt(service, "spec", "type")];
      expect([image, type]).not.toContain(undefined);
      const values = ["--set", `image=${image}`, "--set", `gateway.serviceType=${type}`];
      const lines = (await entente("install", "--dry-run", ...values)).trim().split("\n");
      expect(lines.filter((line) => !line.endsWith("unchanged (dry run)"))).toEqual([]);
    },
  );

  it("run under Pod Security `restricted`", async () => {
    const label = "pod-security.kubernetes.io/enforce=restricted";
    const { status, stderr } = await runKubectl([
      "label",
      "namespace",
      SYSTEM,
      label,
      "--overwrite",
      "--dry-run=server",
    ]);
    expect([status, stderr]).toEqual([0, ""]);
  });
});

describe("a resource that a user wrote", () => {
  let mesh: TestNamespace;
  let outsider: ClientPod;

  beforeAll(async () => {
    mesh = await createNamespace("objects", INJECTED);
    await apply(echoApplication(mesh.name, "world", { text: "world" }));
    const outside = await createNamespace("objects-outside");
    outsider = await createClient(outside.name, "client");
    await awaitRollout(mesh.name, "world");
    return () => outside.remove();
  });

  afterAll(() => mesh.remove());

  it("keeps the fields that the mesh does not read", async () => {
    const spec = {
      hosts: ["a.example"],
      http: [{ mirror: { host: "b" }, route: [{ destination: { host: "a" } }] }],
      later: { a: 1 },
    };
    const metadata = { name: "kept", namespace: mesh.name };
    await apply([{ apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata, spec }]);
    const [stored] = await getObjects("virtualservice", "kept", "-n", mesh.name);
    expect(stored?.["spec"]).toEqual(spec);
    await kubectl(["delete", "virtualservice", "kept", "-n", mesh.name]);
  });

  it("is a STRICT policy with `mtls:` alone, of which kubectl drops the empty value", async () => {
    const url = `http://world.${mesh.name}:8080/`;
    await expect.poll(() => outsider.send({ url }), { timeout: 15_000 }).toMatchObject({ status: 200 });
    const metadata = { name: "default", namespace: mesh.name };
    await apply([
      { apiVersion: "authentication.istio.io/v1alpha1", kind: "Policy", metadata, spec: { peers: [{ mtls: null }] } },
    ]);
    await expect.poll(() => outsider.send({ url }), { timeout: 15_000 }).toEqual({ error: "ECONNRESET" });
  });
});
