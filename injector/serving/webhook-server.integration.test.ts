import { applyPatch } from "rfc6902";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPod } from "../admission/pod-fixture.ts";
import { closed, review, startTestWebhook, type TestWebhook, type WebhookResponse } from "./webhook-fixture.ts";

let webhook: TestWebhook;

beforeEach(async () => {
  webhook = await startTestWebhook();
});

afterEach(() => webhook.stop());

interface Verdict {
  readonly uid: string;
  readonly allowed: boolean;
  readonly patch?: string;
  readonly patchType?: string;
  readonly warnings?: readonly string[];
  readonly status?: { readonly message: string };
}

function verdict({ status, text }: WebhookResponse): Verdict {
  expect(status).toBe(200);
  return JSON.parse(text).response;
}

describe("the webhook", () => {
  it.each(["/inject", "/inject/cluster/one/net/two", "/inject?timeout=10s"])("injects a pod at %s", async (path) => {
    const pod = createPod();
    const { uid, allowed, patchType, patch = "" } = verdict(await webhook.post(review(pod), {}, path));
    expect({ uid, allowed, patchType }).toEqual({ uid: "u-1", allowed: true, patchType: "JSONPatch" });
    const patched = structuredClone(pod);
    applyPatch(patched, JSON.parse(Buffer.from(patch, "base64").toString()));
    expect(patched.spec.containers.map(({ name }) => name)).toEqual(["hello", "istio-proxy"]);
  });

  it("admits a pod unchanged if it opted out", async () => {
    const pod = createPod({ labels: { "sidecar.istio.io/inject": "false" } });
    expect(verdict(await webhook.post(review(pod)))).toEqual({ uid: "u-1", allowed: true });
  });

  it.each([
    {
      name: "a pod that runs as the proxy",
      object: createPod({}, { securityContext: { runAsUser: 1337 } }),
      expected: "IST0144",
    },
    {
      name: "a pod with the proxy's group, with which a setgid program could bypass the sidecar",
      object: createPod({}, { securityContext: { supplementalGroups: [1337] } }),
      expected: "supplementalGroups: 1337",
    },
    { name: "no pod at all", object: undefined, expected: "contains no pod" },
    {
      name: "a pod without containers",
      object: { spec: { containers: [] } },
      expected: "spec.containers must be at least 1",
    },
    {
      name: "a pod with a number for a label",
      object: { metadata: { labels: { a: 1 } }, spec: { containers: [{ name: "a" }] } },
      expected: "metadata.labels.a",
    },
    { name: "a list", object: [], expected: "the pod is not valid" },
  ])("refuses $name, with the uid and a reason", async ({ object, expected }) => {
    const reply = verdict(await webhook.post(review(object)));
    expect(reply).toMatchObject({ uid: "u-1", allowed: false });
    expect(reply.status?.message).toContain(expected);
  });

  it("refuses another kind of resource and names it", async () => {
    const reply = verdict(await webhook.post(review({}, { kind: { kind: "Service" } })));
    expect(reply).toMatchObject({
      allowed: false,
      status: { message: expect.stringContaining("only pods, got Service") },
    });
  });

  it("names an unsupported version, and responds with the uid", async () => {
    const old = review(createPod()).replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1");
    const reply = verdict(await webhook.post(old));
    expect(reply).toMatchObject({ uid: "u-1", allowed: false });
    expect(reply.status?.message).toContain("admission.k8s.io/v1beta1");
  });

  it.each(["UPDATE", "DELETE", "CONNECT"])("admits the operation %s unchanged", async (operation) => {
    expect(verdict(await webhook.post(review(createPod(), { operation })))).toEqual({ uid: "u-1", allowed: true });
  });

  it("returns warnings", async () => {
    const container = { name: "vpn", securityContext: { capabilities: { add: ["NET_ADMIN"] } } };
    const { warnings } = verdict(await webhook.post(review(createPod({}, { containers: [container] }))));
    expect(warnings).toEqual([expect.stringContaining("NET_ADMIN")]);
  });
});

describe("the validating webhook", () => {
  const validate = async (mode: string): Promise<Verdict> => {
    const metadata = { name: "default", namespace: "ns1" };
    const object = {
      apiVersion: "security.istio.io/v1",
      kind: "PeerAuthentication",
      metadata,
      spec: { mtls: { mode } },
    };
    return verdict(await webhook.post(review(object, { kind: { kind: "PeerAuthentication" } }), {}, "/validate"));
  };

  it("allows a valid resource, refuses an invalid one, and counts both", async () => {
    expect(await validate("STRICT")).toEqual({ uid: "u-1", allowed: true });
    expect(await validate("STRICKT")).toMatchObject({
      uid: "u-1",
      allowed: false,
      status: { message: expect.stringContaining("PeerAuthentication/default.ns1: spec.mtls.mode: must be one of") },
    });
    const { text } = await webhook.get("/metrics");
    expect(text).toContain("galley_validation_passed 1");
    expect(text).toContain("galley_validation_failed 1");
    expect(text).toContain("sidecar_injection_requests_total 0");
  });

  it("refuses other methods", async () => {
    expect((await webhook.get("/validate")).status).toBe(405);
  });
});

