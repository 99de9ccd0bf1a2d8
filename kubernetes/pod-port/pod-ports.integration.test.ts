import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { listen } from "../../net/listen.ts";
import { startScriptedServer } from "../scripted-server-fixture.ts";
import { forwardTo } from "./kubelet-fixture.ts";
import { PodPorts } from "./pod-ports.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const pod = { namespace: "ns1", name: "web" };
const onError = (error: Error): void => {
  throw error;
};

async function startPodServer(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  cleanup.add(() => {
    server.close();
    server.closeAllConnections();
  });
  return await listen(server, { port: 0, host: "127.0.0.1", onError });
}

const refuse: RequestListener = (request, response) => {
  const isAllowed = request.headers.authorization === "Bearer secret-token";
  const message = isAllowed ? 'pods "web" not found' : "Unauthorized";
  response.statusCode = isAllowed ? 404 : 401;
  response.end(JSON.stringify({ kind: "Status", reason: isAllowed ? "NotFound" : "Unauthorized", message }));
};

async function podPorts(localPort: number | undefined): Promise<PodPorts> {
  const access = await startScriptedServer(cleanup, refuse, localPort === undefined ? undefined : forwardTo(localPort));
  const ports = new PodPorts({ access, clock: systemClock, userAgent: "entente/test" });
  cleanup.add(() => ports.close());
  return ports;
}

const ask = (ports: PodPorts, path = "/certs") =>
  ports.get({ pod, port: 15_000, path, signal: AbortSignal.timeout(60_000) });

describe("the certificate of a server inside a pod", () => {
  const root = mintRoot();
  const valid = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const leaf = mintLeaf({ issuer: root, uriSans: [], dnsSans: ["web.ns1.svc"], ...valid });

  it.each([
    { name: "trusted", servername: "web.ns1.svc", ca: root.pem, fault: undefined },
    { name: "for another name", servername: "other.ns1.svc", ca: root.pem, fault: "ERR_TLS_CERT_ALTNAME_INVALID" },
    { name: "by another authority", servername: "web.ns1.svc", ca: mintRoot().pem, fault: "UNABLE_TO_VERIFY" },
  ])("is $name", async ({ servername, ca, fault }) => {
    const server = createTlsServer({ cert: leaf.pem, key: leaf.keyPem });
    cleanup.add(() => server.close());
    const ports = await podPorts(await listen(server, { port: 0, host: "127.0.0.1", onError }));
    const signal = AbortSignal.timeout(60_000);
    const presented = await ports.presentedCertificate({ pod, port: 15_017, servername, ca, signal });
    expect(presented.certificate.serialNumber).toBe(leaf.certificate.serialNumber);
    expect(presented.fault ?? "").toContain(fault ?? "");
    expect(presented.fault === undefined).toBe(fault === undefined);
  });
});

describe("a page of a server inside a pod", () => {
  it("is read through the API server, with the Host localhost", async () => {
    const local = await startPodServer(({ url, headers }, response) => response.end(`${url} of ${headers.host}`));
    const ports = await podPorts(local);
    expect(await ask(ports, "/certs?x=1")).toEqual({ status: 200, body: "/certs?x=1 of localhost:15000" });
    expect(await ask(ports)).toMatchObject({ status: 200 });
  });

  it("may be large", async () => {
    const large = "x".repeat(300_000);
    const local = await startPodServer((_request, response) => response.end(large));
    expect((await ask(await podPorts(local))).body).toBe(large);
  });

  it("is an error with the kubelet's reason if nothing listens on the port", async () => {
    const local = await startPodServer(() => undefined);
    await cleanup.run();
    await expect(ask(await podPorts(local))).rejects.toThrow(
      "port 15000 of pod ns1/web: nothing listens on it (connection refused)",
    );
  });

  it("is an error with the API server's reason if it refuses", async () => {
    await expect(ask(await podPorts(undefined))).rejects.toMatchObject({
      code: "api_refused",
      status: 404,
      message: expect.stringContaining('pods "web" not found'),
    });
  });

  it("ends when the caller gives up", async () => {
    const controller = new AbortController();
    const reason = new Error("given up");
    const ports = await podPorts(await startPodServer(() => controller.abort(reason)));
    await expect(ports.get({ pod, port: 15_000, path: "/", signal: controller.signal })).rejects.toBe(reason);
  });
});
