import { createServer } from "node:https";
import { afterEach, describe, expect, it } from "vitest";
import { mintLeaf, mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { listen } from "../../../net/listen.ts";
import { KINDS } from "../../kinds.ts";
import { startTestApiServer, type TestApiServer } from "../test-api-server-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

interface Webhook {
  readonly port: number;
  readonly caBundle: string;
  /** The requests of the reviews. */
  readonly reviews: Record<string, unknown>[];
}

/** A webhook server for the name that the API server expects of a Service. */
async function startWebhook(respond: (review: Record<string, unknown>) => Record<string, unknown>): Promise<Webhook> {
  const root = mintRoot();
  const { pem: cert, keyPem: key } = mintLeaf({
    issuer: root,
    uriSans: [],
    dnsSans: ["hook.default.svc"],
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
  });
  const reviews: Record<string, unknown>[] = [];
  const server = createServer({ cert, key }, async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const review = JSON.parse(text).request;
    reviews.push(review);
    const result = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview" };
    response.end(JSON.stringify({ ...result, response: { uid: review.uid, ...respond(review) } }));
  });
  const port = await listen(server, { port: 0, host: "127.0.0.1", onError: () => undefined });
  cleanup.add(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port, caBundle: Buffer.from(root.pem).toString("base64"), reviews };
}

async function configure(kind: "mutating" | "validating", webhook: Webhook): Promise<TestApiServer> {
  const server = await startTestApiServer(cleanup, {
    resolveService: (namespace, name) =>
      `${name}.${namespace}` === "hook.default" ? `127.0.0.1:${webhook.port}` : undefined,
  });
  const kinds = { mutating: KINDS.mutatingWebhooks, validating: KINDS.validatingWebhooks };
  server.cluster.create(kinds[kind], {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: kinds[kind].kind,
    metadata: { name: "hook" },
    webhooks: [
      {
        name: "hook.example.com",
        clientConfig: {
          service: { namespace: "default", name: "hook", path: "/inject", port: 443 },
          caBundle: webhook.caBundle,
        },
        rules: [{ operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"] }],
        namespaceSelector: {
          matchExpressions: [{ key: "kubernetes.io/metadata.name", operator: "NotIn", values: ["kube-system"] }],
        },
        objectSelector: { matchLabels: { hooked: "yes" } },
        failurePolicy: "Fail",
        timeoutSeconds: 1,
      },
    ],
  });
  return server;
}

const pod = (namespace = "default", hooked = "yes") => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { generateName: "web-", namespace, labels: { hooked } },
});

describe("a mutating webhook", () => {
  const patch = Buffer.from('[{"op":"add","path":"/metadata/annotations","value":{"seen":"yes"}}]').toString("base64");

  it("changes the selected objects, and sees them as their creator wrote them", async () => {
    const webhook = await startWebhook(() => ({
      allowed: true,
      patchType: "JSONPatch",
      patch,
      warnings: ["mind the gap"],
    }));
    const server = await configure("mutating", webhook);
    const created = await server.client().create(KINDS.pods, pod());
    expect(created.metadata.annotations).toEqual({ seen: "yes" });
    expect(created.metadata.name).toMatch(/^web-\w{5}$/);
    expect(webhook.reviews).toMatchObject([{ operation: "CREATE", namespace: "default", dryRun: false }]);
    expect(webhook.reviews[0]).not.toHaveProperty("name");
    expect(webhook.reviews[0]).not.toHaveProperty("object.metadata.uid");
  });

  it("is not called for objects that a selector leaves out", async () => {
    const webhook = await startWebhook(() => ({ allowed: false }));
    const server = await configure("mutating", webhook);
    await server.client().create(KINDS.pods, pod("default", "no"));
    await server.client().create(KINDS.pods, pod("kube-system"));
    expect(webhook.reviews).toEqual([]);
  });
});

describe("a validating webhook", () => {
  it("refuses in its own words, dry runs too, and nothing is stored", async () => {
    const webhook = await startWebhook(() => ({ allowed: false, status: { code: 422, message: "no such port" } }));
    const server = await configure("validating", webhook);
    for (const dryRun of [true, false]) {
      await expect(server.client().create(KINDS.pods, pod(), { dryRun })).rejects.toThrow(
        'admission webhook "hook.example.com" denied the request: no such port',
      );
    }
    expect(webhook.reviews).toMatchObject([{ dryRun: true }, { dryRun: false }]);
    expect(server.cluster.list(KINDS.pods, {}).items).toEqual([]);
  });

  it("whose certificate the caBundle does not cover blocks what it selects", async () => {
    const webhook = await startWebhook(() => ({ allowed: true }));
    const server = await configure("validating", {
      ...webhook,
      caBundle: Buffer.from(mintRoot().pem).toString("base64"),
    });
    await expect(server.client().create(KINDS.pods, pod())).rejects.toThrow(
      /failed calling webhook "hook.example.com"/,
    );
  });
});
