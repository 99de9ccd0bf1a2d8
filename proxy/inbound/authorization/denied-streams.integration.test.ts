import { once } from "node:events";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import type { DeclaredProtocol, ServerMode } from "../../../mesh/policy/types.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { HELLO, meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const FROM_NS1 = policyOf("ALLOW", [{ from: [{ namespaces: ["ns1"] }] }]);
const FROM_OTHERS = policyOf("ALLOW", [{ from: [{ namespaces: ["other"] }] }]);
const NOTHING = { text: "", reset: true };

interface Pod {
  readonly side: InboundSide;
  /** Where clients of the mesh connect, to their own sidecar. */
  readonly meshPort: number;
  readonly connections: () => number;
  readonly received: () => string;
}

interface PodOptions {
  readonly mode: ServerMode;
  readonly policies: readonly ReturnType<typeof policyOf>[];
  readonly protocol?: DeclaredProtocol | undefined;
  /** What the application sends first. */
  readonly greeting?: string;
}

/** An application that echoes, behind its sidecar. */
async function startPod({ mode, policies, protocol, greeting }: PodOptions): Promise<Pod> {
  let connections = 0;
  let received = "";
  const applicationPort = await listen(cleanup, (socket) => {
    connections += 1;
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
    });
    if (greeting !== undefined) socket.write(greeting);
    socket.pipe(socket);
  });
  const side = await startInboundSide(cleanup, {
    ...{ mode, applicationPort, authorization: { policies }, limits: { silenceMs: 10 } },
    ...(protocol === undefined ? {} : { protocol }),
  });
  const outbound = await startOutboundSide(cleanup, {
    destination: meshDestination([side.port], { overrides: { protocol } }),
  });
  return { side, meshPort: outbound.port, connections: () => connections, received: () => received };
}

async function ping(port: number) {
  const client = connectClient(cleanup, port);
  client.write("ping");
  client.once("data", () => client.end());
  return await readAll(client);
}

/** A client that is reset emits an error first. */
async function closed(client: Socket): Promise<void> {
  client.on("error", () => undefined);
  await new Promise((resolve) => client.once("close", resolve));
}

const PORTS: readonly { readonly name: string; readonly protocol: DeclaredProtocol | undefined }[] = [
  { name: "a port declared as a stream", protocol: "tcp" },
  { name: "an undeclared port", protocol: undefined },
];

