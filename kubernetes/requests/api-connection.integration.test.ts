import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:https";
import { connect } from "node:net";
import { TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { listen } from "../../net/listen.ts";
import type { ApiCredentials, ClusterAccess } from "../cluster-access.ts";
import { KINDS } from "../kinds.ts";
import { createKubernetesClient, type KubernetesClient } from "../kubernetes-client.ts";
import { startScriptedServer } from "../scripted-server-fixture.ts";
import { startTestApiServer } from "../test-server/test-api-server-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const { pods } = KINDS;

function clientOf(access: ClusterAccess, log = new RecordingLogger()): KubernetesClient {
  const client = createKubernetesClient({ access, clock: systemClock, random: () => 0, log }, { timeoutMs: 60_000 });
  cleanup.add(() => client.close());
  return client;
}

describe("credentials", () => {
  it("that the server rejects are renewed once, also for a create and a watch", async () => {
    const server = await startTestApiServer(cleanup);
    const asked: string[] = [];
    const { credentials: _, ...place } = server.access();
    const client = clientOf({
      ...place,
      credentials: async (which) => {
        asked.push(which);
        return await server.access(which === "renewed" ? server.adminToken : "old-token").credentials(which);
      },
    });
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "a", namespace: "default" } };
    const { metadata } = await client.create(pods, pod);
    for await (const event of client.watch(pods, { resourceVersion: "1" })) {
      expect(event).toMatchObject({ type: "ADDED", object: { metadata } });
      break;
    }
    expect(asked).toEqual(["cached", "renewed", "cached", "renewed"]);
  });

  it("that stay rejected are an error without the token", async () => {
    const server = await startTestApiServer(cleanup);
    const failure = server.client("hunter2").list(pods, {});
    await expect(failure).rejects.toMatchObject({ status: 401, reason: "Unauthorized" });
    await expect(failure).rejects.not.toThrow(/hunter2/);
  });

  it("that cannot be read are the call's error, by name", async () => {
    const server = await startTestApiServer(cleanup);
    const credentials = (): Promise<never> => Promise.reject(new Error("token: permission denied"));
    await expect(clientOf({ ...server.access(), credentials }).list(pods, {})).rejects.toMatchObject({
      code: "api_credentials",
      message: expect.stringContaining("permission denied"),
    });
    expect(server.requests).toEqual([]);
  });
});

describe("a client certificate", () => {
  it("that was renewed is used for the next call, on a new connection", async () => {
    const root = mintRoot();
    const mint = (name: string): MintedCertificate =>
      mintLeaf({
        issuer: root,
        uriSans: [],
        dnsSans: [name],
        notBefore: new Date(Date.now() - 60_000),
        notAfter: new Date(Date.now() + 3_600_000),
      });
    const seen: string[] = [];
    const own = mint("server");
    const server = createServer(
      { cert: own.pem, key: own.keyPem, ca: root.pem, requestCert: true },
      (request, response) => {
        const { socket } = request;
        if (socket instanceof TLSSocket) seen.push(socket.getPeerCertificate().subjectaltname ?? "");
        response.end(JSON.stringify({ metadata: { resourceVersion: "1" }, items: [] }));
      },
    );
    const port = await listen(server, { port: 0, host: "127.0.0.1", onError: () => undefined });
    cleanup.add(() => {
      server.close();
      server.closeAllConnections();
    });
    let certificate = mint("first");
    const credentials = async (): Promise<ApiCredentials> => {
      const { pem: cert, keyPem: key } = certificate;
      return { headers: {}, tls: { ca: root.pem, cert, key, servername: "server", verification: "full" } };
    };
    const client = clientOf({ server: `https://127.0.0.1:${port}`, namespace: "default", credentials });
    await client.list(pods, {});
    await client.list(pods, {});
    certificate = mint("second");
    await client.list(pods, {});
    expect(seen).toEqual(["DNS:first", "DNS:first", "DNS:second"]);
  });
});

describe("a proxy", () => {
  it("carries calls and watches through CONNECT, TLS from end to end", async () => {
    const server = await startTestApiServer(cleanup);
    const connects: string[] = [];
    const proxy = createHttpServer();
    proxy.on("connect", ({ url = "" }, socket) => {
      connects.push(url);
      const [host, port] = url.split(":");
      const upstream = connect(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.pipe(socket).pipe(upstream);
      });
      for (const one of [upstream, socket]) one.on("error", () => undefined);
      cleanup.add(() => upstream.destroy());
    });
    const port = await listen(proxy, { port: 0, host: "127.0.0.1", onError: () => undefined });
    cleanup.add(() => {
      proxy.close();
      proxy.closeAllConnections();
    });
    server.cluster.create(pods, { apiVersion: "v1", kind: "Pod", metadata: { name: "a", namespace: "default" } });
    const client = clientOf({ ...server.access(), proxy: `http://127.0.0.1:${port}` });
    expect((await client.list(pods, {})).items).toHaveLength(1);
    for await (const event of client.watch(pods, { resourceVersion: "1" })) {
      expect(event.type).toBe("ADDED");
      break;
    }
    expect(new Set(connects)).toEqual(new Set([server.url.replace("https://", "")]));
  });
});

describe("the server's warnings", () => {
  it("are logged", async () => {
    const access = await startScriptedServer(cleanup, (_, response) => {
      response.setHeader("warning", '299 - "v1beta1 is deprecated"');
      response.end(JSON.stringify({ metadata: { resourceVersion: "1" }, items: [] }));
    });
    const log = new RecordingLogger();
    await clientOf(access, log).list(pods, {});
    expect(log.find("v1beta1 is deprecated")).toHaveLength(1);
  });
});

describe("an endless event of a watch", () => {
  it("ends the watch at 16 MiB", async () => {
    const closed = Promise.withResolvers<void>();
    const access = await startScriptedServer(cleanup, ({ socket }, response) => {
      socket.once("close", () => closed.resolve());
      const chunk = "x".repeat(1024 * 1024);
      const write = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on("drain", write);
      write();
    });
    const watch = clientOf(access).watch(pods, { resourceVersion: "1" })[Symbol.asyncIterator]();
    await expect(watch.next()).rejects.toMatchObject({ code: "api_response_too_large" });
    await closed.promise;
  });
});