describe("the webhook's server", () => {
  it.each([
    { name: "a body that is not JSON", body: "{", headers: {}, status: 400, expected: "not JSON" },
    { name: "an empty body", body: "", headers: {}, status: 400, expected: "not JSON" },
    { name: "JSON null", body: "null", headers: {}, status: 400, expected: "not an AdmissionReview" },
    {
      name: "a review without a request",
      body: '{"kind":"AdmissionReview"}',
      headers: {},
      status: 400,
      expected: "request is missing",
    },
    {
      name: "a request without a uid",
      body: '{"request":{}}',
      headers: {},
      status: 400,
      expected: "request.uid is missing",
    },
    {
      name: "a body that is not UTF-8",
      body: Buffer.from([0x22, 0xff, 0x22]),
      headers: {},
      status: 400,
      expected: "not UTF-8",
    },
    {
      name: "another content type",
      body: "{}",
      headers: { "content-type": "text/plain" },
      status: 415,
      expected: "text/plain",
    },
    {
      name: "a compressed body",
      body: "{}",
      headers: { "content-encoding": "gzip" },
      status: 415,
      expected: "compressed",
    },
  ])("responds with $status to $name", async ({ body, headers, status, expected }) => {
    const reply = await webhook.post(body, headers);
    expect(reply.status).toBe(status);
    expect(reply.text).toContain(expected);
  });

  it("accepts a content type with a parameter", async () => {
    verdict(await webhook.post(review(createPod()), { "content-type": "Application/JSON; charset=utf-8" }));
  });

  it("survives extremely deep nesting", async () => {
    const depth = 20_000;
    const reply = await webhook.post(review("@").replace('"@"', `{"spec":${"[".repeat(depth)}${"]".repeat(depth)}}`));
    expect([200, 400, 500]).toContain(reply.status);
    expect((await webhook.get("/healthz/ready")).status).toBe(200);
  });

  it("responds with 413 to a body with a too large Content-Length, without reading it", async () => {
    const reply = await webhook.post(Buffer.alloc(10 * 1024 * 1024, 0x20));
    expect(reply).toMatchObject({ status: 413, text: expect.stringContaining("65536 bytes") });
  });

  it("responds with 413 to a chunked body as soon as it is too large, and cuts the client off", async () => {
    const chunks: string[] = [];
    const socket = await webhook.open((chunk) => chunks.push(chunk));
    const end = closed(socket);
    socket.write(
      "POST /inject HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    const chunk = "x".repeat(16 * 1024);
    const timer = setInterval(() => socket.write(`4000\r\n${chunk}\r\n`), 1);
    await end;
    clearInterval(timer);
    expect(chunks.join("")).toContain("HTTP/1.1 413");
  });

  it.each([
    { name: "sends half a header", bytes: "POST /inject HTTP/1.1\r\nHost: " },
    {
      name: "sends half a body",
      bytes: "POST /inject HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    },
  ])("cuts off a client that $name and then nothing", async ({ bytes }) => {
    await webhook.stop();
    webhook = await startTestWebhook({ headersTimeoutMs: 300, requestTimeoutMs: 600 });
    const socket = await webhook.open();
    socket.write(bytes);
    await closed(socket);
    expect((await webhook.get("/healthz/ready")).status).toBe(200);
  });

  it("responds with 405 to GET /inject, and with 404 to unknown paths", async () => {
    expect((await webhook.get("/inject")).status).toBe(405);
    expect((await webhook.get("/injection")).status).toBe(404);
    expect((await webhook.post("{}", {}, "/metrics")).status).toBe(404);
  });

  it("counts requests under Istio's metric names", async () => {
    await webhook.post(review(createPod()));
    await webhook.post(review(createPod({}, { hostNetwork: true })));
    await webhook.post(review(createPod({}, { securityContext: { runAsUser: 1337 } })));
    await webhook.post("{");
    const { text } = await webhook.get("/metrics");
    expect(text).toMatch(/^sidecar_injection_requests_total 4$/m);
    expect(text).toMatch(/^sidecar_injection_success_total 1$/m);
    expect(text).toMatch(/^sidecar_injection_skip_total 1$/m);
    expect(text).toMatch(/^sidecar_injection_failure_total 2$/m);
    expect(text).toMatch(/^sidecar_injection_time_seconds_count 4$/m);
  });
});