describe.each(PORTS)("a stream to $name", ({ protocol }) => {
  it("of an allowed peer is carried", async () => {
    const pod = await startPod({ mode: "STRICT", policies: [FROM_NS1], protocol });
    expect(await ping(pod.meshPort)).toEqual({ text: "ping", reset: false });
    expect(pod.side.http.verdicts).toMatchObject([{ kind: "allowed", ruleId: "ns[foo]-policy[allow]-rule[0]" }]);
  });

  it("of a peer that is denied is reset before a byte passes, with the reason in the log", async () => {
    const pod = await startPod({ mode: "STRICT", policies: [FROM_OTHERS], protocol });
    expect(await ping(pod.meshPort)).toEqual(NOTHING);
    expect(pod.received()).toBe("");
    expect(pod.side.recorder.refusals).toMatchObject([{ stage: "policy", reason: "authorization_denied" }]);
    expect(pod.side.recorder.refusals[0]?.message).toContain(`${HELLO} to port `);
    expect(pod.side.recorder.refusals[0]?.message).toContain("no AuthorizationPolicy allows it");
    expect(pod.side.recorder.denials).toEqual(["rbac_access_denied_matched_policy[none]"]);
    expect(pod.side.http.verdicts).toMatchObject([{ kind: "denied" }]);
    await expect.poll(() => pod.side.registry.size).toBe(0);
  });

  it("of a plaintext client is judged without an identity", async () => {
    const pod = await startPod({ mode: "PERMISSIVE", policies: [FROM_NS1], protocol });
    expect(await ping(pod.side.port)).toEqual(NOTHING);
    expect(await ping(pod.meshPort)).toEqual({ text: "ping", reset: false });
    expect(pod.received()).toBe("ping");
  });

  it("names the rule that denies it", async () => {
    const pod = await startPod({ mode: "PERMISSIVE", policies: [policyOf("DENY", [{}])], protocol });
    expect(await ping(pod.side.port)).toEqual(NOTHING);
    expect(pod.side.recorder.refusals[0]?.message).toContain("ns[foo]-policy[deny]-rule[0] denies it");
  });

  it("is not matched by a rule about requests", async () => {
    const pod = await startPod({
      mode: "PERMISSIVE",
      policies: [policyOf("ALLOW", [{ to: [{ methods: ["GET"] }] }])],
      protocol,
    });
    expect(await ping(pod.side.port)).toEqual(NOTHING);
    expect(pod.received()).toBe("");
  });

  it("whose server speaks first gets no greeting if it is denied, and the application no client", async () => {
    const pod = await startPod({ mode: "PERMISSIVE", policies: [FROM_NS1], protocol, greeting: "220 hi\r\n" });
    const silent = connectClient(cleanup, pod.side.port);
    const over = readAll(silent);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(pod.connections()).toBe(0);
    silent.write("EHLO\r\n");
    expect(await over).toEqual(NOTHING);
    expect(pod.received()).toBe("");
  });

  it("whose server speaks first gets its greeting if it is allowed", async () => {
    const pod = await startPod({ mode: "PERMISSIVE", policies: [FROM_NS1], protocol, greeting: "220 hi\r\n" });
    const [greeting] = await once(connectClient(cleanup, pod.meshPort), "data");
    expect(String(greeting)).toBe("220 hi\r\n");
  });

  it("under DISABLE has no identity, whatever TLS it carries", async () => {
    const pod = await startPod({
      mode: "DISABLE",
      policies: [policyOf("ALLOW", [{ from: [{ principals: ["*"] }] }])],
      protocol,
    });
    expect(await ping(pod.meshPort)).toMatchObject({ text: "" });
    expect(pod.received()).toBe("");
    pod.side.setPolicies([policyOf("DENY", [{ from: [{ principals: ["*"] }] }])]);
    expect(await ping(pod.side.port)).toEqual({ text: "ping", reset: false });
  });
});

it("a silent client of a stream under DISABLE that no policy allows is refused at once", async () => {
  const pod = await startPod({ mode: "DISABLE", policies: [FROM_NS1], protocol: "tcp", greeting: "220 hi\r\n" });
  expect(await readAll(connectClient(cleanup, pod.side.port))).toEqual(NOTHING);
  expect([pod.connections(), pod.side.recorder.refusals[0]?.reason]).toEqual([0, "authorization_denied"]);
});

describe("the server name of a handshake", () => {
  const SNI = "outbound_.8080_._.world.ns2.svc.cluster.local";

  it.each([
    { name: "that a policy allows", names: [SNI], answer: { text: "ping", reset: false } },
    { name: "that none allows", names: ["other.example"], answer: NOTHING },
  ])("with the sidecar, $name", async ({ names, answer }) => {
    const policies = [policyOf("ALLOW", [{ when: { "connection.sni": names } }])];
    const pod = await startPod({ mode: "STRICT", policies, protocol: "tcp" });
    expect(await ping(pod.meshPort)).toEqual(answer);
  });

  it.each([
    { name: "that a policy denies", serverName: "secret.example", isDelivered: false },
    { name: "that none denies", serverName: "open.example", isDelivered: true },
  ])("with the application, $name", async ({ serverName, isDelivered }) => {
    const policies = [policyOf("DENY", [{ when: { "connection.sni": ["secret.example"] } }])];
    const pod = await startPod({ mode: "PERMISSIVE", policies, protocol: "tls" });
    const client = connectTls({ port: pod.side.port, host: "127.0.0.1", servername: serverName });
    await closed(client);
    expect(pod.received() !== "").toBe(isDelivered);
    expect(pod.side.recorder.refusals).toHaveLength(isDelivered ? 0 : 1);
  });
});

it("the client's own TLS on an HTTP port is judged as a stream", async () => {
  const policies = [policyOf("ALLOW", [{ to: [{ paths: ["/*"] }] }])];
  const pod = await startPod({ mode: "PERMISSIVE", policies, protocol: "http" });
  const client = connectTls({ port: pod.side.port, host: "127.0.0.1" });
  await closed(client);
  expect(pod.received()).toBe("");
  expect(pod.side.recorder.refusals).toMatchObject([{ reason: "authorization_denied" }]);
});
