import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNamespace, getObjects, kubectl, type TestNamespace } from "./kubectl-fixture.ts";

let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await createNamespace("identity");
});

afterAll(() => namespace.remove());

const ROOT = ["configmap", "istio-ca-root-cert", "-n"] as const;

async function rootOf(name: string): Promise<string> {
  const [found] = await getObjects(...ROOT, name, "--ignore-not-found");
  const { data }: { readonly data?: Readonly<Record<string, string>> } = JSON.parse(JSON.stringify(found ?? {}));
  return data?.["root-cert.pem"] ?? "";
}

describe("the mesh's root certificate", () => {
  it("is in a new namespace soon, and comes back when it is deleted or changed", async () => {
    const expected = await rootOf("istio-system");
    expect(new X509Certificate(expected).ca).toBe(true);
    const current = () => expect.poll(() => rootOf(namespace.name), { timeout: 30_000 });
    await current().toBe(expected);
    await kubectl(["delete", ...ROOT, namespace.name]);
    await current().toBe(expected);
    await kubectl(["patch", ...ROOT, namespace.name, "--type=merge", "-p", '{"data":{"root-cert.pem":"forged"}}']);
    await current().toBe(expected);
  });

  it("is the one of the Secret that all replicas share", async () => {
    const [secret] = await getObjects("secret", "istio-ca-secret", "-n", "istio-system");
    const { data }: { readonly data: Readonly<Record<string, string>> } = JSON.parse(JSON.stringify(secret));
    const root = Buffer.from(data["root-cert.pem"] ?? data["ca-cert.pem"] ?? "", "base64").toString();
    expect(root).toBe(await rootOf("istio-system"));
  });
});

describe("the webhooks' caBundle", () => {
  it("comes back when it is changed", async () => {
    const bundles = async (): Promise<readonly string[]> => {
      const [found] = await getObjects("mutatingwebhookconfiguration", "istio-sidecar-injector");
      const { webhooks }: { readonly webhooks: readonly { readonly clientConfig: { readonly caBundle?: string } }[] } =
        JSON.parse(JSON.stringify(found));
      return webhooks.map(({ clientConfig }) => clientConfig.caBundle ?? "");
    };
    const before = await bundles();
    expect(new X509Certificate(Buffer.from(before[0] ?? "", "base64")).ca).toBe(true);
    const patch = '[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]';
    await kubectl(["patch", "mutatingwebhookconfiguration", "istio-sidecar-injector", "--type=json", "-p", patch]);
    await expect.poll(bundles, { timeout: 60_000 }).toEqual(before);
  });
});
